"""How long a miner waits for the service that answers for it."""

import urllib.error
import urllib.request
from collections.abc import Callable

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.data.image_kinds import image_suffix
from kerasfusion.roadwork.miner.plugin.detector_settings import DetectorSettings


def request_stage(settings: DetectorSettings) -> Callable[[bytes], bytes]:
    """What the installed detector does with a photo where a service answers: send it, and wait.

    Args:
        settings: with a service_url.

    Returns:
        The encoded photo -> the service's answer. Raises KerasFusionError where there is none.
    """
    url = settings.service_url.rstrip("/") + "/v1/detect"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def request(photo: bytes) -> bytes:
        asked = urllib.request.Request(url, data=photo, headers={"Content-Type": _content_type(photo)})
        try:
            with opener.open(asked, timeout=settings.timeout_s) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            reason = error.read(2000).decode("utf-8", "replace")
            raise KerasFusionError(f"the service answered {error.code}: {reason}", where=url) from error
        except OSError as error:
            raise KerasFusionError(
                f"no answer from the service: {error}", where=url, todo="start it: kerasfusion miner serve MODEL"
            ) from error

    return request


def _content_type(photo: bytes) -> str:
    """By the first bytes: what else a file says may be odd, and is no matter here."""
    suffix = image_suffix(photo)
    if suffix is None:
        return "application/octet-stream"
    return "image/" + {".jpg": "jpeg", ".tif": "tiff"}.get(suffix, suffix[1:])

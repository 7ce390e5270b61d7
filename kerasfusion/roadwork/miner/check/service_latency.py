"""Asking the service that answers for a miner, as the installed detector does."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable

from kerasfusion.errors import KerasFusionError
from kerasfusion.roadwork.data.image_kinds import image_suffix
from kerasfusion.roadwork.miner.plugin.detector_settings import DetectorSettings

LATE, ABSENT, SILENT = "late", "nobody there", "without an answer"


class UnansweredError(KerasFusionError):
    """The service gave no answer.

    Args:
        why: LATE, ABSENT (no connection), SILENT (one that broke), or "refused (STATUS)", to be counted by.
        what, where, todo: as KerasFusionError takes them.
    """

    def __init__(self, why: str, what: str, *, where: object, todo: str | None = None):
        super().__init__(what, where=where, todo=todo)
        self.why = why


def request_stage(settings: DetectorSettings) -> Callable[[bytes], bytes]:
    """What the installed detector does with a photo where a service answers: send it, and wait.

    Args:
        settings: with a service_url.

    Returns:
        The encoded photo -> the service's answer. Raises UnansweredError where there is none.
    """
    url = settings.service_url.rstrip("/") + "/v1/detect"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def request(photo: bytes) -> bytes:
        asked = urllib.request.Request(url, data=photo, headers={"Content-Type": _content_type(photo)})
        try:
            with opener.open(asked, timeout=settings.timeout_s) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            what = f"the service answered {error.code}: {_reason(error)}"
            raise UnansweredError(f"refused ({error.code})", what, where=url) from error
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a length that is no number
            raise UnansweredError(
                _why(error),
                f"no answer from the service: {error or type(error).__name__}",
                where=url,
                todo="start it: kerasfusion miner serve MODEL",
            ) from error

    return request


def _why(error: Exception) -> str:
    cause = getattr(error, "reason", error)  # urllib wraps what happens before the request is sent
    if isinstance(cause, TimeoutError):
        return LATE
    broken = isinstance(cause, ConnectionResetError | BrokenPipeError | ConnectionAbortedError)
    return ABSENT if isinstance(error, urllib.error.URLError) and not broken else SILENT


def _reason(error: urllib.error.HTTPError) -> str:
    """The beginning of what the service says of a refusal."""
    try:
        return error.read(2000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return "its reason did not arrive"


def _content_type(photo: bytes) -> str:
    """By the first bytes: what else a file says may be odd, and is no matter here."""
    suffix = image_suffix(photo)
    if suffix is None:
        return "application/octet-stream"
    return "image/" + {".jpg": "jpeg", ".tif": "tiff"}.get(suffix, suffix[1:])

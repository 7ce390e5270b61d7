"""Pictures of reports and of the service's page for the guides, taken in a browser.

.venv/bin/python tools/screenshots.py runs/roadwork/report.html runs/fume/report.html
.venv/bin/python tools/screenshots.py --service http://127.0.0.1:8100 --photo photo.jpg

Writes tools/images/NAME-desktop.png, -phone.png and -dark.png, NAME made of the page's title; and service-page.png, the
page of a service that runs with its answer to the photo. Needs the extra `dev` and a Chrome, Chromium or Edge;
`python -m tests.browser` finds or installs one.
"""

import argparse
import io
import re
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "tools" / "images"
KINDS = {"desktop": (1100, 1250, False), "phone": (390, 844, False), "dark": (1100, 1250, True)}
"""Width and height of the window in CSS pixels, and whether it asks for dark pages."""

LARGEST = 300_000
"""Bytes of a picture: the repository carries them for good."""

COLOURS = (256, 128, 64, 32)


def make_parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="*", type=Path, metavar="REPORT.html")
    parser.add_argument("--service", metavar="URL", help="address of a running `kerasfusion miner serve`")
    parser.add_argument("--photo", type=Path, help="the photo that it is asked about")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder for the pictures  [default: tools/images]")
    parser.add_argument("--at", metavar="ANCHOR", help="scroll to this section first, such as the-worst-mistakes")
    return parser


def main() -> int:
    """Take the pictures; the exit code."""
    parser = make_parser()
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if bool(arguments.service) != bool(arguments.photo) or not (arguments.reports or arguments.service):
        parser.error("name reports, or --service URL with --photo FILE")
    missing = [path for path in (*arguments.reports, arguments.photo) if path is not None and not path.is_file()]
    if missing:
        names = ", ".join(map(str, missing))
        print(f"error: no such file: {names}\n  what to do: kerasfusion report RUN makes a report", file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    for report in arguments.reports:
        for kind, window in KINDS.items():
            title, picture = take(report, *window, arguments.at)
            parts = re.findall("[a-z0-9]+", title.lower())
            path = arguments.out / f"{'-'.join([*parts, *filter(None, [arguments.at]), kind])}.png"
            keep(path, picture)
    if arguments.service:
        keep(arguments.out / "service-page.png", take_answer(arguments.service, arguments.photo))
    return 0


def keep(path: Path, picture: bytes) -> None:
    """Write a picture, and say how large it is."""
    path.write_bytes(small_png(picture))
    size = path.stat().st_size
    print(f"{path}: {size / 1000:.0f} kB" + (", larger than it should be" if size > LARGEST else ""))


def take(report: Path, width: int, height: int, dark: bool, anchor: str | None) -> tuple[str, bytes]:
    """The page's title, and a PNG of what a window of this size shows of it; see KINDS.

    Args:
        report: the HTML file.
        width, height, dark: the window.
        anchor: id of the section at its top; None is the beginning.
    """
    from tests.browser import open_page

    with open_page(width, height, dark) as page:
        page.goto(report.resolve().as_uri() + (f"#{anchor}" if anchor else ""))
        return page.title(), page.screenshot()


def take_answer(url: str, photo: Path) -> bytes:
    """A PNG of the service's page with its answer to a photo."""
    from tests.browser import open_page

    with open_page(760, 700) as page:
        page.goto(url)
        page.set_input_files("#file", photo)
        page.wait_for_selector("#result:not([hidden])")
        return page.screenshot()


def small_png(data: bytes) -> bytes:
    """The picture with as many colours as fit into LARGEST bytes."""
    if len(data) <= LARGEST:
        return data
    for colours in COLOURS:
        encoded = io.BytesIO()
        Image.open(io.BytesIO(data)).convert("RGB").quantize(colours).save(encoded, "PNG", optimize=True)
        if encoded.tell() <= LARGEST:
            break
    return encoded.getvalue()


if __name__ == "__main__":
    sys.exit(main())

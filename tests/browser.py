"""The headless browser that pages are tested in: a Chrome, Chromium or Edge of this machine, or Playwright's own.

python -m tests.browser     finds one, or installs one: Debian's as root, else Playwright's download.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic")
"""Without them Chromium calls its maker's hosts at every start."""


def find() -> str | None:
    """The browser's program, or None."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or next((place for place in PLACES if Path(place).is_file()), None)


@contextmanager
def open_page(width: int = 1280, height: int = 800, dark: bool = False, expected: str | None = None) -> Iterator:
    """A Playwright page in a new browser; what its console and its scripts complain of fails the test at the end.

    Args:
        width, height: of the window, CSS pixels.
        dark: the colour scheme that the page is asked for.
        expected: a complaint that has this text in it is none.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox", *QUIET])
        page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        complaints = []
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        browser.close()
    complaints = [each for each in complaints if expected is None or expected not in each]
    assert not complaints, complaints


def _install() -> int:
    """Install one; the exit code."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
        code = subprocess.run(
            ["apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium"], check=False, **quiet
        ).returncode
        if code == 0:
            return 0
    return subprocess.run([sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]).returncode


if __name__ == "__main__":
    if find() is None and _install() != 0:
        sys.exit("no browser for the tests of pages: install Chrome, Chromium or Edge and run the same command again")
    print(find() or "Playwright's own Chromium")

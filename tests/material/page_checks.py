"""What every page must hold to in a browser."""

import re

from tests.browser import open_page

CUT = """() => [...document.querySelectorAll('.chart svg')].filter(svg => svg.getBoundingClientRect().height)
  .flatMap(svg => {
    const frame = svg.getBoundingClientRect(), reach = 2;
    return [...svg.querySelectorAll('text')].filter(text => text.textContent.trim()).flatMap(text => {
      const box = text.getBoundingClientRect();
      const inside = box.left >= frame.left - reach && box.right <= frame.right + reach &&
        box.top >= frame.top - reach && box.bottom <= frame.bottom + reach;
      return inside ? [] : [text.textContent];
    });
  })"""
"""Writing that leaves its figure's frame, where it is not shown."""

TOO_WIDE = """width => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('svg') && !e.closest('.scroll') && e.getBoundingClientRect().right > width + 1)
  .map(e => e.outerHTML.slice(0, 80))"""

COLOURS = """() => [getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.body).color]
  .map(colour => Math.round(colour.match(/[0-9]+/g).slice(0, 3).reduce((sum, level) => sum + Number(level), 0) / 3))"""

PAPER = 718
"""Width of A4 less 10 mm at each side, CSS pixels."""


def check_source(text):
    """No address is fetched and no script is there: links within the page and data: addresses only."""
    assert "<script" not in text
    for address in re.findall(r"""(?:src|href|action|poster)\s*=\s*["']?([^"'\s>]+)""", text):
        assert address.startswith(("#", "data:")), address
    assert not re.search(r"@import|url\((?!#)", text)


def check_page(path, pictures):
    """No complaint in the console, pictures there, nothing too wide or cut, dark where that is asked for, prints whole.

    Args:
        path: the HTML file.
        pictures: how many <img> it has.
    """
    with open_page() as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        for width, scheme in ((1280, "light"), (390, "light"), (390, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            _check_layout(page, width)
            paper, ink = page.evaluate(COLOURS)
            assert (paper < 40 and ink > 200) if scheme == "dark" else (paper > 240 and ink < 60), (scheme, paper, ink)
        loaded = page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)")
        assert loaded == [True] * pictures, loaded
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        page.set_viewport_size({"width": PAPER, "height": 1000})
        page.emulate_media(media="print")  # the scheme stays dark: paper is white nevertheless
        _check_layout(page, PAPER)
        paper, ink = page.evaluate(COLOURS)
        assert (paper, ink) == (255, 0)
        assert page.pdf(format="A4").startswith(b"%PDF")


def _check_layout(page, width):
    assert page.evaluate("document.documentElement.scrollWidth") <= width, width
    too_wide, cut = page.evaluate(TOO_WIDE, width), page.evaluate(CUT)
    assert too_wide == [], (width, too_wide)
    assert cut == [], (width, cut)

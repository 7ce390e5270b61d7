"""The page, in a browser: a photo in, the answer and errors in words."""

import base64
import json

import pytest

from tests.browser import open_page
from tests.roadwork.service.material import photo

pytestmark = pytest.mark.browser


DROP = """([data, type]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dropped = new DataTransfer();
  dropped.items.add(new File([bytes], "street.png", { type }));
  window.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
}"""
VIOLATION = """() => {
  const script = document.createElement("script");
  script.textContent = "window.ran = true";
  document.body.append(script);
  return window.ran === true;
}"""


def choose(page, data: bytes, name: str = "street.png", kind: str = "image/png"):
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": data})


def test_a_chosen_photo_gets_number_bar_decision_and_shares(service):
    with open_page() as page:
        page.goto(service.url)
        choose(page, photo(204))
        page.wait_for_selector("#result:not([hidden])")
        assert page.inner_text("#number") == "0.8000"
        assert page.inner_text("#decision") == "Roadwork"
        assert page.get_attribute("#bar", "aria-label") == "P(roadwork) 0.8000, the decision changes at 0.5"
        bar, filled, line = (page.locator(f"#bar{part}").bounding_box() for part in ("", " i", " b"))
        assert filled["width"] == pytest.approx(0.8 * bar["width"], abs=1)
        assert line["x"] + line["width"] / 2 == pytest.approx(bar["x"] + bar["width"] / 2, abs=1)
        assert page.inner_text("#branches tr").split() == ["vit", "0.8000"]
        assert page.locator("#branches .bar i").bounding_box()["width"] > 50
        assert "ms" in page.inner_text("#time")
        assert "fusion.onnx, float32" in page.inner_text("#model")
        assert page.evaluate("document.getElementById('photo').naturalWidth") == 64


def test_a_dropped_photo_replaces_the_one_before(service):
    with open_page() as page:
        page.goto(service.url)
        choose(page, photo(204))
        page.wait_for_selector("#result:not([hidden])")
        page.evaluate(DROP, [base64.b64encode(photo(51)).decode(), "image/png"])
        page.wait_for_selector("#number:has-text('0.2000')")
        assert page.inner_text("#decision") == "No roadwork"


def test_an_error_is_said_in_words_and_a_photo_after_it_answered(service):
    with open_page(expected="status of 400") as page:
        page.goto(service.url)
        choose(page, b"hello", "note.txt", "text/plain")
        page.wait_for_selector("#wrong:not([hidden])")
        assert page.get_attribute("#wrong", "role") == "alert"
        said = page.inner_text("#wrong").lower()
        assert "not an image in a known format" in said and "expected: a jpeg" in said and "what to do:" in said
        assert not page.is_visible("#result")
        choose(page, photo(51))
        page.wait_for_selector("#result:not([hidden])")
        assert not page.is_visible("#wrong")


def test_the_keyboard_reaches_the_choice_of_a_photo(service):
    with open_page() as page:
        opened = []
        page.on(
            "filechooser", lambda chooser: opened.append(chooser)
        )  # before the page is there: it takes effect a little later
        page.goto(service.url)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "file"
        page.keyboard.press("Enter")
        for _ in range(500):
            if opened:
                break
            page.wait_for_timeout(20)
        assert opened
        assert page.evaluate("getComputedStyle(document.getElementById('drop')).outlineStyle") == "solid"
        assert page.evaluate("document.getElementById('result').closest('[aria-live]') !== null")


def test_dark_and_a_phone_s_width(service):
    with open_page(width=320, height=640, dark=True) as page:
        page.goto(service.url)
        choose(page, photo(204, size=(1280, 720)))
        page.wait_for_selector("#result:not([hidden])")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert max(red, green, blue) < 64


def test_a_script_that_is_not_the_page_s_own_does_not_run(service):
    with open_page(expected="Content Security Policy") as page:
        page.goto(service.url)
        assert page.evaluate(VIOLATION) is False


def test_the_page_leads_programs_to_the_description(service):
    with open_page(expected="status of 404") as page:  # a browser asks for an icon beside JSON
        page.goto(service.url)
        assert page.inner_text("p:has(a)") == "Programs ask POST v1/detect; openapi.json describes it."
        page.click("a")
        page.wait_for_url("**/openapi.json")
        assert json.loads(page.inner_text("pre"))["openapi"] == "3.1.0"

"""The page that reports are written on, read as text and in a browser."""

import io
import re
import statistics

import pytest
from PIL import Image

from kerasfusion.figure_style import BLUE, GREY, ON_DEEP, as_svg, panels
from kerasfusion.report_page.blocks import (
    Chart,
    Details,
    Facts,
    Note,
    Number,
    Numbers,
    Paragraph,
    Picture,
    Pictures,
    Points,
    Section,
    Table,
)
from kerasfusion.report_page.page import anchors_of, page_text, write_page
from tests.browser import open_page
from tests.material.page_checks import check_page, check_source

NASTY = "<script>document.title='taken'</script>&\"'"


def figure(per_row):
    drawn, axes = panels(2, width=3.6, height=2.5, per_row=per_row)
    for number, ax in enumerate(axes):
        ax.plot([1, 2, 3], [2, 1, 3], color=BLUE, label="validation")
        ax.imshow([[0, 1]], extent=(1, 2, 1, 2), cmap="Blues")
        ax.text(1.5, 1.5, "cell", color=ON_DEEP)
        ax.set(title=f"<b>{number} & <i>", xlabel="epoch", ylabel="loss (nats)", xlim=(1, 3), ylim=(1, 3))
        ax.legend()
    return drawn


def jpeg(colour="red", size=(320, 200)):
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "JPEG")
    return data.getvalue()


@pytest.fixture(scope="module")
def sections():
    wide_table = Table([{f"a value {n}": n / 3 for n in range(9)}] * 3, "nine columns", digits=3)
    return [
        Section(
            "Summary",
            [
                Numbers([Number("MCC", "0.900", "0.8 to 1.0"), Number("reward", "0.7")]),
                Paragraph(f"prose with `code` and {NASTY}"),
                Note("was not made.", "kerasfusion evaluate runs/x", kind="missing"),
                Points(["first", "second"]),
                wide_table,
            ],
        ),
        Section(
            "Summary", [Chart(figure(2), "a caption", f"alt {NASTY}", narrow=figure(1)), Facts({"a": 1, "b": None})]
        ),
        Section(
            "Pictures",
            [
                Pictures([Picture(jpeg(), f"test/{NASTY}.jpg", ["truth: roadwork"])] * 5, "the worst"),
                Details("more", [Table([{"setting": "x" * 90, "value": NASTY}], "settings")]),
            ],
        ),
    ]


@pytest.fixture(scope="module")
def page_file(sections, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(path, f"title {NASTY}", f"the lead {NASTY}", sections, "made by a test")
    return path


def test_nothing_is_run_or_fetched(page_file):
    text = page_file.read_text(encoding="utf-8")
    check_source(text)


def test_code_is_marked_and_the_rest_is_escaped(page_file):
    text = page_file.read_text(encoding="utf-8")
    assert "prose with <code>code</code> and &lt;script&gt;" in text
    assert "<code>kerasfusion evaluate runs/x</code>" in text


def test_sections_of_one_title_have_anchors_of_their_own(sections, page_file):
    assert list(anchors_of(sections)) == ["summary", "summary-2", "pictures"]
    text = page_file.read_text(encoding="utf-8")
    targets = re.findall(r'<a href="#([^"]+)"', text)
    assert targets == ["summary", "summary-2", "pictures"]
    for target in targets:
        assert text.count(f'<section id="{target}"') == 1


def test_tables_show_values_as_reporting_does():
    rows = [{"name": "a", "value": 0.12345, "pair": [0.5, 1.0], "there": True}, {"name": "b", "value": None}]
    text = page_text("t", "l", [Section("s", [Table(rows, "c", digits={"value": 2})])], "m")
    assert re.findall(r"<t[hd] (?:scope=row )?class=\"[^\"]*\">([^<]*)</t", text) == [
        *("a", "0.12", "[0.5000, 1.0000]", "yes"),
        *("b", "-", "-", "-"),
    ]


def test_figures_share_no_ids_and_take_the_pages_colours(page_file):
    text = page_file.read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) > 10
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'<use href="#([^"]+)"', text))
    assert used <= set(ids)
    svg = as_svg(figure(1), "f")
    assert "var(--blue)" in svg
    assert "DejaVu" not in svg
    assert not re.search(f"{BLUE}|{GREY}", svg, re.IGNORECASE)
    assert ON_DEEP.lower() in svg.lower()


def test_a_figure_is_drawn_alike_every_time():
    assert as_svg(figure(1), "f") == as_svg(figure(1), "f")


@pytest.mark.browser
def test_a_browser_shows_it_on_a_screen_a_phone_in_the_dark_and_on_paper(page_file):
    check_page(page_file, pictures=5)


@pytest.mark.browser
def test_the_title_is_text_and_details_open(page_file):
    with open_page() as page:
        page.goto(page_file.as_uri())
        assert page.title() == f"title {NASTY}"
        assert not page.get_by_text("x" * 90).is_visible()
        page.get_by_text("more", exact=True).click()
        assert page.get_by_text("x" * 90).is_visible()
        page.get_by_role("link", name="Pictures").click()
        assert page.evaluate("document.querySelector('#pictures').getBoundingClientRect().top") < 800


@pytest.mark.browser
def test_a_narrow_screen_gets_the_narrow_figure(page_file):
    with open_page() as page:
        for width, expected in ((1100, ["wide"]), (390, ["narrow"])):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(page_file.as_uri())
            shown = page.evaluate(
                "[...document.querySelectorAll('.wide, .narrow')].filter(e => e.offsetHeight).map(e => e.className)"
            )
            assert shown == expected


@pytest.mark.browser
def test_values_with_intervals_of_two_runs_fit_a_screen(tmp_path):
    values = dict.fromkeys(("MCC", "reward", "accuracy", "ROC-AUC"), "0.943 (0.885 to 0.986)")
    runs = ("demo", "demo-again-with-another-learning-rate")
    rows = [{"run": name, "output": "the fusion", **values, "photos": 140} for name in runs]
    write_page(tmp_path / "report.html", "title", "lead", [Section("values", [Table(rows, "both")])], "made by a test")
    with open_page(1280) as page:
        page.goto((tmp_path / "report.html").as_uri())
        inside, shown = page.evaluate("(box => [box.scrollWidth, box.clientWidth])(document.querySelector('.scroll'))")
        assert inside <= shown


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_a_table_shows_at_which_edge_it_goes_on(page_file, dark):
    with open_page(390, dark=dark) as page:
        page.goto(page_file.as_uri())
        table = page.locator("#summary .scroll").first
        table.scroll_into_view_if_needed()
        shadows = {}
        for part in (0, 0.5, 1):
            table.evaluate("(box, part) => { box.scrollLeft = part * (box.scrollWidth - box.clientWidth) }", part)
            picture = Image.open(io.BytesIO(table.screenshot())).convert("L")
            paper, rows = (22 if dark else 255), range(2, picture.height, 3)
            edges = ([picture.getpixel((x, y)) for y in rows] for x in (1, picture.width - 2))
            shadows[part] = [abs(statistics.median(edge) - paper) > 20 for edge in edges]
        assert shadows == {0: [False, True], 0.5: [True, True], 1: [True, False]}

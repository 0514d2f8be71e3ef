"""The page works in a real browser: it loads nothing, fits the screen and is accessible."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from matplotlib import pyplot as plt
from playwright.sync_api import Error
from reported import hostile_report, report_of

from exportstats.report import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    import exportstats as xs

pytestmark = pytest.mark.slow

REPORTS: dict[str, Callable[[], xs.WeeklyReport]] = {
    "worst": lambda: report_of("2026-W24"),
    "quietest": lambda: report_of("2026-W20"),
    "hostile": hostile_report,
}
WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")
each = pytest.mark.parametrize("name", REPORTS)


@dataclass
class Opened:
    """A loaded page, with its messages and requests."""

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the files of the reports, written once, with their tables."""
    folder = tmp_path_factory.mktemp("pages")

    def write(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            report = REPORTS[name]()
            machine.write_csv(report, folder / f"{name}-tables")
            path.write_text(report.to_html(csv=f"{name}-tables"), encoding="utf-8")
        return path

    return write


@pytest.fixture
def opened(browser: Browser, files: Callable[[str], Path]) -> Iterator[Callable[..., Opened]]:
    """Return a function that opens a report in a new window and records messages and requests."""
    pages = []

    def load(name: str, width: int = 1280, scheme: Any = "light") -> Opened:  # noqa: ANN401
        size: Any = {"width": width, "height": 800}
        page = browser.new_page(viewport=size, color_scheme=scheme)
        pages.append(page)
        found = Opened(page)
        page.on("console", lambda message: found.messages.append(message.text))
        page.on("pageerror", lambda error: found.messages.append(str(error)))
        page.on("dialog", lambda dialog: found.messages.append(dialog.message))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(files(name).as_uri())
        return found

    yield load
    for page in pages:
        page.close()


DECODED = "Promise.all([...document.images].map(i => i.decode()))"
OPEN = "document.querySelectorAll('details').forEach(d => d.open = true)"


def wait_for_images(page: Page, width: int) -> None:
    """Wait until all images are those of a width; the policy of the page forbids other ways."""
    widths = "[...document.images].map(i => i.naturalWidth)"
    deadline = time.monotonic() + 20
    while set(page.evaluate(widths)) != {width} and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert set(page.evaluate(widths)) == {width}


def test_nothing_scrolls_sideways_on_a_phone(opened: Callable):
    """At 390 px, all tables and charts fit, and charts are the narrow ones, except in print."""
    page = opened("worst", 390).page
    page.evaluate(OPEN)
    wide = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
    assert page.evaluate(f"{wide}.map(e => e.ariaLabel)") == []
    wait_for_images(page, 360)
    widths = page.evaluate("[...document.images].map(i => i.clientWidth)")
    assert len(widths) == 3
    assert all(340 <= shown <= 360 for shown in widths)
    page.emulate_media(media="print")
    wait_for_images(page, 960)


def test_expiry_is_visible_on_a_phone(opened: Callable):
    """The expiry time is the first column of the table of events that will be lost."""
    page = opened("worst", 390).page
    page.locator("details > summary").first.click()
    cell = page.locator("details td").first
    assert cell.get_attribute("data-name") == "expires at"
    assert cell.inner_text() == "2026-06-23"
    box = cell.bounding_box()
    assert box["x"] + box["width"] <= 390


def test_the_email_fits_on_a_phone(browser: Browser, tmp_path: Path):
    """At 390 px, nothing in the email is wider, and its pictures are narrow ones."""
    mail = message_from_bytes(report_of("2026-W24").to_email(), policy=policy.default)
    html, pictures = mail.get_body(["html"]).get_content(), []
    for part in mail.walk():
        if part.get_content_type() == "image/png":
            name = part["Content-ID"].strip("<>")
            (tmp_path / f"{name}.png").write_bytes(part.get_content())
            html = html.replace(f"cid:{name}", f"{name}.png")
            pictures.append(name)
    (tmp_path / "mail.html").write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto((tmp_path / "mail.html").as_uri())
    page.evaluate(DECODED)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    widths = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.clientWidth])")
    assert len(widths) == len(pictures) == 3
    assert all(natural == 600 and shown > 340 for natural, shown in widths)
    page.close()


@each
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_page_is_silent_and_fits(name: str, width: int, scheme: str, opened: Callable):
    """The page has no messages, errors or external requests, and does not scroll sideways."""
    found = opened(name, width, scheme)
    page = found.page
    page.evaluate(OPEN)
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert found.messages == []
    assert [url for url in found.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in found.requests if url.startswith("file:")]) == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # wide content scrolls in its own box, and no text overflows the page
    assert (
        page.evaluate(
            """[...document.querySelectorAll('h1, h2, p, li, summary, figure, .scroll')]
           .filter(e => e.getBoundingClientRect().right > innerWidth + 1).length"""
        )
        == 0
    )
    assert page.evaluate("document.title") == page.inner_text("h1")
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert dark == ("rgb(20, 24, 29)" if scheme == "dark" else "rgb(255, 255, 255)")


@pytest.mark.parametrize("name", ["worst", "quietest"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_is_accessible(name: str, width: int, scheme: str, opened: Callable):
    """Axe reports no serious or critical violation, including contrast, with all folds open."""
    page = opened(name, width, scheme).page
    page.evaluate(OPEN)
    assert complaints(page) == []


def test_the_hostile_page_is_accessible(opened: Callable):
    """Axe reports none on the hostile page with one fold open. All folds would take a minute."""
    page = opened("hostile", 390, "dark").page
    page.locator("details > summary").first.click()
    assert complaints(page) == []


def test_the_page_is_accessible_with_folds_shut(opened: Callable):
    """Axe reports none with all folds shut."""
    assert complaints(opened("worst").page) == []


def complaints(page: Page) -> list[tuple[str, str]]:
    """Return the serious and critical violations of axe, each with its first element."""
    return [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@each
def test_folds_open(name: str, opened: Callable):
    """A click on a fold opens it and shows its table. Another click closes it."""
    page = opened(name).page
    folds = page.locator("details")
    assert folds.count() >= 4
    for at in range(folds.count()):
        fold = folds.nth(at)
        assert fold.get_attribute("open") is None
        if not fold.locator(":scope > summary").is_visible():
            continue  # a fold within another one
        inside = fold.locator("table, img").first
        assert not inside.is_visible()
        fold.locator(":scope > summary").click()
        assert fold.get_attribute("open") is not None
        assert inside.is_visible()
        fold.locator(":scope > summary").click()
        assert not inside.is_visible()


def test_folds_open_by_key(opened: Callable):
    """Tab focuses a fold, and Enter opens it."""
    page = opened("worst").page
    for _ in range(5):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            break
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1


@each
def test_it_can_be_printed(name: str, opened: Callable):
    """In print, the page is black on white even with a dark color scheme, and has several pages."""
    page = opened(name, 1280, "dark").page
    page.emulate_media(media="print", color_scheme="dark")
    colours = page.evaluate(
        """(() => { const s = getComputedStyle(document.querySelector('.xs-report'));
           return [s.color, s.backgroundColor]; })()"""
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.pdf(format="A4", print_background=True).startswith(b"%PDF-")


PAPER = 703  # pixels between the margins of a sheet of A4


@pytest.mark.parametrize("name", ["worst", "quietest"])
def test_nothing_is_cut_in_print(name: str, opened: Callable):
    """In print, tables, charts and commands end at the margin, and a finding can span pages."""
    page = opened(name, PAPER).page
    page.emulate_media(media="print")
    edges = "[...document.querySelectorAll('table, img, pre, p')].map(e => EDGE)"
    for edge in ("e.getBoundingClientRect().right", "e.scrollWidth"):
        assert max(page.evaluate(edges.replace("EDGE", edge))) <= PAPER + 1
    inside = "[...document.querySelectorAll(NAMES)].map(e => getComputedStyle(e).breakInside)"
    for of, expected in (("li.finding, figure", "auto"), ("tr, img, pre", "avoid")):
        assert set(page.evaluate(inside.replace("NAMES", repr(of)))) <= {expected}


def test_the_quietest_week_fits_on_one_screen(opened: Callable):
    """The page of a quiet week fits on one screen."""
    page = opened("quietest").page
    assert page.evaluate("document.documentElement.scrollHeight") <= 800
    assert "A quiet week" in page.inner_text(".headline")


def test_the_worst_finding_is_visible_first(opened: Callable):
    """The worst finding, its parts and its first command are on the first screen of any size."""
    for width in WIDTHS:
        page = opened("worst", width).page
        box = page.locator("li.finding pre").first.bounding_box()
        assert box["y"] + box["height"] < 800
        assert page.locator("li.finding .severity").first.inner_text().lower() == "critical"


@pytest.mark.parametrize(
    "name",
    [
        "worst",
        "quietest",
        "hostile",
    ],
)
def test_pages_are_small(name: str, files: Callable):
    """A page is smaller than a megabyte."""
    assert files(name).stat().st_size < 1_000_000


def test_it_needs_no_script(browser: Browser, files: Callable):
    """The page is the same with scripts disabled."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(files("worst").as_uri())
    page.locator("details > summary").first.click()
    assert page.locator("details table").first.is_visible()
    context.close()


def test_the_policy_forbids_scripts_and_pictures_from_elsewhere(opened: Callable):
    """Injected scripts do not run, and injected pictures are not loaded."""
    found = opened("quietest")
    with pytest.raises(Error):
        found.page.add_script_tag(content="window.ran = 1")
    assert found.page.evaluate("window.ran") is None
    found.page.evaluate("new Image().src = 'https://evil.example/x.png'")
    found.page.wait_for_timeout(200)
    assert any("Content Security Policy" in text for text in found.messages)


@each
def test_links_lead_to_tables(name: str, opened: Callable, files: Callable):
    """Each link leads to a CSV file."""
    page = opened(name).page
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    for link in links:
        assert (files(name).parent / link).is_file()
    if name != "quietest":
        assert links


@pytest.mark.parametrize(("scheme", "paper"), [("light", (255, 255, 255)), ("dark", (20, 24, 29))])
def test_charts_are_dark_on_dark(scheme: str, paper: tuple[int, int, int], opened: Callable):
    """The background of a chart is that of the page, and white in print."""
    page = opened("worst", 1280, scheme).page
    assert corner(page) == paper
    page.emulate_media(media="print", color_scheme=scheme)
    assert corner(page) == (255, 255, 255)


def corner(page: Page) -> tuple[int, ...]:
    """Return the color of the corner of the first chart."""
    pixels = plt.imread(io.BytesIO(page.locator("img").first.screenshot()))
    return tuple((pixels[2, 2, :3] * 255).round())


def test_print_opens_the_folds(opened: Callable):
    """In print, all folds are open."""
    page = opened("worst").page
    hidden = """[...document.querySelectorAll('details table')]
        .filter(e => !e.checkVisibility({contentVisibilityAuto: true})).length"""
    assert page.evaluate(hidden) > 0
    page.emulate_media(media="print")
    for _ in range(200):  # the folds open in one of the next frames
        if page.evaluate(hidden) == 0:
            return
        page.wait_for_timeout(50)
    pytest.fail("some folds are closed in print")

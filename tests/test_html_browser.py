"""The pages in a real browser: nothing in the console, nothing fetched, formulas with a size, readable on a phone, in the dark and with the keyboard alone."""

import pytest
from browser import CHROMIUM, Browser

from verify import SGD, Problem
from verify.report.html import report as module
from verify.report.html.folder import write_folder
from verify.report.html.report import report
from verify.report.html.site import site

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed, so no page was looked at in a browser: apt-get install chromium")

PAGES = ("report", "index", "theory", "T2", "E6-prime-prime", "F-larger-batch")
UNDRAWN = "[...document.querySelectorAll('math')].filter(m => { const r = m.getBoundingClientRect(); return !(r.width > 0 && r.height > 4) }).length"
FAINT = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data };
  const light = colour => { const [r, g, b] = [...rgb(colour)].map(x => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const back = e => getComputedStyle(e).backgroundColor;
  const paper = e => { while (back(e) === 'rgba(0, 0, 0, 0)') e = e.parentElement; return back(e) };
  const texts = [...document.querySelectorAll('body *')].filter(e => !e.closest('svg') && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  const seen = new Map(texts.map(e => [getComputedStyle(e).color + paper(e), e]));
  return [...seen.values()].map(e => { const [a, b] = [light(getComputedStyle(e).color), light(paper(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.tagName + ' ' + e.textContent.trim().slice(0, 40)] }).filter(x => x[0] < 4.5) })()"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A site with a report in it."""
    target = tmp_path_factory.mktemp("pages") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "POINTS", 3)
        problem = Problem.from_gram([["1", "1/2"], ["1/2", "2"]], SGD("101/100"), name="a-name-that-is-long-and-cannot-be-broken-anywhere-at-all.toml")
        write_folder(target, site() | {"report.html": report(problem, "p.toml", time_limit=1.0).html})
    return target


@pytest.fixture(scope="module")
def browser():
    with Browser() as one:
        yield one


@pytest.mark.parametrize("name", PAGES)
def test_pages_in_both_schemes_and_on_a_phone(browser, folder, name):
    for width, dark in ((1280, False), (375, True)):
        browser.open(folder / f"{name}.html", width=width, dark=dark)
        assert browser.messages == []
        assert [address for address in browser.requests if not address.startswith(("file:", "data:"))] == []
        assert browser.value("innerWidth") == width
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.value("document.querySelectorAll('math').length") > 0 or name == "index"
        assert browser.value(UNDRAWN) == 0
        assert browser.value("matchMedia('(prefers-color-scheme: dark)').matches") is dark
        assert browser.value(FAINT) == []
    assert browser.value("parseFloat(getComputedStyle(document.body).fontSize)") >= 16


def test_schemes_differ_down_to_the_figures(browser, folder):
    seen = []
    for dark in (False, True):
        browser.open(folder / "report.html", dark=dark)
        seen.append(browser.value("[getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.querySelector('svg use')).fill]"))
    (paper, ink), (dark_paper, dark_ink) = seen
    assert len({paper, ink, dark_paper, dark_ink}) == 4


@pytest.mark.parametrize("name", ["report", "T2"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser, folder, name):
    browser.open(folder / f"{name}.html", width=1280)
    browser.press()
    assert browser.value("document.activeElement.textContent") == "Skip to the content"
    assert browser.value("document.activeElement.getBoundingClientRect().top") >= 0
    left = "[...document.querySelectorAll('a, summary, [tabindex=\"0\"]')].filter(e => e.checkVisibility() && !e.dataset.seen).length"
    outlined = "(s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))"
    assert browser.value(left) > 5
    while browser.value("document.activeElement !== document.body && !document.activeElement.dataset.seen"):
        assert browser.value(outlined)
        browser.value("document.activeElement.dataset.seen = 'yes'")
        browser.press()
    assert browser.value(left) == 0


def test_the_skip_link_and_links_between_pages(browser, folder):
    browser.open(folder / "index.html")
    browser.press()
    browser.press("Enter", 13)
    assert browser.value("document.activeElement.tagName") == "MAIN"
    for step, end in (("a[href=\"E5-prime.html\"]", "/E5-prime.html"), ("article a[href^=\"theory.html#\"]", "/theory.html#E5-prime")):
        browser.follow(step)
        assert browser.value("location.href").endswith(end)
        assert browser.messages == []


def test_a_bad_page_is_noticed(browser, tmp_path):
    """The measurements fail where they must."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<!doctype html><meta name="viewport" content="width=device-width"><body style="background: white"><p style="color: #bbb">faint</p><math></math>'
        '<div style="width: 800px">wide</div><script>console.error("no"); fetch("http://127.0.0.1:9/x").catch(() => 0)</script>'
    )
    browser.open(bad, width=375)
    assert browser.value("document.documentElement.scrollWidth") > 375
    assert browser.value(UNDRAWN) == 1
    assert browser.value(FAINT)
    assert browser.messages
    assert any(address.startswith("http:") for address in browser.requests)

"""A browser opens the page: it answers hand and keys, asks nobody, and runs nothing that a run brings."""

import base64
import re
import zlib

import numpy as np
import pytest
from helpers.browser import BROWSER, browser
from helpers.runs import hostile_run, with_event

import rdmtools as rdm
from rdmtools.report.run_page import write_report

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on the path")

COMPLAINTS = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pages")
    write_report(rdm.analyze(with_event(), window=12, truth="accuracy"), place / "report.html")
    write_report(rdm.analyze(hostile_run(), windows=(8, 12)), place / "hostile.html")
    return place


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def tab(shared, folder):
    shared.events.clear()
    shared.open(folder / "report.html")
    return shared


def said(tab):
    """What the charts and the map say of the place of the pointer."""
    return tab.eval("[...document.querySelectorAll('output')].map(one => one.textContent)")


def test_nothing_is_asked_and_nothing_complained_of(tab):
    tab.until("document.documentElement.classList.contains('scripted')")
    assert tab.told(*COMPLAINTS) == []
    asked = {
        event["params"]["request"]["url"].split(":")[0] for event in tab.told("Network.requestWillBeSent")
    }
    assert asked == {"file", "data"}
    assert tab.eval("document.title").startswith("event")
    assert tab.eval("document.querySelectorAll('.uplot').length") == 2
    assert tab.eval("performance.getEntriesByType('navigation')[0].loadEventEnd") > 0


def test_the_crosshair_is_shared_and_tells_values(tab):
    tab.mouse("mouseMoved", *tab.middle(".u-over"))
    score, shc, _ = said(tab)
    assert re.fullmatch(r"step [\d,]+: score .+, fires .+", score)
    assert shc.startswith(score.split(":")[0] + ": SHC ")
    assert not tab.eval("document.querySelector('.hair').hidden")


def test_the_map_tells_the_sample_and_its_loss(tab):
    tab.until("document.querySelector('canvas.map').height > 0")
    x, y = tab.middle("canvas.map")
    tab.mouse("mouseMoved", x, y)
    told = said(tab)[-1]
    found = re.fullmatch(
        r"step ([\d,]+), sample (\d+), (learned|other): loss ([\d.]+), at (\d+)% of its scale", told
    )
    assert found, told
    losses = with_event().losses[:, int(found[2])]
    row = int(found[1].replace(",", "")) // 10
    assert float(found[4]) == pytest.approx(np.mean(losses[row - 1 : row + 2]), abs=0.1)


def test_a_click_shows_the_modes_and_whose_loss_changed_most(tab):
    tab.until("document.querySelector('canvas.map').height > 0")
    x, y = tab.middle("canvas.map")
    left, width = tab.eval(
        "(b => [b.left, b.width])(document.querySelector('canvas.map').getBoundingClientRect())"
    )
    tab.drag(left + 92 + (width - 114) * 950 / 1490, y, 0)
    modes, losses = tab.eval(
        "[...document.querySelectorAll('#at-step ol')].map(one => [...one.children].map(li => li.innerText))"
    )
    heading = tab.eval("document.querySelector('#at-step h2').innerText")
    first, last = map(int, re.fullmatch(r"Modes of the window from step (\d+) to (\d+)", heading).groups())
    assert last <= 950 < last + 60
    assert last - first == 110  # 12 rows of 10 steps
    assert len(modes) == 3
    found = re.match(
        r"([\d.]+)% of the variance, losses falling; (\d+) samples carry 90%; “learned” has (\d+)% of it\. "
        r"Largest: (\d+) \(learned\)",
        modes[0],
    )
    assert found, modes[0]
    top = rdm.analyze(with_event(), window=12).modes_at(last).query("mode == 1")
    assert top.loc[top["loading"].abs().idxmax(), "sample_id"] == int(found[4])
    assert len(losses) == 8
    assert all("learned" in line and "→" in line for line in losses)
    tab.eval("document.querySelector('#at-step button').click()")
    assert tab.eval("document.getElementById('at-step').childElementCount") == 0
    assert x > 0


def test_a_drag_zooms_all_charts_and_a_button_returns(tab):
    button = "[...document.querySelectorAll('#tools button')].find(one => one.textContent === 'Whole run')"
    assert tab.eval(f"{button}.hidden")
    x, y = tab.middle(".u-over")
    tab.drag(x, y, 200)
    tab.until(f"!{button}.hidden")
    tab.mouse("mouseMoved", x, y)
    first = int(said(tab)[0].split(":")[0].removeprefix("step ").replace(",", ""))
    assert first > 745  # the middle is now further on
    tab.eval(f"{button}.click()")
    tab.until(f"{button}.hidden")
    assert tab.told(*COMPLAINTS) == []


def test_the_keyboard_moves_the_crosshair_and_reaches_tables(tab):
    tab.eval("document.querySelector('[role=group]').focus()")
    for _ in range(3):
        tab.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight")
    assert said(tab)[0].startswith("step 140:")  # the fourth window
    boxes = "[...document.querySelectorAll('.scroll')]"
    assert tab.eval(f"{boxes}.every(one => one.tabIndex === 0 && one.getAttribute('aria-label'))")


def test_tables_sort_by_numbers_and_are_filtered(tab):
    tab.eval("document.querySelectorAll('details').forEach(one => one.open = true)")
    column = "[...table.tBodies[0].rows].map(row => row.cells[at].textContent)"
    table = "const table = document.querySelector('[aria-label=Samples] table');"
    table += "const at = table.rows[0].cells.length - 2;"
    for way in ("ascending", "descending"):
        tab.eval(f"{{ {table} table.rows[0].cells[at].querySelector('button').click() }}")
        numbers = [float(text) for text in tab.eval(f"{{ {table} {column} }}")]
        assert numbers == sorted(numbers, reverse=way == "descending")
        assert tab.eval(f"{{ {table} table.rows[0].cells[at].getAttribute('aria-sort') }}") == way
    tab.eval(
        "{ const input = document.querySelector('[aria-label=Samples]').previousElementSibling.control;"
        "input.value = 'LEARNED'; input.dispatchEvent(new Event('input')) }"
    )
    assert tab.eval(f"{{ {table} [...table.tBodies[0].rows].filter(row => !row.hidden).length }}") >= 8


def test_colours_follow_the_switch(tab):
    paper = "getComputedStyle(document.body).backgroundColor"
    switch = "[...document.querySelectorAll('#tools select')].at(-1)"
    seen = []
    for theme in ("dark", "light"):
        tab.eval(f"{switch}.value = '{theme}'; {switch}.dispatchEvent(new Event('change'))")
        seen.append(tab.eval(paper))
    assert seen == ["rgb(20, 23, 27)", "rgb(255, 255, 255)"]


def test_the_map_is_sorted_and_narrowed_by_choice(tab):
    tab.until("document.querySelector('canvas.map').height > 0")
    of = "[...document.querySelectorAll('#tools select')][1]"
    tab.eval(f"{of}.value = '1'; {of}.dispatchEvent(new Event('change'))")
    tab.mouse("mouseMoved", *tab.middle("canvas.map"))
    assert ", other: loss" in said(tab)[-1]


def test_a_slide_is_a_picture_of_1920_by_1080(tab):
    tab.eval(
        "HTMLAnchorElement.prototype.click = function () { window.slide = [this.download, this.href]; };"
        "[...document.querySelectorAll('#tools button')].at(-1).click()"
    )
    tab.until("window.slide")
    name, address = tab.eval("window.slide")
    png = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert name == "event.png"
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (1920, 1080)
    data = b"".join(re.findall(rb"IDAT(.*?)....(?=....(?:IDAT|IEND))", png, re.DOTALL)[:1])
    assert len(set(zlib.decompressobj().decompress(data)[:2_000_000])) > 50  # something is drawn


def test_on_paper_all_is_there_without_a_script(shared, folder):
    shared.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        shared.open(folder / "report.html")
        shared.call("Emulation.setEmulatedMedia", media="print")
        pdf = base64.b64decode(shared.call("Page.printToPDF", printBackground=True)["data"])
        assert pdf.startswith(b"%PDF")
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 3  # what is folded is printed
    finally:
        shared.call("Emulation.setEmulatedMedia", media="")
        shared.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("width", [400, 1280])
def test_no_page_is_wider_than_its_screen(shared, folder, width):
    for name in ("report", "hostile"):
        shared.open(folder / f"{name}.html", width)
        shared.eval("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert shared.eval("document.documentElement.scrollWidth") == width


def test_a_hostile_run_runs_nothing(shared, folder):
    shared.events.clear()
    shared.open(folder / "hostile.html")
    shared.until("document.documentElement.classList.contains('scripted')")
    assert "owned" not in shared.eval("document.title").split("–")[-1]
    assert shared.eval("document.title") != "owned"
    shared.eval("document.querySelectorAll('details').forEach(one => one.open = true)")
    shared.mouse("mouseMoved", *shared.middle("canvas.map"))
    shared.drag(*shared.middle("canvas.map"), 0)
    assert shared.eval("document.querySelectorAll('script').length") == 3
    assert shared.eval("document.querySelectorAll('img, [onload], [onerror]').length") == 0
    assert "日本語 🦜" in shared.eval("document.body.innerText")
    assert shared.told(*COMPLAINTS) == []


def test_the_test_above_can_fail(shared, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<title>fine</title><script>document.title='owned'; console.log('there')</script>")
    shared.events.clear()
    shared.open(path)
    assert shared.eval("document.title") == "owned"
    assert len(shared.told(*COMPLAINTS)) == 1

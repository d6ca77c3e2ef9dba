"""A browser opens the page of a comparison: it aligns, sorts, filters, points at runs, and asks nobody."""

import base64
import re

import numpy as np
import pytest
from helpers.browser import BROWSER, browser
from helpers.runs import HOSTILE, hostile_run, with_event, without_event

import rdmtools as rdm

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on the path")

COMPLAINTS = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
RUNS = 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pages")
    runs = {f"run {n}": with_event(n, metadata={"seed": n, "lr": 1 / (n + 1)}) for n in range(RUNS - 2)}
    flat = {"step": 10 * np.arange(150), "accuracy": np.zeros(150)}
    runs["calm"] = without_event(metadata={"control_of": "run 1", "lr": 0.5, "seed": 0}, scalars=flat)
    runs["last"] = without_event(1, metadata={"seed": 1, "lr": 0.25}, scalars=flat)
    rdm.compare(runs, window=12, truth="accuracy").save(place / "usual")
    hostile = {text: hostile_run() if n < 2 else with_event(n) for n, text in enumerate(HOSTILE)}
    rdm.compare(hostile, window=12).save(place / "hostile")
    return place


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def tab(shared, folder):
    shared.events.clear()
    shared.open(folder / "usual" / "comparison.html")
    return shared


def names(tab):
    """The runs that the table shows, from top to bottom."""
    return tab.eval(
        "[...document.querySelectorAll('#runs tbody tr')].filter(row => !row.hidden)"
        ".map(row => row.querySelector('.name').textContent.trim())"
    )


def press(tab, words):
    tab.eval(
        f"[...document.querySelectorAll('button')].find(one => one.textContent === {words!r}).click()",
    )


def standing_out(tab):
    return tab.eval("[...document.querySelectorAll('#runs tr.on .name')].map(one => one.textContent.trim())")


def title(tab):
    return tab.eval("document.querySelector('#overlay .title span').textContent")


def test_nothing_is_asked_and_nothing_complained_of(tab):
    tab.until("document.documentElement.classList.contains('scripted')")
    assert tab.told(*COMPLAINTS) == []
    asked = {
        event["params"]["request"]["url"].split(":")[0] for event in tab.told("Network.requestWillBeSent")
    }
    assert asked == {"file"}
    assert tab.eval("document.querySelectorAll('#overlay .run-line').length") == RUNS
    assert tab.eval("getComputedStyle(document.querySelector('#overlay .still')).display") == "none"


def test_lines_lie_where_they_lie_without_scripts(tab):
    """The path of a run, its place among all steps, and its ticks are those of the still drawing."""
    matrices = tab.eval(
        "[...document.querySelectorAll('#overlay .live .run-line path:first-child')]"
        ".map(one => one.getAttribute('transform'))"
    )
    still = tab.eval(
        "[...document.querySelectorAll('#overlay .wide use')].map(one => one.getAttribute('transform'))"
    )
    numbers = [[float(text) for text in re.findall(r"-?[\d.]+", one)] for one in matrices]
    assert numbers == [[float(text) for text in re.findall(r"-?[\d.]+", one)] for one in still]


def test_the_pointer_names_the_nearest_run_and_its_value(tab):
    tab.mouse("mouseMoved", *tab.middle("#overlay .live svg"))
    (run,) = standing_out(tab)
    told = tab.eval("document.querySelector('#overlay output').textContent")
    found = re.fullmatch(rf"{run}, step (\d+): ([\d.e−]+)", told)
    assert found, told
    assert int(found[1]) % 10 == 0
    assert tab.eval("document.querySelectorAll('#overlay .run-line.on').length") == 1


def test_the_value_that_is_told_is_that_of_the_table(tab, folder):
    table = rdm.read_comparison(folder / "usual").observables
    tab.eval("document.querySelector('#overlay [role=group]').focus()")
    tab.eval("document.querySelector('#runs tbody button').click()")  # the first run alone
    tab.mouse("mouseMoved", *tab.middle("#overlay .live svg"))
    told = tab.eval("document.querySelector('#overlay output').textContent")
    run, step, value = re.fullmatch(r"(.+), step ([\d,]+): ([\d.e−]+)", told).groups()
    assert run == "run 0"
    row = table[(table["run"] == run) & (table["step"] == int(step.replace(",", "")))]
    assert float(value.replace("−", "-")) == pytest.approx(row["shc"].item(), rel=0.05)


def test_runs_are_aligned_by_choice(tab):
    assert title(tab).endswith("by training step")
    press(tab, "first alarm")
    assert title(tab).endswith("by steps from the run's first alarm; 2 without one are not drawn")
    assert tab.eval("document.querySelectorAll('#overlay .run-line').length") == RUNS - 2
    ticks = "[...document.querySelectorAll('#overlay .run-line path:last-child')]"
    small = "[...document.querySelectorAll('.smalls figure')].filter(one => !one.hidden).length"
    assert tab.eval(small) == RUNS - 2
    places = tab.eval(f"{ticks}.map(one => one.getAttribute('d').match(/M([-\\d.]+)/)?.[1]).filter(Boolean)")
    assert len({round(float(place)) for place in places}) == 1  # all first alarms at one place
    press(tab, "named scalar half-way")
    assert "half-way" in title(tab)
    press(tab, "part of the run")
    texts = tab.eval("[...document.querySelectorAll('#overlay .live text')].map(one => one.textContent)")
    assert "100" in texts
    assert tab.told(*COMPLAINTS) == []


def test_what_is_drawn_is_a_choice_and_small_charts_follow(tab):
    small = "document.querySelector('.smalls figure > svg > path[transform]').getAttribute('d')"
    before = tab.eval("document.getElementById('r0').getAttribute('d')")
    for place, words in ((3, "PR"), (0, "SHC")):
        tab.eval(
            f"{{ const list = document.querySelector('#tools select'); list.value = '{place}';"
            "list.dispatchEvent(new Event('change')) }"
        )
        assert title(tab).startswith(words)
        assert (tab.eval(small) == before) == (place == 0)
        assert tab.eval("document.getElementById('scale').textContent").startswith(words)


def test_rows_sort_and_controls_stay_beneath_their_run(tab):
    assert names(tab)[:4] == ["run 0", "run 1", "calm", "run 2"]
    press(tab, "lr")
    up = names(tab)
    assert up[:2] == ["run 11", "run 10"]
    assert up[up.index("run 1") + 1] == "calm"
    press(tab, "lr")
    down = names(tab)
    assert down[:3] == ["run 0", "run 1", "calm"]
    assert tab.eval("document.querySelectorAll('#runs [aria-sort=descending]').length") == 1
    press(tab, "first alarm")  # the first of that name is the way to align, the column has its own
    tab.eval("[...document.querySelectorAll('#runs thead button')][1].click()")
    assert names(tab)[-1] == "last"  # without an alarm, so at the end


def test_a_filter_leaves_runs_out_everywhere(tab):
    tab.eval(
        "{ const input = document.querySelector('.filter input'); input.value = 'RUN 1';"
        "input.dispatchEvent(new Event('input')) }"
    )
    wanted = ["run 1", "calm", "run 10", "run 11"]  # the control says whose it is
    assert names(tab) == wanted
    tab.until(f"document.querySelectorAll('#overlay .run-line').length === {len(wanted)}")
    assert tab.eval("[...document.querySelectorAll('.smalls figure')].filter(one => !one.hidden).length") == 4
    assert tab.eval("document.querySelector('.filter output').textContent").strip() == f"4 of {RUNS}"


def test_the_keyboard_reaches_runs_boxes_and_the_crosshair(tab):
    boxes = "[...document.querySelectorAll('.scroll')]"
    assert tab.eval(f"{boxes}.every(one => one.tabIndex === 0 && one.getAttribute('aria-label'))")
    tab.eval("document.querySelectorAll('#runs tbody button')[3].focus()")
    assert standing_out(tab) == ["run 2"]
    tab.eval("document.activeElement.click()")
    assert tab.eval("document.activeElement.getAttribute('aria-pressed')") == "true"
    tab.eval("document.activeElement.click()")
    tab.eval("document.querySelector('#overlay [role=group]').focus()")
    for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
        tab.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key)
    assert standing_out(tab) == ["run 1"]
    assert tab.eval("document.querySelector('#overlay output').textContent").startswith("run 1, step ")


def test_a_drag_zooms_and_a_button_returns(tab):
    x, y = tab.middle("#overlay .live svg")
    button = "[...document.querySelectorAll('#tools button')].find(one => one.textContent === 'Whole range')"
    assert tab.eval(f"{button}.hidden")
    tab.drag(x, y, 200)
    tab.until(f"!{button}.hidden")
    tab.eval(f"{button}.click()")
    assert tab.eval(f"{button}.hidden")
    tab.drag(x, y, 0)  # a click makes the run stay
    assert tab.eval("document.querySelectorAll('#runs [aria-pressed=true]').length") == 1
    assert tab.told(*COMPLAINTS) == []


def test_lines_are_drawn_again_for_another_width(tab):
    size = {"height": 800, "deviceScaleFactor": 1, "mobile": False}
    tab.call("Emulation.setDeviceMetricsOverride", width=900, **size)
    svg = "document.querySelector('#overlay .live svg')"
    tab.until(f"{svg}.viewBox.baseVal.width === {svg}.parentNode.clientWidth && innerWidth === 900")
    assert tab.eval(f"{svg}.viewBox.baseVal.height") == 346


def test_colours_follow_the_switch(tab):
    switch = "[...document.querySelectorAll('#tools select')].at(-1)"
    seen = []
    for theme in ("dark", "light"):
        tab.eval(f"{switch}.value = '{theme}'; {switch}.dispatchEvent(new Event('change'))")
        seen.append(tab.eval("getComputedStyle(document.body).backgroundColor"))
        stroke = "getComputedStyle(document.querySelector('#overlay .run-line path')).stroke"
        seen.append(tab.eval(stroke))
    assert len(set(seen)) == 4


def test_a_slide_is_a_picture_of_1920_by_1080(tab):
    tab.eval("HTMLAnchorElement.prototype.click = function () { window.slide = [this.download, this.href]; }")
    press(tab, "Save as slide")
    tab.until("window.slide")
    name, address = tab.eval("window.slide")
    png = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert name == "comparison.png"
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (1920, 1080)
    assert len(png) > 20_000  # something is drawn
    assert tab.told(*COMPLAINTS) == []


def test_on_paper_all_is_there_without_a_script(shared, folder):
    shared.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        shared.open(folder / "usual" / "comparison.html")
        shared.call("Emulation.setEmulatedMedia", media="print")
        pdf = base64.b64decode(shared.call("Page.printToPDF", printBackground=True)["data"])
        assert pdf.startswith(b"%PDF")
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2
    finally:
        shared.call("Emulation.setEmulatedMedia", media="")
        shared.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["usual", "hostile"])
def test_no_page_is_wider_than_its_screen(shared, folder, width, name):
    shared.open(folder / name / "comparison.html", width)
    shared.eval("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert shared.eval("document.documentElement.scrollWidth") == width


def test_hostile_runs_run_nothing(shared, folder):
    shared.events.clear()
    shared.open(folder / "hostile" / "comparison.html")
    shared.until("document.documentElement.classList.contains('scripted')")
    shared.mouse("mouseMoved", *shared.middle("#overlay .live svg"))
    assert shared.eval("document.title") == "9 runs side by side – rdmtools"
    assert shared.eval("document.querySelectorAll('script').length") == 2
    assert shared.eval("document.querySelectorAll('img, [onload], [onerror]').length") == 0
    assert "日本語 🦜" in shared.eval("document.body.innerText")
    assert shared.told(*COMPLAINTS) == []

"""Pages serve eyes, keys and screen readers alike: axe finds nothing, light and dark, wide and narrow."""

from importlib.resources import files

import pytest
from helpers.browser import BROWSER, browser
from helpers.runs import with_event, without_event

import rdmtools as rdm
from rdmtools.report.compare_page import page
from rdmtools.report.run_page import write_report

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on the path")
axe = pytest.importorskip("axe_core_python")

PAGES = ("event", "quiet", "comparison")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pages")
    found = rdm.analyze(with_event(), window=12, truth="accuracy", control=without_event())
    write_report(found, place / "event.html")
    write_report(rdm.analyze(without_event(), windows=(8, 12)), place / "quiet.html")
    runs = {f"run {n}": with_event(n) for n in range(13)}
    (place / "comparison.html").write_text(page(rdm.compare(runs, window=12, truth="accuracy")), "utf-8")
    return place


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(tab, folder, name, theme, width):
    tab.open(folder / f"{name}.html", width=width)
    tab.eval(f"document.documentElement.dataset.theme = '{theme}'")
    tab.eval("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    tab.eval((files(axe) / "axe.min.js").read_text(encoding="utf-8") + "; 0")
    found = tab.eval(
        "axe.run().then(told => told.violations.map(one => `${one.impact}: ${one.help}: "
        "${one.nodes.slice(0, 3).map(node => node.html.slice(0, 120)).join(' | ')}`))"
    )
    assert found == []


def test_axe_finds_what_is_wrong(tab, tmp_path):
    (tmp_path / "wrong.html").write_text("<html><title>x</title><p style='color: #ccc'>pale</p></html>")
    tab.open(tmp_path / "wrong.html")
    tab.eval((files(axe) / "axe.min.js").read_text(encoding="utf-8") + "; 0")
    found = tab.eval("axe.run().then(told => told.violations.map(one => one.id))")
    assert {"color-contrast", "html-has-lang"} <= set(found)

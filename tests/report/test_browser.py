"""A browser opens the page: it renders, and nothing that a run brings along is run."""

import shutil
import subprocess

import pytest
from helpers.runs import hostile_run, with_event

import rdmtools as rdm
from rdmtools.report.run_page import write_report

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on the path")


def dom(path, profile):
    """The document as the browser has it after loading, scripts included if any ran."""
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={profile}", "--dump-dom", path.as_uri()),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return done.stdout.decode("utf-8")


def test_the_page_renders(tmp_path):
    path = write_report(rdm.analyze(with_event(), window=12), tmp_path / "report.html")
    text = dom(path, tmp_path / "profile")
    assert "1 change: losses moved together" in text
    assert 'class="scripted"' in text
    assert "Autocorrelation at lag 1" in text


def test_a_hostile_run_runs_nothing(tmp_path):
    path = write_report(rdm.analyze(hostile_run(), window=12), tmp_path / "report.html")
    text = dom(path, tmp_path / "profile")
    assert "<title>owned" not in text
    assert text.count("<script") == 3
    assert "<img" not in text
    assert "日本語 🦜" in text


def test_the_browser_test_can_fail(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<title>fine</title><script>document.title='owned'</script>")
    assert "<title>owned" in dom(path, tmp_path / "profile")

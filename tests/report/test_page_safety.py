"""Nothing that a run brings along becomes markup, script or style; the page runs its own scripts alone."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from helpers.runs import HOSTILE, hostile_run, with_event

import rdmtools as rdm
from rdmtools.report.notebook_cell import notebook_html
from rdmtools.report.page_data import data_block
from rdmtools.report.run_page import page
from rdmtools.results.verdict import verdict

MOST_BYTES = 1_500_000


class Page(HTMLParser):
    """Tags with their attributes, the text outside of scripts and styles, and what is within."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.within = [], [], {"script": [], "style": []}
        self.text = text
        self._inside = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in self.within else None

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        (self.within[self._inside] if self._inside else self.words).append(data)

    def policy(self):
        return next(a["content"] for _, a in self.tags if a.get("http-equiv") == "Content-Security-Policy")

    def data(self):
        return json.loads(self.within["script"][0])


@pytest.fixture(scope="module")
def usual():
    analysis = rdm.analyze(with_event(), window=12, truth="accuracy")
    return analysis, Page(page(analysis))


@pytest.fixture(scope="module")
def hostile():
    return Page(page(rdm.analyze(hostile_run(), windows=(8, 12))))


def hashed(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_allows_what_is_there_by_its_hash_and_nothing_else(usual, hostile):
    for found in (usual[1], hostile):
        directives = dict(part.strip().split(" ", 1) for part in found.policy().split(";"))
        _, *run = found.within["script"]  # the first is data
        assert len(run) == 2
        assert directives.pop("script-src").split() == [hashed(script) for script in run]
        assert directives.pop("style-src") == hashed(*found.within["style"])
        assert directives == {
            "default-src": "'none'",
            "img-src": "data:",
            "base-uri": "'none'",
            "form-action": "'none'",
        }


def test_scripts_have_their_licence_and_ask_nobody(usual):
    plots, ours = usual[1].within["script"][1:]
    assert "The MIT License" in plots
    assert "Leon Sorokin" in plots
    for asking in ("fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon", "import(", "eval(", "innerHTML"):
        assert asking not in ours
    assert "fetch(" not in plots


def test_the_page_holds_everything_it_shows(usual):
    analysis, found = usual
    for tag, attributes in found.tags:
        assert tag not in ("link", "img", "iframe", "object", "form")
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "data", "action", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,"))
    assert not re.search(r"url\(|@import", "".join(found.within["style"]))
    words = " ".join(found.words)
    for wanted in ("Nothing was dropped or replaced", "What an alarm does not tell you", "Top mode by group"):
        assert wanted in words
    for line in verdict(analysis).split("\n"):
        assert line in words


def test_ids_are_unique_and_each_reference_has_one(usual, hostile):
    for found in (usual[1], hostile):
        ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        references = {a["href"][1:] for _, a in found.tags if a.get("href", "").startswith("#")}
        assert references <= set(ids)
        assert found.data()["map"]["image"] in ids


def test_hostile_words_stay_words(hostile):
    text = hostile.text
    assert not {"img", "b "} & {tag for tag, _ in hostile.tags}
    assert sum(tag == "script" for tag, _ in hostile.tags) == 3
    assert sum(tag == "title" for tag, _ in hostile.tags) == 1
    assert all(not name.startswith("on") for _, attributes in hostile.tags for name in attributes)
    assert "&lt;script&gt;" in text
    assert "日本語 🦜" in text
    assert "{{ 7 * 7 }}" in text
    assert "…" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", text)
    assert len(text.encode()) < MOST_BYTES
    assert "<script" not in notebook_html(rdm.analyze(hostile_run(), window=12))


def test_hostile_words_cannot_leave_the_data(hostile):
    (block, *_), known = hostile.within["script"], hostile.data()
    assert not set("<>&") & set(block)
    names = [name for name, _ in known["map"]["groups"]]
    assert any("<script>" in name for name in names)  # as text, which the script writes as text
    assert any("<img" in chart["title"] for chart in known["charts"].values())


def test_whatever_it_holds_the_block_reads_back_and_has_no_markup():
    values = {"</script><script>": [*HOSTILE, "\u2028\u2029<!--", 1.5, None], "ü": "&lt;"}
    text = data_block(values)
    assert json.loads(text) == values
    assert not set("<>&\u2028\u2029") & set(text)


def test_figures_of_a_hostile_run_are_saved(tmp_path):
    rdm.analyze(hostile_run(), window=12).save(tmp_path / "out", figures="png,svg,pdf")  # without a warning
    svg = (tmp_path / "out" / "figures" / "overview.svg").read_text(encoding="utf-8")
    assert "<script" not in svg
    assert "日本語" in svg


def test_numbers_that_json_lacks_become_nothing(usual):
    for chart in usual[1].data()["charts"].values():
        assert all(change is None or isinstance(change, int) for change in chart["lines"][0]["changes"])

"""The page of a comparison: a row per run, one look each, links that hold, and words that stay words."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from helpers.runs import HOSTILE, hostile_run, with_event, without_event

import rdmtools as rdm
from rdmtools.analysis.settings import RULES
from rdmtools.report.compare_page import MOST_RUNS_TOLD, page
from rdmtools.report.compared_lines import ACROSS, MOST_LOOKS, UP, compared_lines, look
from rdmtools.results.compared_words import facts, headline

MOST_BYTES = 1_500_000


class Page(HTMLParser):
    """Tags with their attributes, cells of the first table by row, and what scripts and styles hold."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.rows, self.within = text, [], [], []
        self._cell = self._script = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr" and "data-run" in dict(attrs):
            self.rows.append([])
        self._cell = (self._cell or tag in ("td", "th")) and bool(self.rows)
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        self._script = tag in ("script", "style")
        if self._script:
            self.within.append((tag, ""))

    def handle_endtag(self, tag):
        self._cell = self._cell and tag not in ("td", "th")
        self._script = False

    def handle_data(self, data):
        if self._script:
            self.within[-1] = (self.within[-1][0], self.within[-1][1] + data)
        elif self._cell:
            self.rows[-1][-1] += data

    def attributes(self, tag, name):
        return [attributes[name] for found, attributes in self.tags if found == tag and name in attributes]

    def data(self):
        return json.loads(next(text for tag, text in self.within if tag == "script"))


def timed(**runs):
    return rdm.compare(runs, window=12, truth="accuracy")


def quiet(seed, **metadata):
    """A run in which nothing happens, with a scalar that does not move."""
    steps = 10 * np.arange(150)
    scalars = {"step": steps, "accuracy": np.zeros(150)}
    return without_event(seed, scalars=scalars, metadata={"seed": seed} | metadata)


@pytest.fixture(scope="module")
def comparison():
    kinds = {"example": "toy", "lr": 0.1}
    return timed(
        calm=quiet(0, **kinds, control="labels"),
        first=with_event(0, metadata=kinds | {"seed": 0, "control": "none"}),
        second=with_event(1, metadata=kinds | {"seed": 1, "lr": 0.2}),
    )


def test_the_sentence_counts_runs_and_says_the_lead(comparison):
    leads = comparison.transitions["lead_steps"].dropna()
    assert len(leads) == 2
    told = Page(page(comparison)).text
    sentence = re.search("<h1>(.*)</h1>", told)[1]
    middle, ends = leads.median(), sorted(leads)
    assert sentence.startswith("3 runs: something stood out in 2, in the median ")
    assert f" {middle:g} steps before a named scalar was half-way" in sentence
    assert "2 changes" in sentence
    assert (f"{ends[0]} to {ends[1]}" in sentence) == (ends[0] != ends[1])


@pytest.mark.parametrize(
    ("runs", "truth", "told"),
    [
        ([without_event()], (), "1 run: nothing stood out in it."),
        ([without_event(), without_event(1)], (), "2 runs: nothing stood out in any."),
        (
            [with_event(), without_event()],
            (),
            "2 runs: something stood out in 1; name a scalar to measure how early.",
        ),
    ],
)
def test_the_sentence_of_quiet_runs_and_without_a_truth(runs, truth, told):
    found = rdm.compare(runs, window=12, truth=truth)
    assert headline(facts(found.runs, found.events, found.transitions)) == told


def test_a_row_per_run_controls_beneath_theirs(comparison):
    found = Page(page(comparison))
    names = [row[0].split("control of")[0].strip() for row in found.rows]
    assert names == ["first", "calm", "second"]
    assert "control of first" in found.rows[1][0]
    alarm = comparison.runs.set_index("run")["first_alarm_step"]
    assert [row[2] for row in found.rows] == [f"{alarm['first']:.0f}", "–", f"{alarm['second']:.0f}"]
    lead = comparison.transitions.set_index("run")["lead_steps"]
    assert [row[3] for row in found.rows] == [str(lead["first"]), "–", str(lead["second"])]
    few = comparison.events.set_index("run")["samples_90"]
    assert found.rows[0][4] == f"“learned”, {few['first']} of 14 samples"


def test_columns_are_what_differs_and_the_rest_is_told():
    runs = {
        f"run {n}": with_event(n, metadata={f"key {k}": n * k for k in range(12)} | {"same": 1})
        for n in (1, 2)
    }
    found = Page(page(rdm.compare(runs, window=12)))
    told = [cell for cell in re.findall(r'<th(?: class="n")?>([^<]*)</th>', found.text) if "key" in cell]
    assert told[:8] == [f"key {k}" for k in range(1, 9)]
    assert "More that differs: key 9, key 10, key 11" in found.text
    assert "<dt>same</dt><dd>1</dd>" in found.text
    assert "<dt>key 0</dt><dd>0</dd>" in found.text


def test_a_run_has_one_look_everywhere(comparison):
    found = page(comparison)
    for number, classes in enumerate(map(look, range(3))):
        row, small = re.findall(rf'<(?:tr|figure) data-run="{number}".*?</(?:tr|figure)>', found, re.DOTALL)
        for part in (row, small):
            looks = set(re.findall(r'class="(l-series-\d \w+)', part))
            assert looks == {classes}
        assert found.count(f'<use href="#r{number}" class="{classes}"') == 3  # wide, narrow, small
    assert len({look(number) for number in range(MOST_LOOKS)}) == MOST_LOOKS == 12
    assert look(12) == look(200) == "l-muted thin"


def points(path):
    """Of a path of ours, absolute."""
    found = []
    for part in path.split("M")[1:]:
        start, *more = part.split("l")
        here = np.array([int(number) for number in re.findall(r"-?\d+", start)])
        found.append(here)
        moves = np.reshape([int(number) for number in re.findall(r"-?\d+", "".join(more))], (-1, 2))
        for move in moves[1:]:
            here = here + move
            found.append(here)
    return np.array(found)


def test_lines_are_the_tables_on_one_scale(comparison):
    every = facts(comparison.runs, comparison.events, comparison.transitions)
    names = comparison.runs["run"].tolist()
    drawn, lines = compared_lines(names, comparison.runs, comparison.observables, every)
    assert [one.key for one in drawn] == ["shc", "score", "total_variance", "pr", "mean_loss"]
    low, high = drawn[0].limits
    for line in lines:
        table = comparison.observables[comparison.observables["run"] == line.name]
        x, y = points(line.paths["shc"]).T
        steps = line.first + (line.last - line.first) * x / ACROSS
        np.testing.assert_allclose(steps, table["step"], atol=1)
        shc = high - (high - low) * y / UP
        np.testing.assert_allclose(shc, np.log10(table["shc"]), atol=(high - low) / UP)
        assert line.every == 10


def test_a_scalar_that_only_crept_is_no_truth(comparison):
    every = facts(comparison.runs, comparison.events, comparison.transitions)
    assert [len(every[name].truths) for name in ("calm", "first", "second")] == [0, 1, 1]
    crept = comparison.transitions.assign(outcome="no transition: creeps", lead_steps=pd.NA)
    assert facts(comparison.runs, comparison.events, crept)["first"].truths == []


# Links


def test_runs_are_linked_to_their_own_pages_as_seen_from_the_folder(tmp_path):
    place = tmp_path / "a b & <c>"
    place.mkdir()
    paths = [place / f"run{n}.parquet" for n in range(3)]
    for n, path in enumerate(paths):
        write(path, with_event(n))
    for path in paths[:2]:
        rdm.analyze(path, window=12).save(report=path is paths[0])
    comparison = rdm.compare(paths, window=12)
    folder = comparison.save(tmp_path / "deep" / "er")
    addresses = links(folder)
    assert addresses == {"run0": "../../a%20b%20%26%20%3Cc%3E/run0.rdm/analysis/report.html"}
    assert (folder / unquote(addresses["run0"])).resolve().is_file()
    again = rdm.read_comparison(folder).save(tmp_path / "elsewhere")
    assert (again / unquote(links(again)["run0"])).resolve().is_file()
    (place / "run0.rdm" / "analysis" / "report.html").unlink()
    assert links(comparison.save(tmp_path / "later")) == {}


def test_saved_analyses_are_linked_and_pages_of_other_runs_are_not(tmp_path):
    rdm.analyze(with_event(), window=12).save(tmp_path / "kept")
    assert list(links(rdm.compare([tmp_path / "kept"]).save(tmp_path / "one"))) == ["kept"]
    analysis = rdm.read_analysis(tmp_path / "kept")
    assert list(links(rdm.compare({"x": analysis}).save(tmp_path / "two"))) == ["x"]
    write(tmp_path / "ok.parquet", with_event())
    rdm.analyze(tmp_path / "ok.parquet", window=12).save()
    pd.read_parquet(tmp_path / "ok.parquet").to_csv(tmp_path / "ok.csv", index=False)
    assert links(rdm.compare([tmp_path / "ok.csv"], window=12).save(tmp_path / "three")) == {}
    assert links(rdm.compare([with_event()], window=12).save(tmp_path / "four")) == {}


def write(path, run):
    rows, samples = run.shape
    table = {
        "step": np.repeat(run.steps, samples),
        "sample_id": np.tile(np.arange(samples), rows),
        "loss": run.losses.ravel(),
    }
    pd.DataFrame(table).to_parquet(path, index=False)


def links(folder):
    text = (folder / "comparison.html").read_text(encoding="utf-8")
    found = re.findall(r'<span class="name">.*?</svg><a href="([^"]*)">([^<]*)</a>', text)
    return {name: address for address, name in found}


# Safety and size


@pytest.fixture(scope="module")
def hostile():
    runs = {text: hostile_run() for text in HOSTILE[:3]}
    for n, text in enumerate(HOSTILE):
        runs[text[:60] + str(n)] = with_event(n, metadata={text[:300]: text, "control": text, "example": n})
    found = rdm.compare(runs, window=12, errors="report")
    failures = pd.DataFrame({"run": list(HOSTILE), "error": list(HOSTILE)})
    return rdm.Comparison(**{**found.tables(), "failures": failures})


def test_hostile_words_stay_words(hostile):
    found = Page(page(hostile))
    kinds = [tag for tag, _ in found.tags]
    assert (kinds.count("script"), kinds.count("title"), kinds.count("style")) == (2, 1, 1)
    assert not {"img", "b", "iframe", "link", "form"} & set(kinds)
    for _, attributes in found.tags:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")
    assert "&lt;script&gt;" in found.text
    assert "日本語 🦜" in found.text
    assert "{{ 7 * 7 }}" in found.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", found.text)
    assert not set("<>&") & set(next(text for tag, text in found.within if tag == "script"))
    assert len(found.text.encode()) < MOST_BYTES
    assert "<script" not in hostile._repr_html_()
    assert "<img src=x" not in hostile._repr_html_()


def test_the_policy_allows_what_is_there_by_its_hash_and_nothing_else(comparison, hostile):
    for one in (comparison, hostile):
        found = Page(page(one))
        policy = next(a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
        directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        (_, _), (_, script) = [each for each in found.within if each[0] == "script"]
        (style,) = [text for tag, text in found.within if tag == "style"]
        assert directives.pop("script-src") == hashed(script)
        assert directives.pop("style-src") == hashed(style)
        assert directives["default-src"] == "'none'"
        for asking in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "eval(", "innerHTML"):
            assert asking not in script


def hashed(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_references_have_a_place(comparison):
    found = Page(page(comparison))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in found.attributes("use", "href")} <= set(ids)


def many(count, rows=150):
    """A comparison of as many runs, of one made longer."""
    one = rdm.compare([with_event(metadata={f"key {k}": "x" * 60 for k in range(10)})], window=12)
    names = [f"run {n:04} of a sweep" for n in range(count)]
    tables = {
        name: pd.concat([table.assign(run=run) for run in names], ignore_index=True)
        for name, table in one.tables().items()
        if len(table)
    }
    tables["runs"] = tables["runs"].assign(lr=np.arange(count), **{"key 1": np.arange(count).astype(str)})
    wild = np.random.default_rng(0).lognormal(0, 5, len(tables["observables"]))
    tables["observables"] = tables["observables"].assign(
        shc=wild, pr=wild, total_variance=wild, mean_loss=wild
    )
    return rdm.Comparison(**{**one.tables(), **tables})


def test_three_hundred_runs_have_a_page_below_one_and_a_half_megabytes():
    found = Page(page(many(300)))
    assert len(found.rows) == 300
    assert len(found.text.encode()) < MOST_BYTES


def test_of_more_runs_the_first_are_told_and_the_others_counted():
    found = Page(page(many(MOST_RUNS_TOLD + 40)))
    assert len(found.rows) == MOST_RUNS_TOLD
    assert "40 more runs in runs.parquet" in found.text
    assert len(found.text.encode()) < 1.6 * MOST_BYTES


def test_without_a_run_nothing_is_saved_or_drawn(tmp_path):
    found = rdm.compare(["nowhere.parquet"], errors="report")
    for draw in (lambda: found.save(tmp_path / "out"), found.plot, lambda: rdm.plot.comparison(found)):
        with pytest.raises(rdm.ParameterError, match="no run could be compared"):
            draw()
    assert "0 runs" in found._repr_html_()
    assert not (tmp_path / "out").exists()


def test_failures_are_told():
    found = rdm.compare(["nowhere.parquet", with_event()], window=12, errors="report")
    text = page(found)
    assert "1 run could not be compared" in text
    assert "nowhere" in text


@pytest.mark.filterwarnings("ignore:.*first full window")
@pytest.mark.parametrize(
    "run",
    [
        rdm.Run.from_arrays(np.arange(40), np.ones((40, 3))),
        rdm.Run.from_arrays(np.arange(2), np.eye(2)),
        rdm.Run.from_arrays(10**9 + np.arange(40), 1e60 * np.eye(40, 3)),
        rdm.Run.from_arrays(np.arange(40) ** 2, np.random.default_rng(0).random((40, 1))),
    ],
    ids=["frozen", "two-rows", "huge", "uneven"],
)
@pytest.mark.parametrize("rule", RULES)
def test_runs_of_every_shape_have_a_page(run, rule):
    found = rdm.compare([run], window=2, rule=rule)
    assert "1 run: " in page(found)
    assert found._repr_html_().startswith("<div>")


def test_figures_are_written_on_request_alone(comparison, tmp_path):
    folder = comparison.save(tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == [
        *("comparison.html", "comparison.json", "events.parquet", "failures.parquet"),
        *("observables.parquet", "runs.parquet", "transitions.parquet"),
    ]
    comparison.save(folder, figures="svg,png")
    assert {path.name for path in (folder / "figures").iterdir()} == {"comparison.svg", "comparison.png"}
    with pytest.raises(rdm.ParameterError, match="gif"):
        comparison.save(folder, figures="gif")


def test_a_notebook_shows_sentence_rows_and_drawing_without_scripts(comparison):
    html = comparison._repr_html_()
    assert headline(facts(comparison.runs, comparison.events, comparison.transitions)) in html
    drawn = base64.b64decode(re.search(r"svg\+xml;base64,([^\"]+)", html)[1]).decode()
    assert drawn.count('class="l-series-') >= 3
    assert "<script" not in html + drawn
    assert html.count("<tr>") == 1 + 3

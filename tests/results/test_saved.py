"""What was saved is read back as it was, and nothing that a folder holds instead is taken on trust."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.runs import with_event, without_event

import rdmtools as rdm
from rdmtools.errors import FormatError, ParameterError
from rdmtools.results.folder import ANALYSIS
from rdmtools.results.saved import saved


def drawn_run():
    rng = np.random.default_rng(2)
    run = with_event()
    run.stored_draws = lambda: [(step, rng.standard_normal((6, 14))) for step in (20, 900)]
    return run


@pytest.fixture(scope="module")
def one():
    return rdm.analyze(with_event(metadata={"lr": 0.1, "é": [1, {"a": None}]}), windows=(12, 20))


@pytest.fixture(scope="module")
def left(one, tmp_path_factory):
    return one.save(tmp_path_factory.mktemp("left") / "analysis", report=False)


@pytest.fixture
def folder(left, tmp_path):
    return Path(shutil.copytree(left, tmp_path / "analysis"))


CASES = {
    "several windows": lambda: rdm.analyze(with_event(), windows=(12, 20), stride=7),
    "quiet": lambda: rdm.analyze(without_event(), window=9),
    "draws": lambda: rdm.analyze(drawn_run(), window=12),
    "spectrum": lambda: rdm.analyze(with_event(), window=15, spectrum=True, stride=4),
    "frozen": lambda: rdm.analyze(rdm.Run.from_arrays(np.arange(30), np.ones((30, 4)), name="frozen")),
    "text ids": lambda: rdm.analyze(with_event(samples={"sample_id": [f"s{n:02}" for n in range(14)]})),
    "as long as it": lambda: rdm.analyze(without_event(), window=150),
}


@pytest.mark.parametrize("odd", [1, [1, 2], {"a": 1}, 2**70, None])
def test_what_was_logged_of_samples_in_several_types_is_saved_as_text(tmp_path, odd):
    run = with_event()
    labels = pd.Series([odd, "x"] * (run.shape[1] // 2), dtype=object)
    run = rdm.Run.from_arrays(run.steps, np.asarray(run.losses), samples=run.samples.assign(label=labels))
    rdm.analyze(run).save(tmp_path / "saved")
    found = rdm.read_analysis(tmp_path / "saved").samples["label"]
    assert [None if pd.isna(label) else label for label in found[:2]] == [
        None if odd is None else str(odd),
        "x",
    ]


@pytest.mark.parametrize("case", CASES)
def test_every_table_and_the_summary_come_back(tmp_path, case):
    analysis = CASES[case]()
    found = rdm.read_analysis(analysis.save(tmp_path / "out", report=False))
    assert list(found.tables()) == [*ANALYSIS.tables]
    for name, table in found.tables().items():
        expected = getattr(analysis, name).reset_index(drop=True)
        pd.testing.assert_frame_equal(table, expected, check_dtype=len(table) > 0, check_exact=True)
        assert getattr(found, name) is found.table(name) is table
        assert found.table(name, "polars").shape == table.shape
    assert found.summary() == analysis.summary()
    assert found.settings == analysis.settings
    assert found.name == analysis.run.name
    assert saved(tmp_path / "out").summary == analysis.summary()


def test_it_says_what_it_is(folder, one):
    found = rdm.read_analysis(str(folder))
    assert repr(found) == (
        f"SavedAnalysis of 'event': 150 rows, 14 samples, windows 12, 20, 2 events, from {str(folder)!r}"
    )
    page = found._repr_html_()
    assert "<b>event</b>" in page
    assert page.count("<tr>") == 1 + len(one.events)
    with pytest.raises(ParameterError, match="no table 'event'; choose one of observables, events"):
        found.table("event")


def test_words_of_a_stranger_stay_words(folder):
    summary = json.loads((folder / "summary.json").read_text())
    summary["run"]["name"] = "<script>\ud800"
    summary["verdict"] = "<b>"
    (folder / "summary.json").write_text(json.dumps(summary))
    found = rdm.read_analysis(folder)
    assert "<script>" not in found._repr_html_()
    assert found.name == "<script>?"


def test_it_is_compared_as_its_folder_is(folder, one):
    found = rdm.compare([rdm.read_analysis(folder), one])
    assert found.runs["run"].tolist() == ["event", "event (2)"]
    named = rdm.compare({"a": rdm.read_analysis(folder), "b": folder})
    for name in ("runs", "events", "observables"):
        a, b = (table.drop(columns="run") for _, table in getattr(named, name).groupby("run"))
        pd.testing.assert_frame_equal(a.reset_index(drop=True), b.reset_index(drop=True))


def test_files_of_earlier_releases_have_no_checksums_and_are_read(folder, one):
    for file in folder.glob("*.parquet"):
        pd.read_parquet(file).to_parquet(file, index=False)
    pd.testing.assert_frame_equal(rdm.read_analysis(folder).modes, one.modes)


def test_flipped_bits_are_refused(folder):
    whole = (folder / "observables.parquet").read_bytes()
    chunk = pq.read_metadata(folder / "observables.parquet").row_group(0).column(3)
    rng = np.random.default_rng(0)
    end = chunk.data_page_offset + 1000
    for place in rng.integers(chunk.data_page_offset + 60, end, 20):
        content = bytearray(whole)
        content[place] ^= 1 << int(rng.integers(8))
        (folder / "observables.parquet").write_bytes(content)
        for read in (rdm.read_analysis, saved):
            with pytest.raises(FormatError, match=r"observables\.parquet is damaged in row group 0"):
                read(folder)


@pytest.mark.parametrize(
    ("keys", "value", "why"),
    [
        ((), [], "summary.json holds no object"),
        (("contents",), "something else", "'contents' is 'something else', not 'rdmtools analysis'"),
        (("format",), 7, "'format' is 7, not a version"),
        (("format",), "x" * 10_000, "'format' is 'xxx.*…, not a version"),
        (("run",), None, "'run' is None, not an object"),
        (("run", "name"), 3, "'name' is 3, not text"),
        (("run", "source"), {}, "'source' is dict of 0, not text or null"),
        (("run", "rows"), "150", "'rows' is '150', not a count"),
        (("run", "rows"), True, "'rows' is True, not a count"),
        (("run", "rows"), 10_000_000_000, "observables.parquet has 270 rows where the summary makes 199999"),
        (("run", "rows"), 10**30, "not a count"),
        (("run", "rows"), 11, "a window is longer than the run"),
        (("run", "samples"), -1, "'samples' is -1, not a count"),
        (("run", "last_step"), -5, "its last step is before its first"),
        (("run", "metadata"), [1], "'metadata' is list of 1, not an object"),
        (("settings", "windows"), [], "settings: no window was given"),
        (("settings", "windows"), [12], "the peaks are not those of its windows"),
        (("settings", "windows"), 12, "settings: windows is 12"),
        (("settings", "decades"), "1", "settings: decades is '1'"),
        (("settings", "stride"), 10**400, "a number is too large"),
        (("settings", "detrend"), ["linear"], "settings: "),
        (("peaks",), [], "the peaks are not those"),
        (("peaks", 0), 3, "'peaks' is list of 2, not a list of objects"),
        (("peaks", 0, "shc"), "much", "'shc' is 'much', not a number or null"),
        (("events",), {}, "'events' is dict of 0, not a list of objects"),
        (("events",), [], "events.parquet has 2 rows where the summary makes 0"),
        (("events", 0, "alarm_step"), 1.5, "'alarm_step' is 1.5, not an integer"),
        (("notes",), "none", "'notes' is 'none', not a list of texts"),
        (("verdict",), None, "'verdict' is None, not text"),
        (("first_mean_loss",), "low", "'first_mean_loss' is 'low', not a number or null"),
    ],
)
def test_what_a_summary_says_instead_is_told(folder, keys, value, why):
    found = json.loads((folder / "summary.json").read_text())
    place = found
    for key in keys[:-1]:
        place = place[key]
    if keys:
        place[keys[-1]] = value
    (folder / "summary.json").write_text(json.dumps(found if keys else value))
    refused(folder, why)


@pytest.mark.parametrize(
    "name", ["run", "settings", "peaks", "events", "verdict", "notes", "contents", "format"]
)
def test_what_a_summary_lacks_is_told(folder, name):
    found = json.loads((folder / "summary.json").read_text())
    del found[name]
    (folder / "summary.json").write_text(json.dumps(found))
    refused(folder, f"'{name}' is missing")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "Expecting value"),
        (b"{" * 7, "Expecting property name"),
        (b"\xff\xfe\x00", "decode"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"run": NaN}', "NaN is no JSON"),
        (b"[" * 700 + b"]" * 700, "holds no object"),
        (b'{"a": ' + b"1" * 5000 + b"}", "integer string conversion|too large|is missing"),
        (b" " * (33 << 20), "larger than 32 MiB"),
    ],
    ids=["empty", "cut", "no text", "deep", "NaN", "a list", "long number", "large"],
)
def test_a_summary_that_is_no_json_of_ours_is_told(folder, text, why):
    (folder / "summary.json").write_bytes(text)
    refused(folder, why)


def test_metadata_nested_deeply_are_told(folder):
    found = json.loads((folder / "summary.json").read_text())
    deep = "null"
    for _ in range(800):
        deep = f'{{"a":{deep}}}'
    text = json.dumps(found | {"run": found["run"] | {"metadata": "HERE"}}).replace('"HERE"', deep)
    (folder / "summary.json").write_text(text)
    refused(folder, "nested too deeply")


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("events", lambda t: t.drop(columns="window"), "events.parquet has no column 'window'"),
        (
            "events",
            lambda t: t.assign(alarm_step="soon"),
            "column 'alarm_step' of events.parquet holds .*, not int",
        ),
        ("events", lambda t: t.iloc[:1], "events.parquet has 1 rows where the summary makes 2"),
        ("observables", lambda t: t.assign(shc=t["shc"].astype(str)), "not floating-point numbers"),
        ("observables", lambda t: t.assign(window=3), "other windows than the summary"),
        ("observables", lambda t: t.assign(step=t["step"].astype(float)), "holds float64, not integers"),
    ],
)
def test_what_a_table_holds_instead_is_told(folder, name, change, why):
    file = folder / f"{name}.parquet"
    change(pd.read_parquet(file)).to_parquet(file, index=False)
    refused(folder, why)


def test_the_tables_that_nobody_compares_are_checked_as_well(folder):
    modes = pd.read_parquet(folder / "modes.parquet")
    pd.concat([modes] * 2).to_parquet(folder / "modes.parquet", index=False)
    with pytest.raises(FormatError, match=r"modes\.parquet has 168 rows where the summary makes at most 84"):
        rdm.read_analysis(folder)
    summary = json.loads((folder / "summary.json").read_text()) | {"gaussian": {"steps": 3}}
    (folder / "summary.json").write_text(json.dumps(summary))
    modes.to_parquet(folder / "modes.parquet", index=False)
    with pytest.raises(FormatError, match=r"gaussian\.parquet has 0 rows where the summary makes 3"):
        rdm.read_analysis(folder)
    (folder / "modes.parquet").unlink()
    with pytest.raises(FormatError, match=r"modes\.parquet is missing"):
        rdm.read_analysis(folder)


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"columns": 3}', b'{"index_columns": [{"kind": "range"}]}'])
def test_what_pandas_left_in_a_table_may_say_anything(folder, text):
    file = folder / "events.parquet"
    pq.write_table(pq.ParquetFile(file).read().replace_schema_metadata({b"pandas": text}), file)
    with suppress(FormatError):
        assert len(rdm.read_analysis(folder).events) == 2


def test_a_table_that_names_a_column_twice_is_told(folder):
    file = folder / "events.parquet"
    table = pq.ParquetFile(file).read().replace_schema_metadata(None)
    pq.write_table(table.append_column("event", pa.array([1, 2])), file)
    refused(folder, "twice|two columns|Duplicate|makes no table")


def refused(folder, why):
    for read in (rdm.read_analysis, saved, lambda folder: rdm.compare([folder])):
        with pytest.raises(FormatError, match=f"(?s){why}") as error:
            read(folder)
        message = str(error.value)
        assert message.startswith(f"{folder} is not a whole saved analysis (")
        assert message.endswith("); needed what Analysis.save leaves; analyse the run again")
        assert "\n" not in message
        assert len(message) < 500


def test_who_names_the_run_is_led_to_its_analysis(folder, tmp_path):
    home = tmp_path / "run.rdm" / "analysis"
    home.parent.mkdir()
    folder.rename(home)
    for given in (tmp_path / "run.parquet", tmp_path / "run.rdm"):
        with pytest.raises(
            ParameterError, match=f"is no folder of results; needed that of an analysis, as '{home}'"
        ):
            rdm.read_analysis(given)
    with pytest.raises(FormatError, match=r"no folder .*nowhere; needed one that Analysis\.save left"):
        rdm.read_analysis(tmp_path / "nowhere")
    with pytest.raises(FormatError, match=r"summary\.json: No such file"):
        rdm.read_analysis(tmp_path)
    with pytest.raises(ParameterError, match="needed a file on this machine"):
        rdm.read_analysis("s3://bucket/analysis")

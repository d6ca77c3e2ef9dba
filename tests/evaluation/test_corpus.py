"""The manifest goes there and back; what is wrong in one is said in a line: found, needed, fix."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdmtools.errors import FormatError
from rdmtools.evaluation import Entry, Truth, read_corpus, write_manifest

WORD = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=8) | st.sampled_from(
    ["NA", "null", "None", "nan", "a, b", 'say "so"', " spaced ", "1", "True", "-"]
)
NAME = WORD.filter(bool)
NUMBER = st.floats(-1e6, 1e6)


@st.composite
def entries(draw, folder):
    ends = st.tuples(NUMBER, NUMBER).filter(lambda pair: pair[0] != pair[1])
    found = []
    for at in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["transition", "quiet", "hard"]))
        truths = [
            Truth(column=draw(NAME), low=low, high=high, group=draw(WORD))
            for low, high in draw(st.lists(ends, min_size=1, max_size=3))
        ]
        found.append(
            Entry(
                path=folder / draw(st.sampled_from(["", "a, b/", "c d/"])) / f"run {at}.parquet",
                setting=draw(NAME),
                control="" if kind == "transition" else draw(NAME),
                seed=draw(st.integers(0, 2**62)),
                kind=kind,
                truths=tuple(truths),
                since=draw(st.none() | st.integers(0, 10**9)),
            )
        )
    return found


@given(st.data())
@settings(max_examples=25)
def test_there_and_back(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("corpus")
    written = data.draw(entries(folder))
    for each in written:
        each.path.parent.mkdir(exist_ok=True)
        each.path.touch()
    assert write_manifest(folder, written) == folder / "manifest.csv"
    assert read_corpus(folder) == written


def corpus(folder, text, runs=("a.parquet", "b.parquet")):
    for name in runs:
        (folder / name).touch()
    (folder / "manifest.csv").write_text(text)
    return folder


def test_a_manifest_by_hand_needs_five_columns(tmp_path):
    text = "seed,path,setting,kind,truth\n3,a.parquet,toy,transition,accuracy\n"
    (entry,) = read_corpus(corpus(tmp_path, text))
    assert entry == Entry(
        path=tmp_path / "a.parquet",
        setting="toy",
        control="",
        seed=3,
        kind="transition",
        truths=(Truth(column="accuracy", low=0.0, high=1.0, group=""),),
        since=None,
    )
    assert entry.held_out
    assert entry.name == "toy/transition/3"


def test_numbers_may_be_written_as_floats_and_since_left_out_here_and_there(tmp_path):
    text = "path,setting,control,seed,kind,truth,since,note\n"
    text += "a.parquet,toy,,4.0,transition,accuracy,,mine\n"
    text += "b.parquet,toy,null,5.0,quiet,accuracy,100.0,\n"
    one, two = read_corpus(corpus(tmp_path, text))
    assert (one.seed, one.since, one.held_out, one.control) == (4, None, False, "")
    assert (two.seed, two.since, two.held_out, two.control) == (5, 100, True, "null")
    assert all(type(number) is int for number in (one.seed, two.seed, two.since))


def test_rows_of_one_run_need_not_stand_together(tmp_path):
    text = "path,setting,seed,kind,truth\n"
    text += "".join(f"{run}.parquet,toy,{ord(run)},transition,{truth}\n" for truth in "xy" for run in "ba")
    found = read_corpus(corpus(tmp_path, text))
    assert [(each.path.stem, [t.column for t in each.truths]) for each in found] == [
        ("b", ["x", "y"]),
        ("a", ["x", "y"]),
    ]


HEAD = "path,setting,control,seed,kind,truth,low,high,since\n"
GOOD = "a.parquet,toy,,1,transition,accuracy,0,1,\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,setting,kind,truth\n", "no column 'seed'; found path, setting, kind, truth; add it"),
        (HEAD, "no runs; needed at least one row"),
        (HEAD + GOOD.replace(",1,tr", ",,tr"), "seed is empty in line 2; needed a whole number"),
        (HEAD + GOOD + "b.parquet,toy,,x,transition,accuracy,0,1,\n", "seed is x in line 3; needed a whole"),
        (HEAD + GOOD.replace(",1,tr", ",1.5,tr"), "seed is 1.5 in line 2; needed a whole number"),
        (HEAD + GOOD.replace("1,\n", "1,soon\n"), "since is soon in line 2; needed a whole number"),
        (HEAD + GOOD.replace("1,\n", "1,2.5\n"), "since is 2.5 in line 2; needed a whole number"),
        (HEAD + GOOD.replace("0,1,", "low,1,"), "low is low in line 2; needed a number"),
        (HEAD + GOOD.replace("0,1,", "0,inf,"), "high is inf in line 2; needed a number"),
        (HEAD + GOOD.replace("0,1,", "1,1,"), "a.parquet: truth 'accuracy' goes from 1 to 1; needed two"),
        (HEAD + GOOD + GOOD.replace("toy", "other"), "rows of a.parquet differ in setting; needed one value"),
        (HEAD + GOOD + GOOD.replace("0,1,", "0,1,7"), "rows of a.parquet differ in since; needed one value"),
        (
            HEAD + GOOD.replace("transition", "calm"),
            "kind of a.parquet is 'calm'; choose one of transition, quiet, hard",
        ),
        (
            HEAD + GOOD.replace("transition", "quiet"),
            "a.parquet has kind 'quiet' and control ''; needed a control's name for all kinds but transition",
        ),
        (
            HEAD + GOOD.replace("toy,", "toy,frozen"),
            "a.parquet has kind 'transition' and control 'frozen'; needed a control's name for all kinds but",
        ),
        (HEAD + GOOD.replace(",1,tr", ",1e19,tr"), "seed is 1e19 in line 2; needed a whole number"),
        (HEAD + GOOD.replace("toy", ""), "setting is empty in line 2; needed a text"),
        (HEAD + GOOD + GOOD.replace("accuracy", ""), "truth is empty in line 3; needed a text"),
        (HEAD + GOOD.replace("a.parquet", ""), "path is empty in line 2; needed a text"),
        (HEAD + GOOD.replace("a.p", "c.p"), "no c.parquet, which manifest.csv names; train it, or take"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path, text, message):
    with pytest.raises(FormatError, match=f"^{re.escape(str(tmp_path))}.*: {re.escape(message)}[^\n]*$"):
        read_corpus(corpus(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "No columns"),
        (HEAD.encode() + GOOD.encode() + b",,,,,,,,,,,\n", "Error tokenizing data"),
        ((HEAD + GOOD.replace("\n", ",more\n")).encode(), "Length of header"),
        (HEAD.encode() + b'"a.parquet\n', "Error tokenizing data"),
        ((HEAD + GOOD.replace("toy", "t\u00f6y")).encode("latin-1"), "'utf-8' codec"),
        ((HEAD + GOOD).encode("utf-16"), "'utf-8' codec"),
    ],
)
def test_what_is_no_csv_is_said_in_a_line(tmp_path, content, why):
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(FormatError, match=f"csv cannot be read \\({why}[^\n]*; needed a CSV file in UTF-8$"):
        read_corpus(tmp_path)


def test_a_comma_at_the_end_of_each_line_shifts_no_column(tmp_path):
    (entry,) = read_corpus(corpus(tmp_path, HEAD + GOOD.replace("\n", ",\n")))
    assert (entry.path.name, entry.setting, entry.seed) == ("a.parquet", "toy", 1)


def test_a_manifest_of_no_runs_says_so(tmp_path):
    write_manifest(tmp_path, [])
    with pytest.raises(FormatError, match="no runs; needed at least one row"):
        read_corpus(tmp_path)


def test_a_folder_without_a_manifest(tmp_path):
    with pytest.raises(FormatError, match=r"no manifest\.csv; needed a row per run and truth with path, set"):
        read_corpus(tmp_path)
    with pytest.raises(FormatError, match=r"no manifest\.csv"):
        read_corpus(str(Path(tmp_path, "nowhere")))

"""Text reads as it is written, numbers to the last bit and ids by the letter, or it is refused."""

import csv
import gzip
import io
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdmtools.errors import FormatError, RdmtoolsWarning
from rdmtools.read.convert import convert
from rdmtools.read.read import read_run

FORMS = {"x.csv": ",", "x.csv.gz": ",", "x.tsv": "\t", "x.tsv.gz": "\t"}


@pytest.fixture(autouse=True)
def nothing_reads_in_one_piece(monkeypatch):
    monkeypatch.setattr("rdmtools.read.formats.dialect.BLOCK_BYTES", 31)


def read(words, name="x.csv", **rules):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        raw = words if isinstance(words, bytes) else words.encode()
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        run = read_run(path, **rules)
        assert run.losses.dtype == np.float64
        return run


def refused(words, name="x.csv"):
    with pytest.raises(FormatError) as error:
        read(words, name)
    assert "\n" not in str(error.value)
    return str(error.value).partition(f"{name}: ")[2]


DIGITS = st.text("0123456789", min_size=1, max_size=25)
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: f"{x:.40g}"),
    st.builds("{}{}.{}e{}".format, st.sampled_from(["", "-", "+"]), DIGITS, DIGITS, st.integers(-330, 280)),
    st.integers(0, 1 << 50).map(lambda n: f"{2**53 + 2 * n + 1}"),  # halfway between two floats
    st.integers(0, 1 << 50).map(lambda n: f"{2**53 + 2 * n + 1}.00000000000000001"),
)


@settings(max_examples=300)
@given(words=st.lists(NUMBERS, min_size=1, max_size=8), data=st.data())
def test_losses_are_correctly_rounded_and_steps_are_exact(words, data):
    """Python's `float` is."""
    size = len(words)
    steps = sorted(data.draw(st.sets(st.integers(-(2**63), 2**63 - 1), min_size=size, max_size=size)))
    run = read("step,sample_id,loss\n" + "".join(f"{s},0,{w}\n" for s, w in zip(steps, words, strict=True)))
    assert run.steps.tolist() == steps
    expected = np.array([*map(float, words)])
    np.testing.assert_array_equal(run.losses[:, 0].view(np.int64), expected.view(np.int64))


@settings(max_examples=200)
@given(
    ids=st.lists(
        st.text("ab07,\"'\t\n é;#NA", min_size=1, max_size=6).filter(str.strip),
        min_size=1,
        max_size=5,
        unique=True,
    ).filter(lambda ids: not all(each.isdigit() for each in ids)),
    name=st.sampled_from([*FORMS]),
    end=st.sampled_from(["\n", "\r\n"]),
    begin=st.sampled_from(["", "\ufeff", "\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_ids_are_as_written_whatever_needs_quotes(ids, name, end, begin, quoting):
    """Written by Python's own csv."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=FORMS[name], lineterminator=end, quoting=quoting)
    writer.writerow(["lr", "loss", "sample_id", "step"])
    writer.writerows([0.1, place / 8, sample, 5] for place, sample in enumerate(ids))
    with pytest.warns(match="left out 1 column: 'lr'"):
        run = read(begin + text.getvalue(), name)
    assert run.samples["sample_id"].tolist() == sorted(ids)
    assert run.losses.tolist() == [[ids.index(sample) / 8 for sample in sorted(ids)]]


def test_a_word_for_nothing_is_nothing_among_losses_and_a_word_among_ids():
    words = ["", "NA", "null", "NaN", "n/a", "#N/A"]
    lines = [f"1,x{n},{word}\n2,x{n},0.5\n" for n, word in enumerate(words)]
    text = "".join(["step,sample_id,loss\n", *lines, "1,NA,1.5\n2,NA,2.5\n"])
    assert read(text, nonfinite="drop-samples").samples["sample_id"].tolist() == ["NA"]
    said = "column 'step' has 1 null; needed an integer in every row; drop them"
    assert refused("step,sample_id,loss\nNA,a,0.5\n") == said


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "end", "more"])
def test_lines_end_in_any_way_and_empty_ones_are_passed_over(end, last):
    lines = ["", "step,sample_id,loss", "1,a, 0.5", "", "", "1,b,.25 ", "2,a,1", "2,b,-2e0"]
    text = end.join(lines) + {"": "", "end": end, "more": 3 * end}[last]
    told = pytest.warns(RdmtoolsWarning, match="the last line has no end") if not last else nullcontext()
    with told:
        run = read(text)
    assert run.losses.tolist() == [[0.5, 0.25], [1.0, -2.0]]


NEEDED = "needed one line of names, then lines as long, with whole steps and numbers for losses"
GOOD = "1,a,0.5\n2,a,0.25\n" * 3
QUOTE = "a quote stands within a field, or without its other half; needed such fields in quotes"
WRONG = [
    ("1,b\n", f"CSV parse error: Expected 3 columns, got 2: 1,b; {NEEDED}"),
    ("1\n", f"CSV parse error: Expected 3 columns, got 1: 1; {NEEDED}"),
    ("   \n", f"CSV parse error: Expected 3 columns, got 1:; {NEEDED}"),
    ("1,b,0.5,7\n", f"CSV parse error: Expected 3 columns, got 4: 1,b,0.5,7; {NEEDED}"),
    ("1,b,0.5,7\n1,c\n", f"CSV parse error: Expected 3 columns, got 4: 1,b,0.5,7; {NEEDED}"),
    ('1,"b,c"\n', f"CSV parse error: Expected 3 columns, got 2: 1,b,c; {NEEDED}"),
    ("1,b,oops\n", f"In CSV column 'loss': invalid value 'oops'; {NEEDED}"),
    ("1.5,b,1\n", f"In CSV column 'step': invalid value '1.5'; {NEEDED}"),
    ("9223372036854775808,b,1\n", f"In CSV column 'step': invalid value '9223372036854775808'; {NEEDED}"),
    ("1,,1\n", "column 'sample_id' is empty in some rows; needed an id in each; drop them"),
    ('1,"",1\n', "column 'sample_id' is empty in some rows; needed an id in each; drop them"),
    (",b,1\n", "column 'step' has 1 null; needed an integer in every row; drop them"),
    ('1,"b"c,1\n', QUOTE),
    ('1,b"c,1\n', QUOTE),
    ('1,"b,1\n', QUOTE),
    ('1,b,"\n\n', QUOTE),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), WRONG)
@pytest.mark.parametrize(("before", "after"), [("", ""), (GOOD, ""), ("", GOOD), (GOOD, GOOD)])
def test_what_is_no_table_is_refused_wherever_it_stands(line, message, before, after):
    assert refused("step,sample_id,loss\n" + before + line + after).startswith(message)
    tabs = ("step,sample_id,loss\n" + before + line + after).replace(",", "\t")
    assert refused(tabs, "x.tsv").startswith(message.partition(":")[0])


def test_text_that_is_not_utf_8_is_refused_in_one_line():
    with pytest.raises(FormatError, match=r"cannot be read \('utf-8' codec can't decode byte 0xff"):
        read(b"step,sample_id,loss\n1,\xff,0.5\n")


FORK = """
import os, sys, polars, rdmtools
run = rdmtools.read_run(sys.argv[1])
child = os.fork()
if child == 0:
    try:
        rdmtools.read_run(sys.argv[1])
    except rdmtools.FormatError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_is_told_so_and_does_not_wait_for_ever(tmp_path):
    (tmp_path / "x.csv").write_text("step,sample_id,loss\n1,a,0.5\n")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, tmp_path / "x.csv"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith(f"{tmp_path / 'x.csv'}: polars, which reads text, came with a fork")
    assert done.stdout.count("\n") == 1
    assert 'mp_context=get_context("spawn")' in done.stdout
    assert polars.__version__


def test_a_wide_table_has_losses_of_whole_numbers_too(tmp_path):
    (tmp_path / "x.tsv").write_text("step\t007\t7\n1\t1\t0.5\n2\t2\tnan\n3\t3\t0.25\n")
    run = read_run(convert(tmp_path / "x.tsv", layout="wide", nonfinite="drop-steps"))
    assert run.samples["sample_id"].tolist() == ["007", "7"]
    assert run.losses.tolist() == [[1, 0.5], [3, 0.25]]

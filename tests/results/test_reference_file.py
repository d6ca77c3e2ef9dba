"""A saved reference comes back as it was, and whatever else lies in such a file is told in one line."""

import json
import math
import re

import pytest
from helpers.quiet import bursting, quiet, quiet_runs

import rdmtools as rdm
from rdmtools.alarms.ranks import RULE
from rdmtools.errors import FormatError, ParameterError
from rdmtools.results.reference_file import read_reference

RUN = {"name": "a", "rows": 120, "samples": 6, "digest": "0" * 32, "scores": [0.5]}
WHOLE = {"contents": "rdmtools reference", "format": "1.0", "rule": RULE, "windows": [10], "runs": [RUN]}


def written(path, **changes):
    path.write_text(json.dumps(WHOLE | changes))
    return path


def test_it_comes_back_as_it_was(tmp_path):
    made = rdm.reference([*quiet_runs(3), quiet(5, rows=15)], window=(10, 8))
    path = made.save(tmp_path / "quiet.json")
    found = rdm.reference(path, window=(8, 10))
    assert [run.source for run in found.runs] == [str(path)] * 4
    for kept, back in zip(made.runs, found.runs, strict=True):
        assert (back.name, back.rows, back.samples, back.digest) == (
            kept.name,
            kept.rows,
            kept.samples,
            kept.digest,
        )
        assert back.scores == pytest.approx(kept.scores, nan_ok=True, rel=0, abs=0)
    assert math.isnan(found.runs[3].scores[10])
    assert repr(made) == "Reference of 4 runs, windows 10, 8"
    assert made.scores.columns.tolist() == ["run", "rows", "samples", "window", "score"]
    assert len(made.scores) == 8
    assert rdm.reference([made, quiet(7)], window=10).scores["window"].tolist() == [10] * 5


def test_it_ranks_as_its_runs_do(tmp_path):
    runs = quiet_runs(4)
    path = rdm.reference(runs, window=10).save(tmp_path / "quiet.json")
    tables = [
        rdm.analyze(quiet(2), window=10, reference=given).reference
        for given in (runs, path, str(path), [path], rdm.reference(path, window=10), [path, *runs[:2]])
    ]
    assert tables[0]["itself"].all()
    for table in tables[1:5]:
        assert table.equals(tables[0])
    assert tables[5]["repeated"].tolist() == [2]
    assert tables[5].drop(columns="repeated").equals(tables[0].drop(columns="repeated"))


def test_it_is_replaced_but_nothing_else_is(tmp_path):
    reference = rdm.reference(quiet_runs(1), window=10)
    path = reference.save(tmp_path / "quiet.json")
    assert rdm.reference(quiet_runs(2), window=10).save(path) == path
    assert len(read_reference(path).runs) == 2
    other = tmp_path / "mine.json"
    other.write_text('{"contents": "letters"}')
    with pytest.raises(ParameterError, match=re.escape(f'choose save("{tmp_path / "new_mine.json"}")')):
        reference.save(other)
    assert other.read_text() == '{"contents": "letters"}'
    with pytest.raises(ParameterError, match=r'does not end in .json.*choose save\(".*quiet.txt.json"\)'):
        reference.save(tmp_path / "quiet.txt")
    with pytest.raises(ParameterError, match=r"cannot be written \(No such file or directory\)"):
        reference.save(tmp_path / "absent" / "quiet.json")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mine.json", "quiet.json"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"contents": "rdmtools analysis"}, "its contents are not 'rdmtools reference'"),
        ({"format": None}, "it has no version"),
        ({"format": "9.0"}, "has format 9.0, this release reads up to"),
        ({"rule": "self_normalised 0"}, "scores of another rule than this release's"),
        ({"rule": ["x"]}, "scores of another rule than this release's"),
        ({"windows": []}, "'windows' is no list of distinct lengths"),
        ({"windows": [10, 10], "runs": []}, "'windows' is no list of distinct lengths"),
        ({"windows": [True]}, "'windows' is no list of distinct lengths"),
        ({"windows": [0]}, "'windows' is no list of distinct lengths"),
        ({"windows": 10}, "'windows' is no list of distinct lengths"),
        ({"windows": [[10]]}, "'windows' is no list of distinct lengths"),
        ({"runs": []}, "'runs' is no list of 1 to 100,000 runs"),
        ({"runs": {"a": RUN}}, "'runs' is no list of 1 to 100,000 runs"),
        ({"runs": [RUN, 3]}, "run 2 is no object"),
        ({"runs": [RUN | {"name": 3}]}, "'name' of run 1 is 3"),
        ({"runs": [RUN | {"name": "x" * 9999}]}, "'name' of run 1 is 'xxx"),
        ({"runs": [RUN | {"rows": 0}]}, "'rows' of run 1 is 0"),
        ({"runs": [RUN | {"rows": 10**30}]}, "'rows' of run 1 is 1000"),
        ({"runs": [RUN | {"samples": 2.5}]}, "'samples' of run 1 is 2.5"),
        ({"runs": [RUN | {"samples": True}]}, "'samples' of run 1 is True"),
        ({"runs": [RUN | {"digest": "zz"}]}, "'digest' of run 1 is 'zz'"),
        ({"runs": [{"name": "a"}]}, "of run 1 is None"),
        ({"runs": [RUN | {"scores": []}]}, "run 1 has no score for each window length"),
        ({"runs": [RUN | {"scores": 0.5}]}, "run 1 has no score for each window length"),
        ({"runs": [RUN | {"scores": ["0.5"]}]}, "a score of run 1 is no finite number"),
        ({"runs": [RUN | {"scores": [1e300]}]}, "a score of run 1 is no finite number"),
        ({"runs": [RUN | {"scores": [True]}]}, "a score of run 1 is no finite number"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, changes, why):
    path = written(tmp_path / "quiet.json", **changes)
    with pytest.raises(FormatError) as told:
        rdm.analyze(quiet(0), window=10, reference=path)
    assert why in str(told.value)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)
    assert "needed" in str(told.value) or "read it with" in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"NaN",
        b"[" * 100_000,
        json.dumps(WHOLE).replace("0.5", "NaN").encode(),
        json.dumps(WHOLE).replace("0.5", "1e999").encode(),
        json.dumps(WHOLE).replace("0.5", "9" * 5000).encode(),
    ],
    ids=range(9),
)
def test_what_is_no_json_of_ours_is_told(tmp_path, text):
    path = tmp_path / "quiet.json"
    path.write_bytes(text)
    with pytest.raises(FormatError, match=r"quiet\.json is no reference"):
        read_reference(path)


def test_what_later_releases_add_is_passed_over(tmp_path):
    path = written(
        tmp_path / "quiet.json", later=1, format="1.7", runs=[RUN | {"later": {}, "scores": [-0.1]}]
    )
    assert read_reference(path).runs[0].scores == {10: -0.1}


def test_a_file_that_is_not_there_or_is_a_folder_is_told(tmp_path):
    (tmp_path / "folder.json").mkdir()
    for name in ("absent.json", "folder.json"):
        with pytest.raises(FormatError, match=f"no file .*{name}; needed what"):
            rdm.analyze(bursting(), reference=tmp_path / name)

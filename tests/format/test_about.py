"""What a file says of itself is checked; what is wrong is told, and never in the way of the losses."""

import json
import re
from dataclasses import fields

import pytest

from rdmtools.errors import FormatError
from rdmtools.format import about
from rdmtools.format.about import read_about
from rdmtools.format.names import MERGED, RANKS
from rdmtools.run.quality import Quality


def test_metadata_of_a_later_format_are_refused(tmp_path):
    later = b'{"format": "2.0", "writer": "3.0.0"}'
    with pytest.raises(FormatError, match=r"format 2.0.*rdmtools 3.0.0 or later"):
        read_about(later, tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"{", "its 'rdmtools' metadata do not read (Expecting property name.*); needed JSON"),
        (b"[" * 99_999, "its 'rdmtools' metadata do not read (RecursionError.*); needed JSON"),
        (b"9" * 9999, "its 'rdmtools' metadata do not read (.*); needed JSON"),
        (b"{}", "its 'rdmtools' metadata do not read: no format version"),
        (b'{"format": 1}', "its 'rdmtools' metadata do not read: no format version"),
        (b'{"format": "1.x"}', "its 'rdmtools' metadata do not read: no format version"),
        (b"null", "its 'rdmtools' metadata do not read: no format version"),
    ],
)
def test_metadata_that_do_not_read_are_told_and_left_out(tmp_path, text, fault):
    found, (told,) = read_about(text, tmp_path)
    assert found == {}
    assert re.fullmatch(fault.replace("(", r"\(").replace(")", r"\)") + "; read without them", told)


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("name", ["run"], "text in UTF-8"),
        ("name", "\ud800", "text in UTF-8"),
        ("unit", 3, "text in UTF-8"),
        ("created", {}, "text in UTF-8"),
        ("metadata", [1], "an object"),
        ("ended", "noon", "a time"),
        (MERGED, "rank0-attempt0 2026", "a list of names"),
        (MERGED, [["rank0-attempt0 2026"]], "a list of names"),
        (RANKS, 0, "a number of ranks"),
        (RANKS, True, "a number of ranks"),
        ("refused", {"step": -1}, "a count"),
        ("superseded_rows", 1.5, "a count"),
        ("dropped_steps", -1, "a count"),
        ("missing", 10**30, "a count"),
    ],
)
def test_what_is_not_of_its_type_is_told_and_left_out(tmp_path, name, value, needed):
    whole = {"format": "1.0", "writer": "0.1.0", "name": "run", "metadata": {"lr": 0.1}, "later": [1]}
    found, faults = read_about(json.dumps(whole | {name: value}).encode(), tmp_path)
    assert found == {key: whole[key] for key in whole if key != name}
    assert faults == [f"its 'rdmtools' metadata: {name} is not {needed}; read without it"]


def test_of_the_users_metadata_only_what_cannot_be_written_again_is_left_out(tmp_path):
    deep = '{"a": ' * 99 + "1" + "}" * 99
    metadata = '{"lr": [1, {"b": null}], "\\ud800": 1, "deep": ' + deep + "}"
    text = '{"format": "1.0", "unit": null, "metadata": ' + metadata + "}"
    found, (told,) = read_about(text.encode(), tmp_path)
    assert found["metadata"] == {"lr": [1, {"b": None}]}
    assert found["unit"] is None
    assert told == r"its metadata have '\ud800', nested deeply or not UTF-8; read without it"


def test_every_count_of_quality_is_checked():
    words = {"guesses"}  # said when a file is read, and never kept in one
    assert {each.name for each in fields(Quality) if each.compare} - words <= set(about._FIELDS)

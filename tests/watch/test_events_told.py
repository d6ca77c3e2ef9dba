"""What was told and done is known whatever restarts, and a file that does not read is trusted in nothing."""

import json
import os

import pytest

from rdmtools.errors import FormatError
from rdmtools.watch.told import BEGUN, DONE, UNKNOWN, Keeper, Told, begun_before, read_told


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run.rdm" / "watch"


def written(folder, told):
    keeper = Keeper(folder)
    keeper.told = told
    keeper.write()
    keeper.close()


def test_what_was_written_is_read(folder):
    told = Told(created="2026-01-01", rows=7)
    told.note((20, -300), ["told", "exec"], DONE)
    told.note((20, 500), ["told"], DONE)
    told.note((20, 500), ["exec"], BEGUN)
    written(folder, told)
    assert read_told(folder) == told
    assert told.new((20, 500), ["told", "exec", "webhook"]) == ["webhook"]
    assert told.new((10, 500), ["told"]) == ["told"]
    [line] = begun_before(told)
    assert line.startswith("exec for the event at step 500 was begun by a watch that ended")
    for step in range(1, 8):
        told.note((20, step), ["exec", "webhook"] if step < 3 else ["exec"], BEGUN)
    assert [line.partition(" was begun")[0] for line in begun_before(told)] == [
        "exec for the events at steps 500, 1, 2, 3, 4 and 3 more",
        "webhook for the events at steps 1, 2",
    ]


def test_without_a_file_nothing_is_known(folder):
    assert read_told(folder) is None
    keeper = Keeper(folder)
    assert keeper.read() is None
    assert not keeper.doubt
    assert keeper.told == Told()


def test_of_another_run_nothing_is_known():
    told = Told(created="a")
    told.note((20, 5), ["told"], DONE)
    told.of_run(None)
    told.of_run("a")
    assert told.events
    told.of_run("b")
    assert not told.events
    assert told.created == "b"


def test_one_watch_keeps_it(folder):
    keeper = Keeper(folder)
    with pytest.raises(FormatError, match=rf"another watch \(process {os.getpid()} on .*end that one"):
        Keeper(folder)
    keeper.close()
    Keeper(folder).close()


@pytest.mark.skipif(os.getuid() == 0, reason="root writes anywhere")
def test_where_nothing_can_be_written_it_is_told(folder):
    folder.parent.mkdir()
    folder.parent.chmod(0o500)
    with pytest.raises(FormatError, match="cannot be written"):
        Keeper(folder)


def test_a_file_in_its_place_is_told(folder):
    folder.parent.mkdir()
    folder.write_text("mine")
    with pytest.raises(FormatError, match="cannot be written"):
        Keeper(folder)
    assert folder.read_text() == "mine"


EVENT = {"window": 20, "alarm_step": 5, "done": {"told": "done"}}
GOOD = {"format": "1.0", "writer": "0.1.0", "contents": "rdmtools watch", "created": None, "rows": 3}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"a":' * 100_000,
        json.dumps(GOOD),
        json.dumps(GOOD | {"events": 3}),
        json.dumps(GOOD | {"events": [3]}),
        json.dumps(GOOD | {"events": [{}]}),
        json.dumps(GOOD | {"events": [EVENT], "rows": -1}),
        json.dumps(GOOD | {"events": [EVENT], "rows": True}),
        json.dumps(GOOD | {"events": [EVENT], "created": 3}),
        json.dumps(GOOD | {"events": [EVENT], "created": "x" * 1000}),
        json.dumps(GOOD | {"events": [EVENT], "contents": "other"}),
        json.dumps(GOOD | {"events": [EVENT], "format": "2.0"}),
        json.dumps(GOOD | {"events": [EVENT | {"window": "20"}]}),
        json.dumps(GOOD | {"events": [EVENT | {"alarm_step": 1.5}]}),
        json.dumps(GOOD | {"events": [EVENT | {"alarm_step": 1 << 70}]}),
        json.dumps(GOOD | {"events": [EVENT | {"done": ["told"]}]}),
        json.dumps(GOOD | {"events": [EVENT | {"done": {"exec": "rm -rf /"}}]}),
        json.dumps(GOOD | {"events": [EVENT | {"done": {"x" * 100: "done"}}]}),
    ],
)
def test_a_file_that_does_not_read_is_told_in_one_line_and_nothing_of_it_is_known(folder, content):
    folder.mkdir(parents=True)
    (folder / "watch.json").write_text(content)
    keeper = Keeper(folder)
    line = keeper.read()
    assert "watch.json" in line
    assert "\n" not in line
    assert len(line) < 600
    assert keeper.doubt
    assert keeper.told == Told()
    keeper.write()  # begun anew
    keeper.close()
    assert read_told(folder) == Told()


def test_a_link_or_a_pipe_in_its_place_is_not_read(folder, tmp_path):
    other = Told()
    other.note((20, 1), ["told"], DONE)
    written(tmp_path / "other", other)
    folder.mkdir(parents=True)
    (folder / "watch.json").symlink_to(tmp_path / "other" / "watch.json")
    with pytest.raises(FormatError, match="no plain file"):
        read_told(folder)
    keeper = Keeper(folder)
    keeper.write()
    keeper.close()
    assert not (folder / "watch.json").is_symlink()
    assert read_told(tmp_path / "other") == other  # nothing was written through it
    (folder / "watch.json").unlink()
    os.mkfifo(folder / "watch.json")
    with pytest.raises(FormatError, match="no plain file"):
        read_told(folder)


def test_states_are_these(folder):
    told = Told()
    told.note((20, 5), ["exec"], UNKNOWN)
    written(folder, told)
    assert read_told(folder) == told
    assert begun_before(told) == []

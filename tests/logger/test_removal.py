"""Whatever a manifest names, whatever lies in a journal: only files that a logger wrote are ever removed."""

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import rdmtools as rdm
from rdmtools import FormatError, ParameterError, ProbeLogger, RdmtoolsWarning, read_run
from rdmtools.format.marks import MARK_FILE, write_mark
from rdmtools.format.ours import is_file, is_folder, remove, remove_attempt, remove_journal
from rdmtools.format.records import Kind, read_manifest, record_header
from rdmtools.logger import writer
from rdmtools.logger.compaction import copy_segments

IDS = ["c", "a", "b"]
ROW_BYTES = 32 + 4 * len(IDS)

links = pytest.mark.skipif(os.name == "nt", reason="links need rights there")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.parquet"


def journal(path: Path) -> Path:
    return path.with_suffix(".rdm") / "journal"


def row(step: int) -> list[float]:
    return [step + sample / 8 for sample in range(len(IDS))]


def crashed(path: Path, steps=range(3), **options) -> Path:
    """What a killed logger leaves; the folder of its attempt."""
    log = ProbeLogger(path, IDS, resume=True, **options)
    for step in steps:
        log(step, row(step))
    log._attempt.end()
    log._sealed = log._closed = True
    return log._attempt.folder


def naming(attempt: Path, **changes) -> None:
    """Let the manifest of an attempt say something else."""
    file = attempt / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def strangers(tmp_path: Path, kind: str) -> Path:
    """A folder of the user's, which a manifest from a stranger names."""
    folder = tmp_path / "photos-rank0-attempt0-abcdefgh"
    (folder / "more").mkdir(parents=True)
    (folder / "holiday.jpg").write_bytes(b"a")
    (folder / "more" / "thesis.tex").write_bytes(b"b")
    losses = np.float32([90, 91, 92]).tobytes()
    record = record_header(Kind.LOSSES, 90, 0.0, losses) + losses
    if kind != "photos":
        (folder / "losses-000009.rdj").write_bytes(record)
    if kind == "another's":  # a logger's, of another run
        other = crashed(tmp_path / "other.parquet")
        write_mark(folder, other, read_manifest(other))
    if kind == "a copy's":  # of this very attempt, in another place
        copied = tmp_path / "elsewhere" / "rank0-attempt0"
        shutil.copytree(journal(tmp_path / "run.parquet") / "rank0-attempt0", copied)
        write_mark(folder, copied, read_manifest(copied))
    return folder


WAYS = ("recover", "overwrite", "close", "close where all is told")


def put_away(path: Path, way: str) -> list[str]:
    """Do what removes a journal; the warnings of it."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        if way == "recover":
            rdm.recover(path)
        elif way == "overwrite":
            ProbeLogger(path, IDS, overwrite=True).close()
        else:
            log = ProbeLogger(path, IDS, resume=True)
            log(100, row(100))
            log.close(merge=True if way == "close" else "auto")
    return [str(each.message) for each in warned]


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("kind", ["photos", "segments", "another's", "a copy's"])
@pytest.mark.parametrize("way", WAYS)
def test_a_folder_that_a_manifest_names_is_never_removed(path, tmp_path, way, kind, closed):
    attempt = crashed(path)
    folder = strangers(tmp_path, kind)
    naming(attempt, segments=str(folder), accepted={} if closed else None)
    before = contents(folder)
    told = put_away(path, way)
    assert contents(folder) == before
    assert any(str(folder) in each for each in told)
    if way != "overwrite":
        steps = set(read_run(path).steps.tolist())
        assert {0, 1, 2} <= steps
        # what bears another's mark is not even read; a folder named as ours, of an earlier release, is
        assert (90 in steps) == (kind in ("segments", "a copy's"))


@pytest.mark.parametrize(
    "named", ["{tmp}", "{tmp}/photos", ".", "..", "../..", "/", "x\0y", "a" * 5000, "\udcff"]
)
@pytest.mark.parametrize("way", WAYS)
def test_whatever_path_a_manifest_names_nothing_of_it_is_read_or_removed(
    path, tmp_path, way, named, monkeypatch
):
    attempt = crashed(path)
    user = tmp_path / "photos"
    user.mkdir()
    (user / "losses-000007.rdj").write_bytes((attempt / "losses-000000.rdj").read_bytes())
    (tmp_path / "losses-000008.rdj").write_bytes((attempt / "losses-000000.rdj").read_bytes())
    naming(attempt, segments=named.format(tmp=tmp_path))
    monkeypatch.chdir(user)
    if "\0" in named and way != "overwrite":
        with pytest.raises(FormatError, match=r"manifest of a ProbeLogger .*segments is .*; needed a path"):
            read_run(path)
        return
    put_away(path, way)
    assert sorted(os.listdir(user)) == ["losses-000007.rdj"]
    assert (tmp_path / "losses-000008.rdj").exists()
    if way != "overwrite":
        assert set(read_run(path).steps.tolist()) - {100} == {0, 1, 2}


def test_rows_in_a_folder_that_is_not_of_the_attempt_are_waited_for(path, tmp_path):
    attempt = crashed(path, [0])
    folder = strangers(tmp_path, "another's")
    (attempt / "losses-000000.rdj").unlink()  # all its rows were elsewhere
    naming(attempt, segments=str(folder))
    before = contents(folder)
    with pytest.raises(FormatError, match=r"has rows in .*photos.*; what is there is not of it; needed that"):
        rdm.recover(path)
    assert contents(folder) == before
    assert attempt.exists()


@links
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", ["segments", "a segment", "an attempt", "a file", "the journal"])
def test_links_are_neither_followed_nor_removed(path, tmp_path, way, what):
    user = tmp_path / "user"
    user.mkdir()
    for name in ("losses-000000.rdj", "manifest.json", "lock", "notes.txt"):
        (user / name).write_text(name)
    before = contents(user)
    scratch = tmp_path / "scratch"
    attempt = crashed(path, journal_dir=scratch)
    [made] = scratch.iterdir()
    if what == "segments":
        made.rename(tmp_path / "real")
        made.symlink_to(tmp_path / "real")
        before = contents(user := tmp_path / "real")
        naming(attempt, accepted={})
    elif what == "a segment":
        (made / "losses-000005.rdj").symlink_to(user / "losses-000000.rdj")
    elif what == "an attempt":
        (journal(path) / "rank7-attempt7").symlink_to(user)
        (user / "manifest.json").unlink()
        before = contents(user)
    elif what == "a file":
        (attempt / "samples.parquet.tmp").symlink_to(user / "notes.txt")
        (attempt / "draws-000000.rdj").symlink_to(user / "losses-000000.rdj")
    else:
        journal(path).rename(tmp_path / "real")
        journal(path).symlink_to(tmp_path / "real")
        user, before = tmp_path / "real" / "rank0-attempt0", None
    if way == "overwrite" and what == "an attempt":
        with pytest.raises(ParameterError, match=r"rank7-attempt7 is not what rdmtools writes under"):
            ProbeLogger(path, overwrite=True)
    else:
        put_away(path, way)
    if before is not None:
        assert contents(user) == before
    else:
        assert is_file(user / "manifest.json")


@links
def test_nothing_is_written_through_a_link(path, tmp_path):
    crashed(path)
    victim = tmp_path / "thesis.tex"
    victim.write_text("a")
    path.with_name("run.parquet.tmp").symlink_to(victim)
    path.symlink_to(victim)
    with pytest.raises(FormatError):  # what it points to is no run
        rdm.recover(path)
    path.unlink()
    rdm.recover(path)
    assert victim.read_text() == "a"
    assert read_run(path).steps.tolist() == [0, 1, 2]
    assert not path.is_symlink()


@pytest.mark.parametrize("way", WAYS)
def test_what_a_user_puts_into_a_journal_stays_where_it_is(path, way):
    attempt = crashed(path)
    crashed(path, [3])
    notes = [journal(path) / "notes.txt", journal(path) / "mine" / "a" / "b.txt", journal(path) / "lock"]
    for file in notes:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file.name)
    inside = [attempt / "notes.txt", attempt / "kept" / "losses-000000.rdj", attempt / "losses-1.rdj"]
    for file in inside:
        file.parent.mkdir(exist_ok=True)
        file.write_text(file.name)
    told = put_away(path, way)
    assert [file.read_text() for file in notes] == [file.name for file in notes]
    found = {file.name: file.read_bytes() for file in path.with_suffix(".rdm").rglob("*") if is_file(file)}
    for file in inside:
        assert found[file.name] == file.name.encode()
    assert "manifest.json" not in found
    assert any(" where it is: no file of a logger" in each for each in told)
    with warnings.catch_warnings():  # and is in nobody's way
        warnings.simplefilter("ignore", RdmtoolsWarning)
        with ProbeLogger(path, IDS, resume=way != "overwrite", overwrite=way == "overwrite") as log:
            log(200, row(200))
    assert 200 in read_run(path).steps
    assert notes[0].read_text() == "notes.txt"


def test_a_journal_of_users_files_alone_is_no_run(path):
    journal(path).mkdir(parents=True)
    (journal(path) / "notes.txt").write_text("a")
    with ProbeLogger(path, IDS) as log:
        log(0, row(0))
    assert os.listdir(journal(path)) == ["notes.txt"]
    assert read_run(path).steps.tolist() == [0]


@pytest.mark.parametrize("name", ["samples.parquet", "scalars.parquet", "journal/rank0-attempt0"])
def test_overwriting_stops_before_what_is_no_file_of_a_run(path, tmp_path, name):
    with ProbeLogger(path) as log:
        log(0, row(0))
    place = path.with_suffix(".rdm") / name
    if "journal" in name:
        place.parent.mkdir(parents=True)
        place.write_text("a")
    else:
        place.mkdir(parents=True)
        (place / "thesis.tex").write_text("a")
    before = contents(tmp_path)
    with pytest.raises(ParameterError, match="is not what rdmtools writes under that name; move it away, or"):
        ProbeLogger(path, IDS, overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("summary", [None, "{}", '{"contents": "mine"}', "[" * 100_000])
def test_overwriting_leaves_an_analysis_that_is_not_ours(path, summary):
    with ProbeLogger(path, IDS) as log:
        log(0, row(0))
    analysis = path.with_suffix(".rdm") / "analysis"
    analysis.mkdir(parents=True)
    (analysis / "events.parquet").write_text("a")
    if summary is not None:
        (analysis / "summary.json").write_text(summary)
    before = contents(analysis)
    with ProbeLogger(path, IDS, overwrite=True) as log:
        log(0, row(0))
    assert contents(analysis) == before


def test_overwriting_leaves_what_a_user_put_into_an_analysis(path):
    with ProbeLogger(path, IDS) as log:
        log(0, row(0))
    analysis = path.with_suffix(".rdm") / "analysis"
    (analysis / "figures").mkdir(parents=True)
    (analysis / "summary.json").write_text('{"contents": "rdmtools analysis"}')
    for name in ("events.parquet", "mine.parquet", "figures/overview.png", "figures/mine.png"):
        (analysis / name).write_text(name)
    with pytest.warns(RdmtoolsWarning, match=r"left .*mine\.p.* and 1 more where it is"):
        ProbeLogger(path, IDS, overwrite=True)
    assert contents(analysis) == {
        "summary.json": b'{"contents": "rdmtools analysis"}',
        "mine.parquet": b"mine.parquet",
        os.path.join("figures", "mine.png"): b"figures/mine.png",
    }


# journal_dir


def test_segments_of_an_earlier_release_are_read_and_left_and_told(path, tmp_path):
    scratch = tmp_path / "scratch"
    crashed(path, journal_dir=scratch)
    [folder] = scratch.iterdir()
    (folder / MARK_FILE).unlink()  # which it did not write
    assert read_run(path).steps.tolist() == [0, 1, 2]
    with pytest.warns(RdmtoolsWarning, match=r"left .*scratch.* where it is: no file of a logger"):
        assert rdm.recover(path).rows == 3
    assert os.listdir(folder) == ["losses-000000.rdj"]
    assert read_run(path).steps.tolist() == [0, 1, 2]


def test_a_kill_while_segments_come_home_leaves_no_row_twice_and_nothing_behind(path, tmp_path):
    attempt = crashed(path, journal_dir=tmp_path / "scratch")
    [folder] = (tmp_path / "scratch").iterdir()
    copy_segments(folder, attempt)
    assert read_run(path).steps.tolist() == [0, 1, 2]
    (folder / "losses-000000.rdj").unlink()  # the mark goes last
    assert read_run(path).steps.tolist() == [0, 1, 2]
    assert rdm.recover(path).rows == 3
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_copy_of_a_run_reads_the_segments_and_leaves_them_to_the_run(path, tmp_path):
    crashed(path, journal_dir=tmp_path / "scratch")
    shutil.copytree(path.with_suffix(".rdm"), tmp_path / "copy.rdm")
    with pytest.warns(RdmtoolsWarning, match="left .*scratch"):
        assert rdm.recover(tmp_path / "copy.parquet").rows == 3
    assert rdm.recover(path).rows == 3
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_users_file_beside_the_segments_stays_and_is_told(path, tmp_path):
    log = ProbeLogger(path, IDS, journal_dir=tmp_path / "scratch")
    log(0, row(0))
    [folder] = (tmp_path / "scratch").iterdir()
    (folder / "thesis.tex").write_text("a")
    with pytest.warns(RdmtoolsWarning, match=r"left .*thesis\.tex where it is"):
        log.close()
    assert (folder / "thesis.tex").read_text() == "a"
    assert read_run(path).steps.tolist() == [0]


@links
def test_compaction_removes_the_segment_and_no_link_in_its_place(path, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 10 * ROW_BYTES)
    log = ProbeLogger(path, IDS, journal_dir=tmp_path / "scratch")
    for step in range(9):
        log(step, row(step))
    [folder] = (tmp_path / "scratch").iterdir()
    real = (folder / "losses-000000.rdj").rename(tmp_path / "moved.rdj")
    (folder / "losses-000000.rdj").symlink_to(real)
    for step in range(9, 15):
        log(step, row(step))
    log._writer._compactor._waiting.put(None)
    log._writer._compactor._thread.join()
    log._writer._compactor._thread = None
    assert real.exists()
    assert (folder / "losses-000000.rdj").is_symlink()
    log._attempt.end()


def test_damaged_segments_elsewhere_come_with_the_journal_that_is_kept(path, tmp_path):
    attempt = crashed(path, journal_dir=tmp_path / "scratch")
    [folder] = (tmp_path / "scratch").iterdir()
    whole = (folder / "losses-000000.rdj").read_bytes()
    (folder / "losses-000000.rdj").write_bytes(whole[:-5])
    assert rdm.recover(path).bytes_left
    kept = path.with_suffix(".rdm") / "journal.damaged" / attempt.name / "losses-000000.rdj"
    assert kept.read_bytes() == whole[:-5]
    assert list((tmp_path / "scratch").iterdir()) == []


# the one place that removes


def test_files_go_by_name_and_the_mark_goes_last(tmp_path):
    folder = tmp_path / "ours"
    folder.mkdir()
    for name in ("a", "b", "mark", "mine"):
        (folder / name).write_text(name)
    assert remove(folder, {"a", "b"}.__contains__, last="mark") == [folder / "mine"]
    assert sorted(os.listdir(folder)) == ["mark", "mine"]
    (folder / "mine").unlink()
    assert remove(folder, {"a", "b"}.__contains__, last="mark") == []
    assert not folder.exists()
    assert remove(folder, {"a", "b"}.__contains__) == []


def test_a_folder_that_is_named_as_no_attempt_is_not_touched(tmp_path):
    for name in ("rank0-attempt0x", "attempt0", "rank0-attempt٣"):
        folder = tmp_path / "journal" / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
        assert remove_attempt(folder) == [folder]
        assert (folder / "manifest.json").exists()
    assert len(remove_journal(tmp_path / "journal")) == 3
    assert is_folder(tmp_path / "journal")

"""Rows of a journal as they come: those of the run, in order, each once."""

import numpy as np
import pytest
from helpers.journals import write_journal

import rdmtools as rdm
from rdmtools.format.names import JOURNAL_FOLDER
from rdmtools.format.records import HEADER_BYTES
from rdmtools.journal.attempts import read_attempts, together
from rdmtools.logger import writer
from rdmtools.watch.logged import Incoming, find, key, stamp

SAMPLES = 3


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.parquet"


def row(step):
    return np.float32([step, step + 0.5, -step])


def log(path, **options):
    return rdm.ProbeLogger(path, ["c", "a", "b"], **options)


def abandoned(logger):
    """As a kill leaves it."""
    logger._attempt.end()
    logger._sealed = logger._closed = True


def incoming(path):
    [last] = together(read_attempts(path.with_suffix(".rdm") / JOURNAL_FOLDER))[-1:]
    return Incoming(last)


def taken(rows):
    blocks = list(rows)
    for block in blocks:
        np.testing.assert_array_equal(block.losses, [row(step)[[1, 2, 0]] for step in block.steps])
    return [step for block in blocks for step in block.steps.tolist()]


def test_each_row_comes_once_as_soon_as_it_is_logged(path):
    with log(path) as logger:
        logger(0, row(0))
        coming = incoming(path)
        assert taken(coming.rows()) == [0]
        assert taken(coming.rows()) == []
        for step in (2, 3, 7):
            logger(step, row(step))
        assert taken(coming.rows()) == [2, 3, 7]


def test_a_record_that_is_half_written_comes_when_it_is_whole(path):
    logger = log(path)
    for step in range(4):
        logger(step, row(step))
    abandoned(logger)
    coming = incoming(path)
    [segment] = path.with_suffix(".rdm").glob("journal/*/losses-*.rdj")
    whole = segment.read_bytes()
    size = HEADER_BYTES + 4 * SAMPLES
    segment.write_bytes(whole[: 2 * size + 5])
    assert taken(coming.rows()) == [0, 1]
    segment.write_bytes(whole[: 4 * size - 1])
    assert taken(coming.rows()) == [2]
    segment.write_bytes(whole)
    assert taken(coming.rows()) == [3]


def test_rows_go_on_from_segment_to_segment_and_through_parts(path, monkeypatch):
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 5 * (HEADER_BYTES + 4 * SAMPLES))
    found = []
    with log(path) as logger:
        logger(0, row(0))
        coming = incoming(path)
        for step in range(1, 60):
            logger(step, row(step))
            if step % 7 == 0:
                found += taken(coming.rows())
        logger._writer._compactor._waiting.put(None)
        logger._writer._compactor._thread.join()  # all full segments are parts now
        assert len([*path.with_suffix(".rdm").glob("journal/*/losses-*.parquet")]) > 5
        found += taken(coming.rows())
        assert taken(incoming(path).rows()) == found
    assert found == list(range(60))


def test_of_several_ranks_the_steps_that_all_have_come(path):
    ranks = [
        rdm.ProbeLogger(path, [f"{rank}-{one}" for one in range(2 + rank)], rank=rank, world_size=2)
        for rank in range(2)
    ]
    for rank, logger in enumerate(ranks):
        logger(0, np.full(2 + rank, 10.0 * rank))
    coming = incoming(path)
    [first] = coming.rows()
    assert (first.steps.tolist(), first.losses.tolist()) == ([0], [[0, 0, 10, 10, 10]])
    for step in (1, 2, 4):
        ranks[0](step, np.full(2, step))
    assert list(coming.rows()) == []
    for step in (2, 3, 4):
        ranks[1](step, np.full(3, step + 10.0))
    [block] = coming.rows()
    assert (block.steps.tolist(), block.losses.tolist()) == ([2, 4], [[2, 2, 12, 12, 12], [4, 4, 14, 14, 14]])
    for logger in ranks:
        logger.close()
    assert rdm.read_run(path).steps.tolist() == [0, 2, 4]


def test_what_was_before_the_last_start_is_cut_where_that_begins(path):
    with log(path) as logger:
        for step in range(10):
            logger(step, row(step))
    second = log(path, resume=True)
    for step in range(8, 15):
        second(step, row(step))
    abandoned(second)
    third = log(path, resume=True)
    found = find(path)
    assert [step for block in found.rows_before(None) for step in block.steps] == list(range(15))
    assert [step for block in found.rows_before(12) for step in block.steps] == list(range(12))
    assert taken(Incoming(found.last).rows()) == []
    assert not found.closed
    third(12, row(12))
    assert key(find(path)) == key(found)  # it only grew
    third.close()
    assert find(path).closed
    assert find(path).created == found.created  # the same run, from its first logger on


def test_a_stamp_changes_with_loggers_and_not_with_rows(path):
    logger = log(path)
    logger(0, row(0))
    first = stamp(path)
    logger(1, row(1))
    assert stamp(path) == first
    logger.close()
    assert stamp(path) != first


def test_a_journal_of_earlier_releases_comes_as_it_is(path):
    losses = np.float32(np.random.default_rng(0).standard_normal((20, 4)))
    write_journal(path, range(20), losses, tail=b"torn")
    [block] = incoming(path).rows()
    np.testing.assert_array_equal(block.losses, losses)

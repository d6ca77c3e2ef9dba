"""A run is looked at while it is logged, killed and resumed: the events of its analysis, each once."""

import json

import numpy as np
import pandas as pd
import pytest

import rdmtools as rdm
from rdmtools.alarms.joined import joined
from rdmtools.alarms.self_normalised import watched
from rdmtools.alarms.thresholds import threshold
from rdmtools.analysis.spans import row_energies
from rdmtools.format.records import HEADER_BYTES
from rdmtools.logger import writer
from rdmtools.run.rules import Rules
from rdmtools.watch.at_alarm import at_alarm
from rdmtools.watch.event import Rate
from rdmtools.watch.follow import Follower

SAMPLES = 8
GROUPS = ["rare", "rare", "rare", "common", "common", "common", "common", "common"]
WINDOWS = 12, 9
RATES = [Rate(window=window, false_alarms=0.2) for window in WINDOWS]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.parquet"


def losses(step, seed=0):
    """Noise that is twelve times as large for some rows, in three samples."""
    rng = np.random.default_rng([step, seed])
    loud = np.where(np.arange(SAMPLES) < 3, 12.0 if (step + 13 * seed) // 40 % 3 == 2 else 1.0, 1.0)
    return np.float32(3 + 0.1 * loud * rng.standard_normal(SAMPLES))


def log(path, **options):
    return rdm.ProbeLogger(path, {"group": GROUPS}, **options)


def abandoned(logger):
    """As a kill leaves it."""
    logger._attempt.end()
    logger._sealed = logger._closed = True


def keys(opened):
    return [(each.event.window, each.event.alarm_step) for each in opened]


def expected(path, **reading):
    settings = rdm.AnalysisSettings(windows=WINDOWS, false_alarms=0.2, horizon=80)
    events = rdm.analyze(rdm.read_run(path, **reading), settings).events
    return {*zip(events["window"].tolist(), events["alarm_step"].tolist(), strict=True)}


def now(path):
    """The same of a run that goes on, without all that an analysis says besides."""
    run = rdm.read_run(path)
    energies = row_energies(run.stored, 0, len(run.steps), windows=WINDOWS)
    found = [
        (window, int(run.steps[event.alarm]))
        for window, u in zip(WINDOWS, energies, strict=True)
        for event in joined(watched(u, window=window, threshold=threshold(0.2, 80)).events, window)
    ]
    return {*found}


def follower(path, **rules):
    return Follower(path, RATES, Rules(**rules))


def test_events_are_those_of_the_analysis_at_every_look(path):
    following, seen = follower(path), []
    with log(path) as logger:
        for step in range(400):
            logger(step, losses(step))
            if step % 37 == 36:
                seen += keys(following.look())
                assert {*seen} == now(path)
                assert following.status.rows == step + 1
    seen += [key for key in keys(following.look()) if key not in seen]
    assert {*seen} == expected(path)
    assert len(seen) == len({*seen}) >= 6
    assert following.status.complete


@pytest.mark.parametrize("seed", range(4))
def test_a_training_that_is_killed_and_goes_back_has_the_events_of_its_analysis(path, seed, monkeypatch):
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 60 * (HEADER_BYTES + 4 * SAMPLES))
    rng, following, seen, step = np.random.default_rng(seed), follower(path), set(), 0
    for attempt in range(6):
        logger = log(path, resume=True)
        for _ in range(int(rng.integers(1, 120))):
            logger(step, losses(step, seed=attempt))  # other losses than the attempt before had
            step += 1
            if rng.random() < 0.05:
                seen |= {*keys(following.look())}
                assert seen >= now(path)
                assert following.status.trouble is None
        if rng.random() < 0.3:
            logger.close()
        else:
            abandoned(logger)
        step = max(step - int(rng.integers(0, 60)), 0)
    logger = log(path, resume=True)
    logger(step, losses(step))
    logger.close()
    again = keys(following.look())
    assert {*again} == {*keys(follower(path).look())} == expected(path)
    assert following.status.rows == len(rdm.read_run(path).steps)


def test_where_rows_are_superseded_the_run_is_gone_through_again(path):
    following = follower(path)
    logger = log(path)
    for step in range(130):
        logger(step, losses(step))
    first = keys(following.look())
    assert first
    abandoned(logger)
    logger = log(path, resume=True)
    assert keys(following.look()) == first  # another start
    for step in range(60, 130):
        logger(step, losses(step))
    assert keys(following.look()) == first  # all of them: which are news, others know
    abandoned(logger)


def test_losses_that_are_not_finite_are_no_rows_as_with_drop_steps(path):
    following = follower(path)
    with log(path) as logger:
        for step in range(300):
            row = losses(step)
            if step in (50, 51, 97, 200):
                row[step % SAMPLES] = np.nan if step % 2 else np.inf
            logger(step, row)
            if step % 29 == 0:
                following.look()
        assert following.status.left_out == 4
    assert {*keys(follower(path).look())} == expected(path, nonfinite="drop-steps")


def test_a_run_that_is_not_there_yet_is_waited_for(path):
    following = follower(path)
    assert following.look() == []
    assert "no file" in following.status.trouble
    with log(path) as logger:
        assert following.look() == []  # nothing logged
        for step in range(30):
            logger(step, losses(step))
        following.look()
        assert (following.status.trouble, following.status.rows) == (None, 30)
        assert not following.status.complete


@pytest.mark.parametrize("ranks", [2, 3])
def test_of_several_ranks(path, ranks):
    following, seen = follower(path), []
    parts = np.array_split(np.arange(SAMPLES), ranks)
    loggers = [
        rdm.ProbeLogger(path, {"sample_id": part}, rank=rank, world_size=ranks)
        for rank, part in enumerate(parts)
    ]
    for step in range(220):
        for part, logger in zip(parts, loggers, strict=True):
            if (step, len(part)) != (100, len(parts[0])):
                logger(step, losses(step)[part])
        if step % 17 == 0:
            seen += keys(following.look())
    seen += keys(following.look())
    for logger in loggers:
        logger.close(merge=True)
    assert {*seen} == expected(path)
    assert len(seen) == len({*seen}) >= 3


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_that_grows_is_read_again(tmp_path, suffix):
    table = pd.DataFrame(
        [(step, sample, loss) for step in range(160) for sample, loss in enumerate(losses(step))],
        columns=["global_step", "sample_id", "loss"],
    )
    file = tmp_path / f"run.{suffix}"
    following, seen = follower(file, columns={"step": "global_step"}), set()
    for rows in (45, 100, 130, 160):
        part = table[: rows * SAMPLES - 3]  # the last step is not whole
        part.to_csv(file, index=False) if suffix == "csv" else part.to_parquet(file)
        seen |= {*keys(following.look())}
        seen |= {*keys(following.look())}  # nothing came since
        assert following.status.rows == rows - 1
        assert following.status.trouble is None
    assert seen == expected(file, columns={"step": "global_step"}, missing="drop-steps")
    assert seen


def test_the_last_step_of_a_text_waits_until_nothing_comes(tmp_path):
    file = tmp_path / "run.csv"
    rows = "".join(f"{step},{sample},0.5\n" for step in range(9) for sample in range(2))
    file.write_text("step,sample_id,loss\n" + rows)
    following = follower(file)
    following.look()
    assert following.status.rows == 8
    following.look()
    assert following.status.rows == 9
    other = follower(file)
    other.look(final=True)
    assert other.status.rows == 9


def test_means_of_groups_are_told(path):
    following = follower(path)
    with log(path) as logger:
        for step in range(50):
            logger(step, [5.0 - step] * 3 + [1.0 + step] * 5)
            if step in (0, 20, 49):
                following.look()
    assert following.status.groups == {"rare": (5.0, -44.0, -44.0), "common": (1.0, 1.0, 50.0)}


def test_memory_does_not_grow_with_the_rows(path):
    following = follower(path)
    with log(path) as logger:
        sizes = []
        for step in range(9000):
            logger(step, losses(step))
            if step % 3000 == 2999:
                following.look()
                sizes.append(len(following._course._held))
    assert max(sizes) <= 2048 + max(WINDOWS)


@pytest.mark.parametrize("how", ["live", "killed", "closed", "parts", "csv"])
def test_what_kind_of_change_it_is_and_whose_is_what_the_table_of_events_says(path, how, monkeypatch):
    if how == "parts":
        monkeypatch.setattr(writer, "_SEGMENT_BYTES", 60 * (HEADER_BYTES + 4 * SAMPLES))
    logger = log(path)
    for step in range(400):
        row = losses(step)
        if how == "killed" and step == 200:  # the floors of some events lie before, their alarms after
            abandoned(logger)
            logger = log(path, resume=True)
        if step in (70, 71):
            row[0] = np.nan
        logger(step, row)
    if how in ("closed", "csv"):
        logger.close()
    if how == "csv":
        table = path.with_suffix(".csv")
        pd.read_parquet(path).to_csv(table, index=False)
        path.unlink()
        path = table
    following = follower(path)
    opened = following.look(final=True)
    settings = rdm.AnalysisSettings(windows=WINDOWS, false_alarms=0.2, horizon=80)
    events = rdm.analyze(rdm.read_run(path, nonfinite="drop-steps"), settings).events
    events = events.set_index(["window", "alarm_step"])
    assert len(opened) == len(events) >= 6
    for each in opened:
        told = at_alarm(each.event, following.last_rows, following.groups)
        row = events.loc[each.event.window, each.event.alarm_step]
        assert told["drift_share"] == pytest.approx(row["drift_share"])
        assert row["floor_step"] == each.event.floor_step
        for name in ("kind", "movement", "group_status"):
            assert told[name] == row[name]
        assert told["top_group"] == (row["top_group"] if isinstance(row["top_group"], str) else None)
        assert told["direction"] in ("falling", "rising", "mixed")
        json.dumps(told)
    logger.close()


@pytest.mark.parametrize("ranks", [1, 2])
def test_last_rows_are_those_of_the_run(path, ranks, monkeypatch):
    monkeypatch.setattr(writer, "_SEGMENT_BYTES", 30 * (HEADER_BYTES + 4 * SAMPLES))
    parts = np.array_split(np.arange(SAMPLES), ranks)

    def loggers():
        return [
            rdm.ProbeLogger(path, {"sample_id": part}, rank=rank, world_size=ranks, resume=True)
            for rank, part in enumerate(parts)
        ]

    def train(steps, open_loggers):
        for step in steps:
            row = losses(step)
            row[0] = np.nan if step % 11 == 5 else row[0]
            for rank, (part, logger) in enumerate(zip(parts, open_loggers, strict=True)):
                if ranks == 1 or (step + rank) % 23:
                    logger(step, row[part])

    first = loggers()
    train(range(150), first)
    for logger in first:
        logger._attempt.end()
        logger._sealed = logger._closed = True
    second = loggers()
    train(range(100, 240), second)
    following = follower(path)
    following.look()
    run = rdm.read_run(path, nonfinite="drop-steps")
    for step in (3, 60, 101, 130, 239):
        for count in (1, 12, 60, 500):
            stop = int(np.searchsorted(run.steps, step, side="right"))
            start = max(stop - count, 0)
            block = following.last_rows(step, count)
            assert block.steps.tolist() == run.steps[start:stop].tolist()
            np.testing.assert_array_equal(block.losses, run.losses[start:stop])
    for logger in second:
        logger.close()


def test_of_rows_that_are_gone_nothing_is_said(path):
    with log(path) as logger:
        for step in range(200):
            logger(step, losses(step))
    following = follower(path)
    [first, *_] = following.look()
    assert at_alarm(first.event, following.last_rows, GROUPS)

    def other(step, count):
        block = following.last_rows(step, count)
        return block._replace(steps=block.steps - 1)

    assert at_alarm(first.event, other, GROUPS) is None
    assert at_alarm(first.event, lambda step, count: following.last_rows(step, 3), GROUPS) is None

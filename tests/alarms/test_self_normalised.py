"""When warnings fire, end and arm again; a row at a time or all at once; and how often on noise."""

import numpy as np
import pytest
from helpers import naive

from rdmtools.alarms.one_signal import DEAD_ZONE, Signal
from rdmtools.alarms.scatter import Scatter
from rdmtools.alarms.self_normalised import BASELINES, SIGNALS, SelfNormalised, watched
from rdmtools.alarms.thresholds import HORIZONS, RATES, THRESHOLDS, horizon_of, threshold
from rdmtools.analysis.log_energies import NAMES, log_energies_of
from rdmtools.errors import ParameterError

W = 20
MEAN = Signal(name="mean", prior=0.5, costs={"mean": 2.0})
FIELDS = ("value", "level", "scatter", "line", "score", "judged", "event")


def one(u, signal=MEAN, window=W, at=1.0):
    return watched({signal.name: np.asarray(u, float)}, window=window, threshold=at, signals=[signal])


def both(u, at=1.0, window=W):
    return watched(u, window=window, threshold=at)


def busy(seed, rows=900):
    """u of two signals: averaged noise, a few bursts, gaps, and a late begin."""
    rng = np.random.default_rng(seed)
    u = {}
    for name in ("shc", "mean_slope"):
        noise = np.convolve(rng.standard_normal(rows + 9), np.ones(10) / 6, "valid")
        for start in rng.integers(100, rows - 90, 3):
            noise[start : start + 90] += rng.uniform(2, 6) * np.exp(-np.arange(90) / 25)
        noise[rng.random(rows) < 0.02] = rng.choice([np.nan, np.inf, -np.inf])
        noise[:9] = np.nan
        u[name] = noise
    return u


def events(found, signal=None):
    chosen = [event for event in found.events if signal in (None, event.signal)]
    return [(event.floor, event.alarm, event.peak, event.end) for event in chosen]


def assert_same(course, other, rows=slice(None)):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(course, name)[rows], getattr(other, name)[rows], err_msg=name)


# Closed form


def test_a_constant_never_fires_and_its_scatter_fades():
    found = one(np.full(800, -7.25))
    course = found.courses["mean"]
    assert not found.events
    judged = np.arange(800) >= 3 * W // 2 - 1
    np.testing.assert_array_equal(course.judged, judged)
    assert set(course.value[judged]) == set(course.level[judged]) == {-7.25}
    # The first triple is there at row 3 W; it counts from W / 2 of them on.
    windows = np.maximum(np.arange(800) - 3 * W + 1, 0) / W
    windows[windows < 0.5] = 0
    np.testing.assert_allclose(course.scatter, 0.5 / np.sqrt(1 + windows))
    np.testing.assert_allclose(course.score[judged], -DEAD_ZONE / 2 / course.scatter[judged])
    np.testing.assert_allclose(course.line[judged], -7.25 + DEAD_ZONE + 2 * course.scatter[judged])


@pytest.mark.parametrize("height", [1.4, 2.0, 3.0, 30.0])
def test_a_step_fires_at_the_row_that_its_height_says(height):
    # Before row 3 W sigma is the prior 0.5; after j rows of the step v has risen by height j / 30.
    needed = int(np.ceil((DEAD_ZONE + 2.0 * 0.5) * 30 / height - 1e-9))
    u = np.where(np.arange(200) < 30, 0.0, height)
    found = one(u)
    assert found.events[0].alarm == 30 + needed - 1
    assert found.events[0].score >= 1
    assert found.events[0].statistic == "mean"
    assert found.events[0].floor == 29
    assert found.events[0].needed == pytest.approx(1.3)


def test_a_step_of_no_more_than_is_needed_never_fires():
    assert not one(np.where(np.arange(60) < 30, 0.0, 1.29)).events


def test_a_jump_fires_before_the_mean_does():
    signal = Signal(name="mean", prior=0.5, costs={"mean": 2.0, "jump": 4.0})
    found = one(np.where(np.arange(100) < 40, 0.0, 4.0), signal)
    # The mean of W // 4 = 5 values needs 0.3 + 4 * 0.5 = 2.3 of 4 decades: three rows.
    assert (found.events[0].alarm, found.events[0].statistic) == (42, "jump")


def test_what_is_far_up_in_less_than_a_third_of_the_values_is_not_in_a_trimmed_mean():
    signal = Signal(name="mean", prior=0.5, costs={"mean": 2.0}, trimmed=3)
    far = np.where(np.arange(200) // 10 == 6, 50.0, 0.0)
    assert set(one(far, signal).courses["mean"].value[29:]) == {0.0}
    # Of a step that stays, the first ten rows are left out, and each of the next is 1 of 20.
    found = one(np.where(np.arange(200) < 30, 0.0, 2.0), signal)
    assert found.events[0].alarm == 30 + 10 + 13 - 1


def test_a_smooth_ramp_has_no_scatter_and_fires_by_its_end():
    signal = Signal(name="mean", prior=0.5, costs={"mean": 2.0, "ramp": 2.0})
    u = np.maximum(np.arange(100) - 39, 0) / 4.0
    found = one(u, signal)
    # From row 49 on the last 10 values are a line: its end is u, and no scatter is taken off.
    assert found.events[0].statistic == "ramp"
    course = one(u, signal, at=np.inf).courses["mean"]
    for row in (49, 55):
        assert course.score[row] == pytest.approx((u[row] - DEAD_ZONE) / 0.5 / 2.0)


def test_an_event_ends_half_as_far_down_and_not_before_half_a_window():
    u = np.concatenate([np.zeros(40), np.full(20, 4.0), np.zeros(200)])
    found = one(u)
    (event,) = found.events
    assert (event.alarm, event.peak, event.end) == (49, 49, 60)
    course = found.courses["mean"]
    assert np.flatnonzero(course.event).tolist() == list(range(49, 61))
    # Judged again after W values of its own.
    assert not course.judged[50:80].any()
    assert course.judged[80:].all()
    short = np.concatenate([np.zeros(40), np.full(10, 4.0), np.zeros(200)])
    assert events(one(short)) == [(29, 49, 49, 59)]


def test_a_second_rise_fires_above_a_level_of_its_own():
    u = np.concatenate([np.zeros(40), np.full(20, 9.0), np.full(60, 5.0), np.full(40, 9.0)])
    found = one(u)
    assert len(found.events) == 2
    assert found.courses["mean"].level[found.events[1].alarm] == pytest.approx(5.0)
    assert found.events[1].alarm > 120


def test_neither_event_nor_what_is_before_and_after_it_teaches():
    rng = np.random.default_rng(3)
    quiet = 0.2 * rng.standard_normal(400)
    u = quiet.copy()
    u[200:260] += np.concatenate([np.linspace(0, 8, 10), np.linspace(8, 0, 50)])
    found = one(u)
    (event,) = found.events
    assert 200 < event.alarm < 215
    taught = np.ones(400, bool)
    taught[event.alarm - 3 * W // 2 + 1 : event.end + 1 + 3 * W] = False
    triples = [t for t in range(3 * W, 400) if all(taught[t - lag * W] for lag in (1, 2, 3))]
    d = [abs(u[t - 2 * W] - (u[t - W] + u[t - 3 * W]) / 2) for t in triples]
    # What was taught before the alarm stays: rows from 3 W / 2 to W before it.
    early = [t for t in range(3 * W, event.alarm + 1) if t not in triples]
    d += [abs(u[t - 2 * W] - (u[t - W] + u[t - 3 * W]) / 2) for t in early]
    own = np.quantile(d, 0.8) / (1.2815515655446004 * 1.5**0.5)
    windows = len(d) / W
    expected = np.sqrt((0.25 + windows * own**2) / (1 + windows))
    assert found.courses["mean"].scatter[-1] == pytest.approx(expected, rel=2e-3)
    assert found.courses["mean"].scatter[-1] < 0.35


def test_the_scatter_of_normal_noise_is_its_standard_deviation():
    scatter = Scatter(W, prior=0.1, prior_windows=1.0)
    u = 0.8 * np.random.default_rng(0).standard_normal(40000)
    for d in np.abs(u[W:-W] - (u[2 * W :] + u[: -2 * W]) / 2):
        scatter.add(float(d))
    assert scatter.sigma == pytest.approx(0.8, rel=0.02)


def test_the_quantile_is_that_of_all_differences():
    rng = np.random.default_rng(1)
    for scale in (0.0, 0.004, 1.0, 50.0):
        scatter, d = Scatter(1, prior=1e-9, prior_windows=1e-12), []
        for difference in np.round(scale * rng.exponential(size=300) * 1024) / 1024:
            scatter.add(float(difference))
            d.append(difference)
            expected = np.quantile(d, 0.8) / (1.2815515655446004 * 1.5**0.5)
            assert scatter.sigma == pytest.approx(expected, rel=1e-9, abs=1e-8)


# The rule in words, written again


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_the_rule_in_words(seed):
    u = busy(seed)
    found = both(u, at=0.9)
    for signal in SIGNALS:
        words = signal.prior, signal.costs, signal.trimmed
        scores, scatters, expected = naive.warnings(u[signal.name], W, 0.9, *words)
        course = found.courses[signal.name]
        np.testing.assert_allclose(course.scatter, scatters, rtol=1e-9)
        np.testing.assert_allclose(course.score, scores, rtol=1e-7, atol=1e-9)
        assert events(found, signal.name) == expected


def test_there_are_events_to_agree_on():
    found = [both(busy(seed), at=0.9) for seed in range(8)]
    assert sum(len(each.events) for each in found) > 20
    assert {event.statistic for each in found for event in each.events} == {"mean", "ramp"}


@pytest.mark.parametrize("seed", range(4))
def test_with_a_jump_it_agrees_as_well(seed):
    u = busy(seed)["shc"]
    signal = Signal(name="mean", prior=0.45, costs={"mean": 3.9, "jump": 6.0})
    scores, _, expected = naive.warnings(u, W, 0.9, signal.prior, signal.costs)
    found = one(u, signal, at=0.9)
    np.testing.assert_allclose(found.courses["mean"].score, scores, rtol=1e-7, atol=1e-9)
    assert events(found) == expected
    assert "jump" in {event.statistic for event in found.events}


# Properties


@pytest.mark.parametrize("window", [6, 7, 20, 41])
def test_rows_one_at_a_time_have_the_same_bits(window):
    u = busy(4, rows=1300)  # more than the rows that are worked out at once
    whole = both(u, at=0.9, window=window)
    rule = SelfNormalised(window, 0.9)
    rows = [rule.update({name: values[row] for name, values in u.items()}) for row in range(1300)]
    for name, course in whole.courses.items():
        for field in FIELDS:
            single = [getattr(row.signals[name], field) for row in rows]
            np.testing.assert_array_equal(single, getattr(course, field), err_msg=field)
    np.testing.assert_array_equal([row.score for row in rows], whole.score)
    assert [row.row for row in rows] == list(range(1300))
    assert [(e.signal, e.alarm) for r in rows for e in r.began] == [(e.signal, e.alarm) for e in whole.events]
    ended = {event for row in rows for event in row.ended}
    assert ended == {event for event in whole.events if event.end is not None}


@pytest.mark.parametrize("cut", [0, 1, 9, 40, 300, 511, 512, 513, 700])
def test_rows_to_come_change_nothing(cut):
    u = busy(5)
    whole, early = both(u, at=0.9), both({name: values[:cut] for name, values in u.items()}, at=0.9)
    for name, course in early.courses.items():
        assert len(course.score) == cut
        assert_same(course, whole.courses[name], slice(cut))
    known = [event for event in whole.events if event.alarm < cut]
    assert [(e.signal, e.floor, e.alarm, e.score) for e in early.events] == [
        (e.signal, e.floor, e.alarm, e.score) for e in known
    ]
    assert [e for e in early.events if e.end] == [e for e in known if e.end is not None and e.end < cut]


@pytest.mark.parametrize("offset", [-31.7, 12.0])
def test_a_change_of_unit_changes_nothing(offset):
    u = busy(6)
    plain = both(u, at=0.9)
    moved = both({name: values + offset for name, values in u.items()}, at=0.9)
    assert events(plain) == events(moved)
    np.testing.assert_allclose(moved.score, plain.score, atol=1e-9)


def test_signals_go_each_their_own_way():
    u = busy(7)
    quiet = np.zeros(900)
    apart = both({"shc": u["shc"], "mean_slope": quiet}, at=0.9)
    assert_same(apart.courses["shc"], both(u, at=0.9).courses["shc"])
    assert {event.signal for event in apart.events} == {"shc"}


@pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_neither_fires_nor_teaches(gap):
    rng = np.random.default_rng(8)
    u = 0.1 * rng.standard_normal(300)
    u[100:130] = gap
    course = one(u).courses["mean"]
    assert not course.judged[100:130].any()
    assert np.isnan(course.score[100:130]).all()
    # What repeats stood for is in no triple: the scatter stands still while it would be.
    assert len(set(course.scatter[120 + W : 130 + W])) == 1
    assert not one(u).events
    # A rise right before a gap does not fire in it, and does after it.
    u[97:100], u[130:140] = 9.0, 9.0
    assert one(u).events[0].alarm >= 130 or one(u).events[0].alarm < 100


def test_a_repeat_counts_as_the_value_before_it():
    u = np.zeros(100)
    u[40:50] = 3.0
    gap = u.copy()
    gap[44:50] = np.nan
    np.testing.assert_array_equal(
        one(u, at=9.0).courses["mean"].value[50:], one(gap, at=9.0).courses["mean"].value[50:]
    )


def test_values_count_from_the_first_finite_one():
    u = np.random.default_rng(9).standard_normal(300)
    late = np.concatenate([[np.nan] * 57, u])
    course, other = one(late).courses["mean"], one(u).courses["mean"]
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(course, name)[57:], getattr(other, name))
    assert not course.judged[:57].any()


def test_nothing_is_judged_of_nothing():
    for rows in (0, 1, 29):
        course = one(np.zeros(rows)).courses["mean"]
        assert len(course.judged) == rows
        assert not course.judged.any()
    never = both({"shc": np.full(400, np.nan), "mean_slope": np.full(400, -np.inf)})
    assert not never.events
    assert np.isnan(never.score).all()


def test_what_it_remembers_does_not_grow():
    rule = SelfNormalised(6, 1.0, [MEAN])
    rng = np.random.default_rng(10)
    for value in rng.standard_normal(3000):
        rule.update({"mean": float(value)})
    remembered = vars(rule._rules["mean"])
    assert len(remembered["_past"]) == len(remembered["_teaches"]) == 18
    assert len(vars(remembered["_scatter"])["_values"]) < 3000


# The table


def test_thresholds_of_the_table_are_met():
    for horizon, of_horizon in THRESHOLDS.items():
        for rate, value in of_horizon.items():
            assert threshold(rate, horizon) == pytest.approx(value)
    middle = (threshold(0.05, 20) + threshold(0.05, 80)) / 2
    assert threshold(0.05, 40) == pytest.approx(middle)


def test_rarer_and_longer_need_more():
    rates, horizons = np.geomspace(*RATES, 23), np.geomspace(*HORIZONS, 9)
    table = np.array([[threshold(rate, horizon) for rate in rates] for horizon in horizons])
    assert (np.diff(table, axis=1) < 0).all()
    assert (np.diff(table, axis=0) > 0).all()


@pytest.mark.parametrize(
    ("rate", "horizon", "told"),
    [
        (0.001, 20, "a false-alarm rate of 0.001; judged from 0.01 to 0.2; take false_alarms=0.05"),
        (0.5, 20, "a false-alarm rate of 0.5"),
        (np.nan, 20, "a false-alarm rate of nan"),
        (0.05, 10, "a horizon in windows of 10; judged from 20 to 80; take horizon=80"),
        (0.05, 200, "a horizon in windows of 200"),
    ],
)
def test_what_was_not_judged_is_refused(rate, horizon, told):
    with pytest.raises(ParameterError, match=told):
        threshold(rate, horizon)


def test_the_horizon_of_a_run_is_its_length_as_far_as_was_judged():
    assert [horizon_of(rows, 20) for rows in (50, 400, 1000, 1600, 90000)] == [20, 20, 50, 80, 80]


def test_arguments_that_do_not_fit_are_refused():
    with pytest.raises(
        ParameterError, match="a window of 5 rows; warnings need at least 6; choose window=20"
    ):
        SelfNormalised(5, 1.0)
    with pytest.raises(ParameterError, match="a threshold of 0; needed above 0"):
        one(np.zeros(9), at=0.0)


# Calibration, small


@pytest.mark.parametrize("tail", ["normal", "t3"])
def test_noise_alarms_no_more_often_than_is_stated(tail):
    rng = np.random.default_rng(11)
    alarmed = 0
    for _ in range(150):
        losses = rng.standard_normal((400, 16)) if tail == "normal" else rng.standard_t(3, (400, 16))
        alarmed += bool(both(log_energies_of(losses, W), at=threshold(0.05, 20)).events)
    assert alarmed <= 0.05 * 150


def test_baselines_alarm_on_noise_no_more_often_than_is_stated_and_each_on_a_rise():
    rng = np.random.default_rng(12)
    noise = [log_energies_of(rng.standard_normal((400, 16)), W) for _ in range(40)]
    # Ever faster down from row 200 on: all energies grow by ten decades.
    fall = np.exp(np.maximum(np.arange(400) - 200, 0) / 15)[:, None]
    rise = log_energies_of(rng.standard_normal((400, 16)) - 0.1 * fall, W)
    assert {baseline.name for baseline in BASELINES} < set(NAMES)
    for baseline in BASELINES:
        found = [
            watched(u, window=W, threshold=threshold(0.05, 20), signals=[baseline]) for u in (*noise, rise)
        ]
        *quiet, loud = (bool(each.events) for each in found)
        assert sum(quiet) <= 0.05 * 40
        assert loud

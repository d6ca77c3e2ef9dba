"""Whose event is it? Lifts in closed form, their draws, and what stays unresolved."""

import math

import numpy as np
import pytest

from rdmtools.analysis.lift import CLEAR_LIFT, Tops, group_lifts


def unit(*shares):
    """Loadings whose squares are these shares."""
    return np.sqrt(np.array(shares) / sum(shares))


def lifts_of(floor, alarm, peak, groups):
    """Of one event."""
    (lifts,) = group_lifts([Tops(floor=floor, alarm=alarm, peak=peak)], groups)
    return lifts


def by_group(lifts):
    return {lift.group: lift for lift in lifts}


def test_lift_is_the_share_at_the_alarm_over_that_at_the_floor():
    groups = ["loud"] * 10 + ["quiet"] * 10
    floor, alarm, peak = (
        unit(*[loud] * 10, *[quiet] * 10) for loud, quiet in ((0.099, 0.001), (0.08, 0.02), (0, 0.1))
    )
    lifts = by_group(lifts_of(floor, alarm, peak, groups))
    assert lifts["quiet"].lift == pytest.approx((0.2 + 1e-3) / (0.01 + 1e-3))
    assert lifts["loud"].lift == pytest.approx((0.8 + 1e-3) / (0.99 + 1e-3))
    assert (lifts["quiet"].rank, lifts["loud"].rank) == (1, 2)
    assert (lifts["quiet"].sample_share, lifts["quiet"].samples) == (0.5, 10)
    assert (lifts["quiet"].floor_share, lifts["quiet"].alarm_share) == pytest.approx((0.01, 0.2))
    assert (lifts["quiet"].peak_share, lifts["loud"].peak_share) == pytest.approx((1, 0))
    assert lifts["quiet"].resolved  # though the loud one has most of the mode
    assert not lifts["loud"].resolved


def test_alike_samples_leave_no_doubt_and_the_margin_is_the_log_ratio():
    groups = ["a"] * 5 + ["b"] * 7
    floor = np.concatenate([np.full(5, 0.1), np.full(7, 1.0)])
    alarm = np.concatenate([np.full(5, 1.0), np.full(7, 1.0)])
    lifts = by_group(lifts_of(floor, alarm, alarm, groups))
    assert lifts["a"].margin == pytest.approx(math.log(lifts["a"].lift / lifts["b"].lift))
    assert lifts["b"].margin == pytest.approx(-lifts["a"].margin)


def test_one_sample_that_makes_a_groups_lift_leaves_it_unresolved():
    rng = np.random.default_rng(0)
    groups = ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    floor = rng.uniform(0.9, 1.1, 30)
    alarm = floor.copy()
    alarm[3] = 4.0
    lifts = by_group(lifts_of(floor, alarm, alarm, groups))
    assert lifts["a"].rank == 1
    assert lifts["a"].lift > CLEAR_LIFT * max(lifts["b"].lift, lifts["c"].lift)
    assert not any(lift.resolved for lift in lifts.values())
    alarm[:10] = 4.0
    assert by_group(lifts_of(floor, alarm, alarm, groups))["a"].resolved


def test_a_lift_below_a_quarter_more_than_the_runner_up_is_unresolved():
    groups = ["a"] * 6 + ["b"] * 6
    for ratio, resolved in ((1.2, False), (1.4, True)):
        alarm = np.sqrt(np.repeat([ratio, 1.0], 6))
        lifts = by_group(lifts_of(np.ones(12), alarm, alarm, groups))
        assert lifts["a"].margin > 0
        assert lifts["a"].resolved is resolved


@pytest.mark.parametrize(("share", "resolved"), [(0.3, False), (0.8, True)])
def test_a_group_of_one_sample_needs_most_of_the_mode(share, resolved):
    groups = ["alone"] + ["others"] * 9
    alarm = unit(share, *[(1 - share) / 9] * 9)
    lifts = by_group(lifts_of(unit(0.01, *[0.11] * 9), alarm, alarm, groups))
    assert lifts["alone"].rank == 1
    assert lifts["alone"].lift > CLEAR_LIFT
    assert lifts["alone"].resolved is resolved


def test_a_floor_without_a_mode_counts_as_if_all_moved_alike():
    groups = ["a", "b", "b", "b"]
    lifts = by_group(lifts_of(np.zeros(4), unit(0.1, 0.3, 0.3, 0.3), np.zeros(4), groups))
    assert lifts["a"].floor_share == pytest.approx(0.25)
    assert lifts["a"].lift == pytest.approx(0.101 / 0.251)
    assert lifts["b"].peak_share == pytest.approx(0.75)


def test_a_sole_group_is_never_resolved():
    (lift,) = lifts_of(np.ones(3), np.ones(3), np.ones(3), ["all"] * 3)
    assert (lift.lift, lift.rank, lift.resolved) == (1.0, 1, False)
    assert math.isnan(lift.margin)


def test_one_sample():
    (lift,) = lifts_of(np.ones(1), np.ones(1), np.ones(1), ["a"])
    assert (lift.samples, lift.resolved) == (1, False)


def test_the_peak_decides_nothing():
    rng = np.random.default_rng(2)
    groups = rng.choice(["a", "b", "c"], 40).tolist()
    floor, alarm, peak = rng.standard_normal((3, 40))
    for one, other in zip(
        lifts_of(floor, alarm, peak, groups), lifts_of(floor, alarm, 0 * peak, groups), strict=True
    ):
        assert (one.lift, one.margin, one.rank, one.resolved) == (
            other.lift,
            other.margin,
            other.rank,
            other.resolved,
        )


def test_scale_and_sign_of_a_mode_change_nothing():
    rng = np.random.default_rng(3)
    groups = rng.choice(["a", "b", "c"], 40).tolist()
    floor, alarm = rng.standard_normal((2, 40))
    for one, other in zip(
        lifts_of(floor, alarm, alarm, groups),
        lifts_of(-3 * floor, 2 * alarm, alarm, groups),
        strict=True,
    ):
        assert one.lift == pytest.approx(other.lift, rel=1e-12)
        assert one.margin == pytest.approx(other.margin, rel=1e-9)


def test_the_order_of_samples_changes_no_lift_and_no_answer():
    rng = np.random.default_rng(4)
    groups = np.array(["a"] * 12 + ["b"] * 25 + ["c"] * 3)
    floor = rng.standard_normal(40)
    alarm = np.where(groups == "b", 5.0, 1.0) * floor
    order = rng.permutation(40)
    here = by_group(lifts_of(floor, alarm, alarm, groups.tolist()))
    there = by_group(lifts_of(floor[order], alarm[order], alarm, groups[order].tolist()))
    for name, lift in here.items():
        assert lift.lift == pytest.approx(there[name].lift, rel=1e-12)
        assert (lift.rank, lift.resolved) == (there[name].rank, there[name].resolved)


@pytest.mark.parametrize("sizes", [(4, 4, 4), (3, 5, 40), (2, 2, 2, 2, 30)])
def test_groups_that_nothing_tells_apart_are_seldom_resolved(sizes):
    """At the floor the mode is noise, at the alarm all move alike: some group had little by chance."""
    groups = np.repeat(np.arange(len(sizes)), sizes).astype(str).tolist()
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        floor, alarm = rng.standard_normal(len(groups)), rng.uniform(0.8, 1.2, len(groups))
        wrong += any(lift.resolved for lift in lifts_of(floor, alarm, alarm, groups))
    assert wrong <= 3


def test_few_samples_of_few_leave_a_group_unresolved():
    groups = ["a"] * 3 + ["b"] * 3
    floor, alarm = np.repeat([0.1, 1.0], 3), np.ones(6)
    assert not any(lift.resolved for lift in lifts_of(floor, alarm, alarm, groups))  # 1 in 10 by chance
    more = lifts_of(np.tile(floor, 3), np.ones(18), np.ones(18), 3 * groups)
    assert [lift.group for lift in more if lift.resolved] == ["a"]


def test_one_sample_with_most_of_the_mode_does_not_stand_in_the_way_of_its_group():
    groups = ["a"] * 6 + ["b"] * 12
    floor = np.concatenate([np.full(6, 0.01), np.ones(12)])
    alarm = np.concatenate([[8.0], np.full(5, 0.5), np.ones(12)])
    lifts = by_group(lifts_of(floor, alarm, alarm, groups))
    assert lifts["a"].resolved


def test_many_samples_and_groups():
    rng = np.random.default_rng(5)
    groups = (rng.permutation(30_000) % 9_000).astype(str).tolist()
    floor = rng.standard_normal(30_000)
    alarm = floor * np.array([4.0 if group == "7" else 1.0 for group in groups])
    lifts = lifts_of(floor, alarm, alarm, groups)
    assert len(lifts) == 9_000
    assert sorted(lift.rank for lift in lifts) == list(range(1, 9_001))


def test_events_together_have_the_lifts_of_each_alone():
    rng = np.random.default_rng(4)
    groups = ["a"] * 9 + ["b"] * 11 + ["c"]
    events = [
        (rng.uniform(0.8, 1.2, 21), np.repeat([1.0, size, 1.0], [9, 11, 1]), rng.standard_normal(21))
        for size in (0.1, 1.0, 30.0)
    ]
    together = group_lifts([Tops(floor=f, alarm=a, peak=p) for f, a, p in events], groups)

    assert together == [lifts_of(*event, groups) for event in events]
    assert [any(lift.resolved for lift in lifts) for lifts in together] == [False, False, True]

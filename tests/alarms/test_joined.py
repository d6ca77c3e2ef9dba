"""Which alarms are one event: those within 2 W rows of its first."""

from rdmtools.alarms.joined import joined
from rdmtools.alarms.one_signal import Warned


def warned(signal, alarm, end):
    return Warned(
        signal=signal,
        statistic="mean",
        floor=alarm - 30,
        alarm=alarm,
        peak=alarm,
        end=end,
        score=1.2,
        scatter=0.4,
        needed=2.0,
    )


def members(*alarms, window=20):
    return [[each.signal for each in event.warned] for event in joined(alarms, window)]


def test_alarms_close_together_are_one_event_that_is_over_with_its_last_signal():
    (event,) = joined([warned("shc", 100, 150), warned("mean_slope", 140, 170)], 20)
    assert (event.alarm, event.floor, event.end) == (100, 70, 170)
    (event,) = joined([warned("shc", 100, 150), warned("mean_slope", 140, None)], 20)
    assert event.end is None


def test_an_alarm_long_after_the_first_is_another_event_even_while_that_lasts():
    assert members(warned("shc", 100, 300), warned("mean_slope", 141, 170)) == [["shc"], ["mean_slope"]]


def test_an_alarm_soon_after_the_end_is_of_the_same_change():
    assert members(warned("mean_slope", 100, 120), warned("shc", 125, 170)) == [["mean_slope", "shc"]]


def test_events_do_not_chain():
    """The third is near the second alarm, and too far from the first."""
    chain = warned("shc", 100, 300), warned("mean_slope", 130, 150), warned("mean_slope", 165, 190)
    assert members(*chain) == [["shc", "mean_slope"], ["mean_slope"]]

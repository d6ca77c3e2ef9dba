"""Who was first, in words."""

from rdmtools.analysis.tables import typed
from rdmtools.results.arrival_words import arrivals_told


def table(*rows, event=None):
    names = ("group", "half_step", "loss_change", "outcome")
    return typed(
        "arrivals",
        [
            {"event": event, "samples": 3, "low_step": 90, "high_step": 1110}
            | dict(zip(names, row, strict=True))
            for row in rows
        ],
    )


def test_the_first_and_those_after_it_are_named():
    found = table(("b", 2000, -1.0, "later"), ("a", 1000, -2.0, "first"), ("a", 3000, 1.0, "later"))
    line = (
        "Half-way first in its fall was “a” at step 1,000 (90 to 1,110); "
        "then “b” at 2,000 and “a” (rising) at 3,000."
    )
    assert arrivals_told(found) == [line]


def test_who_cannot_be_told_apart_is_said():
    found = table(("b", 1010, -1.0, "unresolved"), ("a", 1000, 2.0, "unresolved"), ("c", 2000, 1.0, "later"))
    line = "Who was half-way first is unresolved between “a” and “b”, about step 1,000."
    assert arrivals_told(found) == [line]


def test_many_are_counted():
    found = table(("a", 1, 1.0, "first"), *((f"g{k}", 10 + k, 1.0, "later") for k in range(9)))
    assert arrivals_told(found)[0].endswith("“g0” at 10, “g1” at 11, “g2” at 12, “g3” at 13 and 5 more.")


def test_one_group_or_an_event_alone_says_nothing():
    assert arrivals_told(table(("a", 1, 1.0, "first"), ("b", 2, 0.01, "hardly moved"))) == []
    around = table(("a", 1, 1.0, "first"), ("b", 2, 1.0, "later"), event=1)
    assert arrivals_told(around) == []
    assert arrivals_told(table()) == []

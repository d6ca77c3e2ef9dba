"""What does `rdmtools analyze` print of a run? What its page says first, each thing once.

Its line, the sentence, what limits it, a card per change (the first three in full, then a table), what became
of the probe. Every number else is in the tables.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rdmtools.results.cards import Card, Line
from rdmtools.results.first_words import FirstWords
from rdmtools.results.words import shown
from rdmtools.run.quality import counted
from rdmtools_cli import console
from rdmtools_cli.in_flags import in_flags

_IN_FULL, _MOST = 3, 24
_NARROWEST = 12
_RATE = "False alarms"


def print_run(summary: Mapping[str, Any], words: FirstWords, tell_notes: Callable[[], None]) -> None:
    """The run of a summary, in the words kept beside it; its notes stand beneath its line."""
    run, settings = summary["run"], summary["settings"]
    windows = ", ".join(map(str, settings["windows"]))
    detrend = "" if settings["detrend"] == "constant" else f", {settings['detrend']} detrending"
    console.print_line(
        (shown(run["name"]), "bold"),
        f"  {counted(run['rows'], 'row')} × {counted(run['samples'], 'sample')}, steps {run['first_step']:,} "
        f"to {run['last_step']:,} · window {windows} rows{detrend}",
        hanging=2,
    )
    tell_notes()
    console.print_text(words.headline if words.cards else in_flags(words.headline), "bold")
    for line in words.before:
        console.print_line(in_flags(line), hanging=2)
    _print_cards(words.cards, summary["events"])
    for line in words.after:
        console.print_line(in_flags(line), hanging=2)


def _print_cards(cards: Sequence[Card], events: Sequence[Mapping[str, Any]]) -> None:
    first, others = cards[:_IN_FULL], cards[_IN_FULL:_MOST]
    shared = _shared(first)
    for card in first:
        console.print_line((card.title, "bold"))
        console.print_line(card.lead, indent=2, hanging=2)
        for line in card.lines:
            if line not in shared:
                console.print_line((f"{line.about}: ", "dim"), line.words, indent=2, hanging=2)
    for line in shared:
        console.print_line((f"{line.about}, of each: ", "dim"), line.words, hanging=2)
    if others:
        by_number = {event["event"]: event for event in events}
        _print_further(others, [by_number.get(card.event, {}) for card in others])
    if len(cards) > _MOST:
        console.print_text(f"{counted(len(cards) - _MOST, 'more change')} in events.parquet", "dim")


def _shared(cards: Sequence[Card]) -> list[Line]:
    """The rate, where the card of every alarm would repeat it."""
    rates = [[line for line in card.lines if line.about == _RATE] for card in cards if card.lines]
    return rates[0] if len(rates) > 1 and all(rate == rates[0] for rate in rates) else []


def _print_further(cards: Sequence[Card], events: Sequence[Mapping[str, Any]]) -> None:
    """A line a change: its alarm, how early that was, who moved, how."""
    console.print_text(f"{counted(len(cards), 'further change')}:")
    groups = [shown(event.get("top_group") or event.get("group_status"), 40) or "–" for event in events]
    leads = ["–" if card.title.startswith("Alarm at step") else card.title for card in cards]
    steps = ["–" if card.step is None else f"{card.step:,}" for card in cards]
    console.print_table(
        [
            console.Column("step", steps, right=True),
            *([console.Column("lead", leads)] if {*leads} != {"–"} else []),
            console.Column("group", groups, narrowest=_NARROWEST),
            console.Column("kind", [event.get("kind") or "no alarm" for event in events]),
        ]
    )

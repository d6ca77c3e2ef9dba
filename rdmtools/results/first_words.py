"""What does a terminal print of a run? What the page says first: the sentence, the cards, what limits them.

Kept in cards.json beside the tables, so that a run which has not changed is told again without its losses.
The page stands on `cards` itself; what it draws, a terminal says in the lines before and after the cards.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rdmtools.analysis.findings import Findings
from rdmtools.format.names import CARDS_FILE
from rdmtools.results.cards import Card, Line, cards, headline, truth_wanted
from rdmtools.results.control_words import control_lines
from rdmtools.results.folder import read_json, write_json
from rdmtools.results.ledger_words import early_lines, ledger_lines
from rdmtools.results.plain import plain
from rdmtools.results.reference_words import rank_lines
from rdmtools.results.verdict import ENOUGH_ROWS, verdict
from rdmtools.results.warning_words import outside_lines, short_lines
from rdmtools.run.quality import counted

_LEDGER_TOLD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstWords:
    """What is said of a run, each thing once."""

    headline: str
    before: tuple[str, ...]
    """What limits the sentence: what could not be judged, what is to be named."""
    cards: tuple[Card, ...]
    after: tuple[str, ...]
    """What became of the probe, the rank among reference runs, and what the control did."""


def first_words(findings: Findings) -> FirstWords:
    """The words that stand first, of one run."""
    sentence, short = headline(findings), short_lines(findings)
    before = [truth_wanted(findings)]
    if short and sentence.startswith("Too short to judge"):  # the same, and what to do about it
        sentence, *short = short
    elif findings.events.empty and findings.judged["largest_score"].isna().all():
        before.append(verdict(findings).split("\n")[0])  # why there is nothing to judge
    before += [*short, *outside_lines(findings), *early_lines(findings)]
    rows = findings.run.shape[0]
    if findings.events.empty and rows < ENOUGH_ROWS:
        before.append(
            f"Only {counted(rows, 'row')}: a transition shows once about {ENOUGH_ROWS} came before it."
        )
    return FirstWords(
        headline=sentence,
        before=tuple(line for line in before if line),
        cards=tuple(cards(findings)),
        after=(
            *ledger_lines(findings)[:_LEDGER_TOLD],
            *rank_lines(findings),
            *control_lines(findings),
        ),
    )


def write_first_words(findings: Findings, place: Path) -> None:
    """Write them into the folder `place`."""
    write_json(place / CARDS_FILE, plain(asdict(first_words(findings))))


def read_first_words(folder: Path) -> FirstWords:
    """Those that lie in `folder`. Raises OSError, or ValueError with what is wrong in them."""
    found = read_json(folder / CARDS_FILE)
    try:
        return FirstWords(
            headline=_text(found["headline"]),
            before=_texts(found["before"]),
            cards=tuple(map(_card, found["cards"])),
            after=_texts(found["after"]),
        )
    except (LookupError, TypeError) as error:
        raise ValueError(f"{CARDS_FILE} does not hold what is said of a run ({error})") from error


def _card(found: Mapping[str, Any]) -> Card:
    return Card(
        title=_text(found["title"]),
        lead=_text(found["lead"]),
        lines=tuple(Line(about=_text(line["about"]), words=_text(line["words"])) for line in found["lines"]),
        event=_count(found["event"]),
        step=_count(found["step"]),
        alarmed=found["alarmed"] is True,
    )


def _texts(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise TypeError(f"{type(found).__name__}, not a list")
    return tuple(map(_text, found))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError(f"{type(found).__name__}, not a text")
    return found


def _count(found: Any) -> int | None:
    if found is not None and type(found) is not int:
        raise TypeError(f"{type(found).__name__}, not a number")
    return found

"""What did it take to make a run clean? Counts of what was dropped, replaced or trusted."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What was dropped, replaced or trusted while a run was read: counts, all 0 and False for a clean run."""

    duplicates: int = 0
    """Rows left out because their (step, sample) came again."""
    duplicates_replaced: int = 0
    """Those among them whose loss differed from the one kept."""
    order_trusted: bool = False
    """Whether "the last row" decided between different losses, so that the order of the file mattered."""
    superseded_rows: int = 0
    """Rows (step, sample) left out because a later attempt starts at or before their step."""
    missing: int = 0
    """Pairs (step, sample) without a loss, all of them among the dropped samples or steps."""
    nonfinite: int = 0
    """Losses that are NaN or inf, all of them among the dropped samples or steps."""
    dropped_samples: int = 0
    dropped_steps: int = 0
    unused_samples: int = 0
    """Samples that samples.parquet describes and the losses lack."""
    restarts: int = 0
    """Times that steps fall back, as where a training starts again; all rows were kept."""
    bytes_left: int = 0
    """Bytes of the journal after its first bad record: a write that a crash cut short."""
    refused: int = 0
    """Calls that the logger did not accept while the run was recorded."""
    out_of_reach: int = 0
    """Journals whose rows lie, in part, on another machine."""
    guesses: tuple[str, ...] = ()
    """What columns and names were taken for, or left out, in words."""
    unchecked: int = field(default=0, compare=False)
    """Parquet files of losses whose pages carry no checksums. That tells of the files, as most people's are,
    and not of what is in them, so a run may be clean all the same; those in a store are not looked at."""

    def notes(self) -> list[str]:
        """One plain sentence per finding; empty for a clean run."""
        found = (
            (self.duplicates, "row", "left out {} that came twice"),
            (self.duplicates_replaced, "row", "{} among them had another loss than the one kept, the last"),
            (self.order_trusted, "", "trusted the order of the file to tell which row came last"),
            (self.superseded_rows, "row", "left out {} that a later attempt superseded"),
            (
                self.restarts,
                "time",
                "saw steps fall back {}, as where a training starts again; no start supersedes another "
                '(restarts="keep"; "supersede" lets the later ones)',
            ),
            (self.missing, "pair", "found no loss for {} of step and sample"),
            (self.nonfinite, "loss", "found {} not finite"),
            (self.dropped_samples, "sample", "dropped {}"),
            (self.dropped_steps, "step", "dropped {}"),
            (self.unused_samples, "sample", "ignored {} described in samples.parquet but without losses"),
            (self.bytes_left, "byte", "could not read the last {} of the journal"),
            (self.out_of_reach, "journal", "lacks what {} may still hold on the machine that wrote it"),
            (self.refused, "call", "lacks what {} to the logger held, which it refused"),
        )
        told = [sentence.format(counted(count, noun)) for count, noun, sentence in found if count]
        return [*self.guesses, *told]

    def checksums(self) -> str:
        """What cannot be verified, in one plain sentence; empty where all was, or nobody looked."""
        if not self.unchecked:
            return ""
        files = counted(self.unchecked, "file")
        return (
            f"none in the pages of {files}: a flipped bit would pass; rdmtools convert writes a run with them"
        )

    def __add__(self, other: "Quality") -> "Quality":
        more = asdict(other)
        return Quality(**{name: type(value)(value + more[name]) for name, value in asdict(self).items()})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def counted(count: int, noun: str) -> str:
    """``counted(2, "loss")`` is "2 losses"."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{count:,} {noun if count == 1 else plural}"

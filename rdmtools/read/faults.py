"""What is wrong with a run, all of it? Each fault that a rule can pass over is passed over, to see the next.

read -> a fault -> another rule for it -> read again -> ... -> the run that is left, or a fault no rule mends
"""

from dataclasses import replace
from pathlib import Path

from rdmtools.errors import FormatError, RdmtoolsError
from rdmtools.format.damage import damaged_groups
from rdmtools.format.names import LOSSES_SUFFIX
from rdmtools.read.read import read
from rdmtools.read.stores import Location
from rdmtools.run.dirt import DirtyError
from rdmtools.run.progress import Progress
from rdmtools.run.rules import Rules
from rdmtools.run.run import Run

# What is tried instead, in this order.
_INSTEAD = {
    "missing": ("drop-steps", "drop-samples"),
    "nonfinite": ("drop-steps", "drop-samples"),
    "duplicates": ("last",),
}


def examined(
    path: Location, rules: Rules, *, name: str | None = None, progress: Progress | None = None
) -> tuple[Run | None, list[RdmtoolsError]]:
    """What can be read of a run in spite of its faults, None if nothing; and every fault that was found."""
    faults: list[RdmtoolsError] = []
    tried: dict[str, int] = {}
    while True:
        try:
            return read(path, rules, name=name, progress=progress), faults
        except RdmtoolsError as error:
            option = _option(error)
            if option is None or option not in tried:
                faults.append(error)
            if option is None:
                return None, faults + _damaged(path)
            chosen = tried.get(option, 0)
            if chosen == len(_INSTEAD[option]):
                return None, faults
            tried[option] = chosen + 1
            rules = replace(rules, **{option: _INSTEAD[option][chosen]})


def _option(error: BaseException | None) -> str | None:
    """The option that passes over what an error tells; None where none does."""
    while error is not None and not isinstance(error, DirtyError):
        error = error.__cause__
    return None if error is None else error.option


def _damaged(path: Location) -> list[RdmtoolsError]:
    """All row groups that do not read, of a file in which some do."""
    if not isinstance(path, Path) or path.suffix != LOSSES_SUFFIX or not path.is_file():
        return []
    damaged, count = damaged_groups(path)
    if len(damaged) < 2:
        return []
    listed = ", ".join(map(str, damaged))
    said = f"row groups {listed} of {count}, counted from 0, do not read"
    return [FormatError(f"{path}: {said}; needed all of them; write or copy the file again")]

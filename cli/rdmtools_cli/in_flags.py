"""How does a message of the library read on the command line? With flags, ``--missing drop-steps``.

Messages speak Python, ``missing="drop-steps"``, wherever they are made; here alone they are put into flags.
"""

import json
import re
import shlex
from dataclasses import fields

from rdmtools.analysis.settings import AnalysisSettings, flags
from rdmtools.run.rules import Rules

# Arguments that are no fields of settings or rules.
_OTHERS = {
    "layout": "--layout",
    "target": "--out",
    "overwrite": "--overwrite",
    "window": "--window",
    "reference": "--reference",
    "webhook": "--webhook",
    "figures": "--figures",
    "control": "--control",
}
_FLAGS = {each.name: flags(each)[0] for kind in (AnalysisSettings, Rules) for each in fields(kind)} | _OTHERS
_ONE = r"\"[^\"]*\"|'[^']*'|\{[^}]*\}|\([^)]*\)|[\w.+-]+"
_ARGUMENT = re.compile(
    rf"(?<![\w.=\-])({'|'.join(sorted(_FLAGS, key=len, reverse=True))})=((?:{_ONE})(?: or (?:{_ONE}))*)"
)
_VALUE = re.compile(_ONE)


_SAVE = re.compile(r'\bsave\("([^"]*)"\)')


def in_flags(message: str) -> str:
    """The message with each argument that a command takes as its flag, to be pasted into a shell."""
    message = _SAVE.sub(lambda found: f"--out {_quoted(found[1])}", message)
    return _ARGUMENT.sub(lambda found: _as_flag(_FLAGS[found[1]], found[2]), message)


def _as_flag(flag: str, values: str) -> str:
    if values in ("True", "False"):
        return flag
    if values.startswith("("):
        return " ".join(f"{flag} {one}" for one in re.findall(r"[\w.+-]+", values))
    return f"{flag} {_VALUE.sub(lambda found: found[0] if found[0] == 'or' else _word(found[0]), values)}"


def _word(value: str) -> str:
    """One value, as a shell takes it."""
    if value.startswith("{"):
        try:
            pairs: dict[str, str] = json.loads(value)
        except ValueError:
            return value
        return _quoted(",".join(f"{ours}={theirs}" for ours, theirs in pairs.items()))
    return _quoted(value.strip("\"'"))


def _quoted(word: str) -> str:
    return word if "…" in word else shlex.quote(word)  # which stands for what only the user knows

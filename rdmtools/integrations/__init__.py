"""What prepares losses for the logger: choosing a probe set, and evaluating it in a framework.

Public names load on first use. A framework is imported by the module that bears its name, and by no other.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdmtools.probe.choose import ProbeSet, probe_set

_HOMES = {
    "ProbeSet": "rdmtools.probe.choose",
    "probe_set": "rdmtools.probe.choose",
}

__all__ = ["ProbeSet", "probe_set"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rdmtools.integrations' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

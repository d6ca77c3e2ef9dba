"""What prepares losses for the logger: choosing a probe set, and evaluating it in a framework.

A framework is imported by the module that bears its name, and by no other.
"""

from rdmtools.probe.choose import ProbeSet, probe_set

__all__ = ["ProbeSet", "probe_set"]


def __dir__() -> list[str]:
    return __all__

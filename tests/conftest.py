"""How the tests run everywhere: shapes in annotations are checked, no test is timed, and all cores work.

`pytest` shares out all tests, `pytest tests/run` those of a folder. Files and tests that are named, or chosen
by -k, -m or --lf, run in this one process, as everything does with -n0; -n4 is four whatever is asked for.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# Not `analysis.pipeline`: what users hand to it, it checks itself.
ROOMS = [f"rdmtools.analysis.{name}" for name in ("gram", "observables", "modes", "events")]
ROOMS += ["rdmtools.alarms.rule"]
ROOMS += [f"rdmtools.evaluation.{name}" for name in ("judging", "observed", "roc", "signals")]
_HOOK = install_import_hook(ROOMS, "beartype.beartype")

# A deadline, or a limit on the time to draw examples, would fail on a busy machine and on no other. In CI the
# examples are the same each time, so that a change is judged by what it changed; elsewhere they are new.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """As many processes as this one may use cores; none where a process would cost more than it saves."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None  # xdist does as it says
    chosen = any(config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "stepwise"))
    named = config.option.file_or_dir
    if chosen or (named and not any(map(os.path.isdir, named))):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if cores > 1 else 0

"""How the tests run everywhere: shapes in annotations are checked, and no test is timed."""

import os

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

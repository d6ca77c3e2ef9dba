"""How the tests run everywhere: shapes in annotations are checked, and no test is timed."""

from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

_HOOK = install_import_hook("rdmtools.analysis", "beartype.beartype")

# A deadline, or a limit on the time to draw examples, would fail on a busy machine and on no other.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

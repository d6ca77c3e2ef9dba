"""How high do runs score in which nothing happens? A table, of small settings that were trained to see it.

`quiet_runs.json` is made of a corpus by `python benchmarks/quiet_runs.py FOLDER...`: of each run of kind
"quiet" its highest score, never armed again, by window length and setting. How many of them score as much is
no rate of any other setting.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from rdmtools.alarms.ranks import RULE

FILE = "quiet_runs.json"


def quiet_runs(window: int) -> dict[str, list[float]]:
    """Highest scores with windows of that many rows, by setting; empty where there are none."""
    found = _table()
    return found["windows"].get(str(window), {}) if found["rule"] == RULE else {}


@cache
def _table() -> dict[str, Any]:
    return json.loads(files("rdmtools.results").joinpath(FILE).read_text(encoding="utf-8"))

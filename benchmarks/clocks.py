"""Where does the time of `read_run` and `analyze` go, and how much memory do they take at most?

    python benchmarks/clocks.py run.parquet [window]

For a run in a canonical Parquet file. Prints JSON: seconds of the two together and of each part, and the peak
in bytes of this process (Linux alone: what getrusage tells there may include the process that started this
one). Each part has a clock around the function that does it, which stops while another clock runs.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from time import perf_counter
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import rdmtools
from rdmtools.analysis import findings, spans
from rdmtools.format import read_table
from rdmtools.read import read, tables
from rdmtools.run import losses

spent: defaultdict[str, float] = defaultdict(float)
_within: list[float] = []


def clock(home: Any, name: str, part: Callable[..., str]) -> None:
    """Count the time inside `home.name`, less that of other clocks, towards a part."""
    inner = getattr(home, name)

    def outer(*args: Any, **options: Any) -> Any:
        _within.append(0.0)
        begin = perf_counter()
        try:
            return inner(*args, **options)
        finally:
            took = perf_counter() - begin
            spent[part(*args)] += took - _within.pop()
            if _within:
                _within[-1] += took

    setattr(home, name, outer)


def peak_bytes() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def main(path: str, window: int = 20) -> None:
    phase = "opening"

    def decoded(_: Any, columns: Any = None, *rest: Any) -> str:
        return f"{phase}: {'losses' if 'loss' in (columns or ()) else 'steps and ids'} decoded"

    clock(read_table.ParquetPart, "read", decoded)
    clock(losses.StoredLosses, "read", lambda *_: f"{phase}: losses put together")
    clock(tables, "whole_steps", lambda *_: "opening: order verified")
    clock(read, "finite_part", lambda *_: "opening: losses found finite")
    clock(spans, "row_geometry", lambda *_: "analysis: distances of rows")
    clock(findings, "span_values", lambda *_: "analysis: sums over windows")
    begin = perf_counter()
    run = rdmtools.read_run(path)
    phase = "analysis"
    rdmtools.analyze(run, window=window)
    whole = perf_counter() - begin
    rest = {"the rest": whole - sum(spent.values())}
    print(json.dumps({"seconds": whole, "peak_bytes": peak_bytes(), "parts": {**spent, **rest}}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

"""How fast is the analysis? All its benchmarks, one after another, as the one table of docs/speed.md.

    pip install ewstools deeptime                # optional peers
    python benchmarks/speed.py [--write]         # about five minutes, 2 GB of disk, Linux

Prints each benchmark's times and then the table; `--write` puts that between the markers in docs/speed.md.
Leave the machine to it: the load averages that it tells should stay near 1.
"""

import argparse
import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy

import engine
import numpy as np
import out_of_core
import peers
import scaling
import windows
from threadpoolctl import threadpool_info
from turns import Figure

PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
LIBRARIES = ("numpy", "pandas", "pyarrow", *peers.OPTIONAL)


def processor() -> str:
    """The model's name, where the system tells it."""
    with suppress(OSError, StopIteration), open("/proc/cpuinfo") as file:
        return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    return platform.processor() or platform.machine()


def blas() -> str:
    """What multiplies for NumPy."""
    folder = Path(np.__file__).parent.name
    for each in threadpool_info():
        if each["user_api"] == "blas" and folder in each["filepath"]:
            kind = each.get("architecture", "")
            return f"{each['internal_api']} {each['version']}" + (f" ({kind})" if kind else "")
    return "an unknown BLAS"


def where(loads: Iterable[float]) -> str:
    """Machine and versions, in a paragraph."""
    versions = [f"{name} {peers.peer_version(name)}" for name in LIBRARIES]
    return (
        f"{processor()}, {os.cpu_count()} cores, {platform.system()}; Python {platform.python_version()}, "
        f"{', '.join(versions)}; {blas()}. Load average before each benchmark and at the end: "
        f"{', '.join(f'{load:.1f}' for load in loads)}."
    )


def accuracy() -> str:
    found = [
        f"`{name}` {errors['observable']:.0e} (eigenvalues {errors['eigenvalue']:.0e})"
        for name, errors in windows.hardest().items()
    ]
    return f"In the same run, worst relative error on 50-digit references: {'; '.join(found)}."


def table(figures: Iterable[Figure]) -> str:
    """Markdown, one line a figure; a size is named once."""
    lines = ["| size | ours | beside | median (least to most) | aim |", "|---|---|---|---|---|"]
    size = ""
    for figure in figures:
        shown = "" if figure.size == size else figure.size
        size = figure.size
        lines.append(f"| {shown} | {figure.what} | {figure.beside} | {figure.found} | {figure.aim} |")
    return "\n".join(lines)


def written(page: str, text: str) -> str:
    """The page with what is between the markers replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    write = parser.parse_args().write
    found: list[Figure] = []
    loads = [os.getloadavg()[0]]
    for benchmark in (windows, engine, peers, scaling, out_of_core):
        for figure in benchmark.figures():
            print(figure)
            found.append(figure)
        loads.append(os.getloadavg()[0])
    text = "\n\n".join([where(loads), table(found), accuracy()])
    print(f"\n{text}")
    if write:
        PAGE.write_text(written(PAGE.read_text(), text))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()

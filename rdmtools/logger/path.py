"""Where may a run be logged? In a local file whose name says what it is."""

import os
from pathlib import Path

from rdmtools.errors import ParameterError
from rdmtools.format.names import LOSSES_SUFFIX


def run_file(path: str | os.PathLike[str]) -> Path:
    """`path`, absolute. Raises ParameterError where it is no local name that ends in ``.parquet``."""
    text = os.fspath(path)
    if "://" in text:
        raise ParameterError(
            f"path is {text!r}, on another machine; needed a local file name: "
            "log here, and copy the run there after close()"
        )
    if not text.endswith(LOSSES_SUFFIX) or Path(text).expanduser().is_dir():
        raise ParameterError(
            f"path is {text!r}; needed a local file name such as 'runs/seed0{LOSSES_SUFFIX}'"
        )
    return Path(text).expanduser().absolute()  # the training may change its folder before close()

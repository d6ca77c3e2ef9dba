"""Reading as a user does: what came of it and what was said, or the one line of its refusal."""

import warnings

import pytest

from rdmtools.errors import FormatError
from rdmtools.read.read import read_run


def read(path, **options):
    """The run, and what was warned of, without the path."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run = read_run(path, **options)
    return run, [str(each.message).removeprefix(f"{path}: ") for each in said]


def refused(path, **options):
    """The one line that is said instead."""
    with pytest.raises(FormatError) as error:
        read(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)

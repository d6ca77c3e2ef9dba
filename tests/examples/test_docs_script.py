"""The script that fills docs/does_it_work.md keeps its page, and rises as the rule sees them."""

import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import does_it_work

    yield does_it_work
    del sys.modules["does_it_work"]


def test_a_zero_sets_no_floor_to_rise_from(script):
    rises = script.rise(np.array([1.0, 0.0, 10.0, 0.1, 100.0]))
    np.testing.assert_allclose(rises, [0, np.nan, 1, 0, 3])


def test_only_what_is_between_the_markers_is_replaced(script):
    page = "a – b\n<!-- runs: begin -->\nold\n<!-- runs: end -->\nafter"
    new = "a – b\n<!-- runs: begin -->\n\nnew\n\n<!-- runs: end -->\nafter"
    assert script.written(page, "runs", "new") == new
    with pytest.raises(SystemExit, match="no markers <!-- other: begin -->"):
        script.written(page, "other", "new")

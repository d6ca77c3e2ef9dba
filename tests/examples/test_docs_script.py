"""The script that fills docs/does_it_work.md keeps its page, and rises as the rule sees them."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
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


def test_the_page_has_a_place_for_every_table(script):
    page = script.PAGE.read_text(encoding="utf-8")
    for name in ("contest", "false alarms", "realised", "paired"):
        assert "| a |" in script.written(page, name, "| a |")


def test_stated_rates_and_paired_leads_as_tables(script):
    columns = ["rule", "controls", "kind", "runs", "stretches", "alarmed", "rate", "rate_low", "rate_high"]
    rows = [
        ["self_normalised at 5%", "quiet", "quiet", 20, 20, 4, 0.2, 0.057, 0.437, True],
        ["self_normalised at 5%", "a: b", "hard", 0, 0, 0, np.nan, 0.0, 1.0, False],
    ]
    realised = pd.DataFrame(rows, columns=[*columns, "above"])
    told = script.realised(SimpleNamespace(realised=realised)).splitlines()
    assert told[0] == "| controls | self normalised at 5% |"
    assert told[2:] == ["| quiet | 4 of 20, 20 % (6–44), above |", "| a: b | not judged |"]

    lead = {"lead_difference": 0.1, "lead_difference_low": -0.02, "lead_difference_high": 0.3}
    counts = {"both": 6, "only_rule": 5, "only_other": 4, "neither": 3, "earlier": 2, "later": 1}
    row = {"setting": "grokking", "other": "shc at 1.5 decades"} | counts | lead
    last = script.paired(SimpleNamespace(paired=pd.DataFrame([row]))).splitlines()[-1]
    plain = last.replace("\N{NO-BREAK SPACE}", " ").replace("\N{WORD JOINER}", "")
    assert plain == "| grokking | SHC at 1.5 decades | 6 | 5 | 4 | 3 | 2 | 1 | 10 (-2 to 30) |"

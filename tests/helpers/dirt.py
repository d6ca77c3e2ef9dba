"""Long tables with all kinds of dirt, and what became of one, for tests that read them in two ways."""

import re

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from rdmtools.errors import FormatError, ParameterError


def outcome(work):
    """The run, or what was said instead, but for the path."""
    try:
        run = work()
    except (ParameterError, FormatError) as error:
        return re.sub(r"^\S*/[xy]\.[a-z.]+: ", "", str(error))
    samples = run.samples["sample_id"].tolist()
    return run.steps.tolist(), samples, run.losses.tolist(), run.dtype, run.quality


@st.composite
def dirty(draw):
    """A long table with doubles, gaps, restarts and losses that are not finite."""
    ids = draw(st.sampled_from([[3, 1, 2], ["b", "a", "10"], [2**40, -1, 0]]))
    value = st.sampled_from([0.5, 0.25, 0.125] * 5 + [np.nan, np.inf])
    whole = [(step, sample, 0) for step in (0, 5, 7, -4) for sample in ids[: draw(st.integers(1, 3))]]
    more = draw(
        st.lists(
            st.tuples(st.sampled_from([0, 5, 7, 9]), st.sampled_from(ids), st.integers(0, 2)), max_size=9
        )
    )
    cut = draw(st.integers(0, 3))
    rows = draw(st.permutations(whole[cut:] + more)) or whole
    frame = pd.DataFrame(rows, columns=["step", "sample_id", "attempt"])
    frame["loss"] = draw(st.lists(value, min_size=len(frame), max_size=len(frame)))
    if draw(st.booleans()):
        frame["loss"] = np.where(np.isfinite(frame["loss"]), frame["loss"], 0.75)
    return frame if draw(st.booleans()) else frame.drop(columns="attempt")


_DROPS = st.sampled_from(["error", "drop-samples", "drop-steps"])
RULES = st.fixed_dictionaries(
    {"missing": _DROPS, "nonfinite": _DROPS, "duplicates": st.sampled_from(["last", "last", "error"])}
)

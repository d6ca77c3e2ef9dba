"""Who warns earlier of the same transition? The self-normalised rule at 5 % beside every other rule.

Of transitions of odd seeds that both detected, its lead less the other's, in shares of the way to T50; the
interval draws whole runs again. What only one of them detected has no difference, and is counted.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rdmtools.evaluation.rated import OURS
from rdmtools.evaluation.rates import median_with_interval, resampled_weights, with_interval
from rdmtools.evaluation.rules import ALWAYS, NEVER, Rule

_COLUMNS = (
    *("setting", "rule", "other", "transitions", "runs", "both", "only_rule", "only_other", "neither"),
    *("earlier", "later", "lead_difference", "lead_difference_low", "lead_difference_high"),
)


def paired_table(rules: Sequence[Rule], transitions: pd.DataFrame) -> pd.DataFrame:
    """One row per setting and other rule: `rule` is the self-normalised one at 5 %.

    Returns
    -------
    DataFrame
        `transitions` judged, of so many `runs`; of them `both` detected, `only_rule`, `only_other`,
        `neither`; of those of both, how many `rule` announced `earlier` and `later`, and the median
        `lead_difference`, positive where it is earlier, with its interval. NaN where both detected none,
        and without an interval where all are of one run.
    """
    shown = transitions[transitions["held_out"]]
    rows: list[dict[str, object]] = []
    for setting, here in shown.groupby("setting", sort=False):
        leads = {
            str(rule): np.where(one["outcome"] == "detected", one["lead_share"].astype(float), np.nan)
            for rule, one in here.groupby("rule", sort=False)
        }
        runs = here.loc[here["rule"] == OURS, "run"].to_numpy()
        for rule in rules:
            if rule.name in (OURS, ALWAYS, NEVER) or OURS not in leads:
                continue
            ours, theirs = leads[OURS], leads[rule.name]
            found, known = ~np.isnan(ours), ~np.isnan(theirs)
            both = found & known
            less = (ours - theirs)[both]
            row: dict[str, object] = {
                "setting": setting,
                "rule": OURS,
                "other": rule.name,
                "transitions": len(ours),
                "runs": len(set(runs)),
                "both": int(both.sum()),
                "only_rule": int((found & ~known).sum()),
                "only_other": int((known & ~found).sum()),
                "neither": int((~known & ~found).sum()),
                "earlier": int((less > 0).sum()),
                "later": int((less < 0).sum()),
            }
            difference = with_interval("lead_difference", np.nan, (np.nan, np.nan))
            if len(less):
                weights = resampled_weights(runs[both].tolist(), [str(setting)] * len(less))
                difference = median_with_interval("lead_difference", less, weights)
            rows.append(row | difference)
    return pd.DataFrame(rows, columns=pd.Index(_COLUMNS))

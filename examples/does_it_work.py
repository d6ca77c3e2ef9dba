"""Puts measured results into docs/does_it_work.md: tables between its markers, and figures beside it.

    python examples/make_corpus.py corpus --settings deep_linear grokking induction narrow_finetuning
    python examples/make_corpus.py wide --settings deep_linear grokking --seeds 10 --probe-size 512
    python examples/sensitivity.py corpus wide --out sensitivity
    python examples/gaussian_first_steps.py gaussian
    python examples/does_it_work.py corpus sensitivity gaussian

Prints the tables; with `--write` it puts them into the page. The prose between them is written by hand,
after reading them: read it again when they change.
"""

import argparse
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from what_spreads import areas, runs

from rdmtools.alarms.rule import decades
from rdmtools.evaluation import Score, read_corpus, score
from rdmtools.evaluation.rates import exact_interval
from rdmtools.report.score_figures import groups_figure, leads_figure, price_figure, roc_figure
from rdmtools.report.score_words import name_of

PAGE = Path(__file__).parents[1] / "docs" / "does_it_work.md"
FIGURES = PAGE.parent / "figures"
WIDE_IN = 9.0
GROUP_PLACES = (0.8, 1.0)
OWN = ("shc", "total_variance", "drift_energy", "mean_loss_variance", "mean_loss_slope", "kendall_tau")


def percent(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:.0f}"


def between(row: pd.Series, name: str, low: str = "low", high: str = "high", factor: float = 100) -> str:
    """A figure with its interval."""
    digits = 0 if factor == 100 else 2
    values = [round(factor * row[key], digits) + 0.0 for key in (name, f"{name}_{low}", f"{name}_{high}")]
    if pd.isna(values[0]):
        return "–"
    told = [f"{value:.{digits}f}" for value in values]
    return whole(f"{told[0]} ({told[1]}{' to ' if values[1] < 0 else '–'}{told[2]})")


def whole(text: str) -> str:
    """The text as one word, which a narrow column does not break."""
    return text.replace(" ", "\N{NO-BREAK SPACE}").replace("–", "\N{WORD JOINER}–\N{WORD JOINER}")


def named(row: pd.Series) -> str:
    """A rule by its name, and the threshold where it is fitted."""
    fitted = " at " not in row["rule"] and not pd.isna(row["threshold"])
    return name_of(row["rule"]) + (f", {row['threshold']:.3g}" if fitted else "")


def markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def runs_told(found: Score) -> str:
    """What the corpus holds: runs by cell, and when the transitions were."""
    rows: list[list[str]] = []
    for (setting, control), cell in found.truth.groupby(["setting", "control"], sort=False):
        judged = cell[cell["status"] == "judged"]
        times = [
            f"{column.upper()} {judged[column].min():,} to {judged[column].max():,}"
            for column in ("t10", "t50", "t90")
        ]
        rows.append(
            [
                setting,
                control or "*(transition)*",
                cell["kind"].iloc[0],
                str(cell["run"].nunique()),
                f"{len(judged)} of {len(cell)}",
                ", ".join(times) if len(judged) else "",
            ]
        )
    return markdown(["setting", "control", "kind", "runs", "judged truths", "steps"], rows)


def contest(found: Score) -> str:
    """One table for all settings: detected, lead and area in each, and false alarms of the quiet runs."""
    parts: list[str] = []
    for setting, here in found.contest.groupby("setting", sort=False):
        count, runs = int(here["transitions"].iloc[0]), int(here["runs"].iloc[0])
        rows = [
            [
                named(row),
                between(row, "detected"),
                percent(row["before_t10"]),
                whole(f"{percent(row['chance'])} / {percent(row['chance_hard'])}"),
                between(row, "lead_share"),
                between(row, "less_shc_lead"),
                between(row.rename({"false_alarm_rate": "false_alarm"}), "false_alarm"),
            ]
            for _, row in here.iterrows()
        ]
        head = ["rule", "detected, %", "before T10, %", "by chance / hard, %", "lead, % of T50"]
        head += ["lead less SHC's", "quiet runs alarmed, %"]
        parts.append(f"### {setting}: {count} transitions in {runs} runs\n\n{markdown(head, rows)}")
    return "\n\n".join(parts)


def roc_areas(found: Score) -> str:
    """Against the pooled quiet runs, whatever the threshold: a signal a line, a setting a column."""
    quiet = found.areas[found.areas["controls"] == "quiet"]
    settings = list(dict.fromkeys(quiet["setting"]))
    rows: list[list[str]] = []
    for signal, cell in quiet.groupby("signal", sort=False):
        by_setting = cell.set_index("setting")
        rows.append(
            [name_of(signal), *(between(by_setting.loc[setting], "area", factor=1) for setting in settings)]
        )
    return markdown(["AUROC", *settings], rows)


def own_thresholds(corpus: Path) -> str:
    """A setting at a time: thresholds of its own quiet runs of even seeds, false alarms of its odd ones."""
    entries = read_corpus(corpus)
    rows: list[list[str]] = []
    for setting in dict.fromkeys(entry.setting for entry in entries):
        found = score([entry for entry in entries if entry.setting == setting], loadings=False)
        quiet = found.rates[found.rates["controls"] == "quiet"].set_index("rule")
        for _, row in found.contest[found.contest["rule"].isin(OWN)].iterrows():
            alarmed = quiet.loc[row["rule"]]
            rows.append(
                [
                    name_of(setting),
                    named(row),
                    percent(row["detected"]),
                    percent(row["before_t10"]),
                    percent(row["chance_hard"]),
                    between(row, "lead_share"),
                    between(row, "less_shc_lead"),
                    f"{alarmed['alarmed']} of {alarmed['runs']}",
                ]
            )
    head = ["setting", "rule", "detected, %", "before T10, %", "hard controls, %"]
    return markdown([*head, "lead, % of T50", "lead less SHC's", "quiet runs alarmed"], rows)


def false_alarms(found: Score) -> str:
    rules = [
        "self_normalised at 5%",
        "shc at 1.5 decades",
        "shc",
        "total_variance at 0.75 decades",
        "total_variance",
    ]
    rows: list[list[str]] = []
    for controls in dict.fromkeys(found.rates["controls"]):
        cells = [controls]
        for rule in rules:
            cell = found.rates[(found.rates["controls"] == controls) & (found.rates["rule"] == rule)]
            row = cell.iloc[0]
            told = f"{row['alarmed']} of {row['runs']}, {percent(row['rate'])} %"
            cells.append(f"{told} ({percent(row['rate_low'])}–{percent(row['rate_high'])})")
        rows.append(cells)
    return markdown(["controls", *(f"`{rule}`" for rule in rules)], rows)


def realised(found: Score) -> str:
    """What each rule with a stated rate alarmed in controls of all seeds, beside that rate."""
    rules = list(dict.fromkeys(found.realised["rule"]))
    rows: list[list[str]] = []
    for controls, cell in found.realised.groupby("controls", sort=False):
        by_rule = cell.set_index("rule")
        rows.append([str(controls), *(realised_told(by_rule.loc[rule]) for rule in rules)])
    return markdown(["controls", *map(name_of, rules)], rows)


def realised_told(row: pd.Series) -> str:
    above = ", above" if row["above"] and row["kind"] == "quiet" else ""
    share = f"{percent(row['rate'])} % ({percent(row['rate_low'])}–{percent(row['rate_high'])})"
    return f"{row['alarmed']} of {row['stretches']}, {share}{above}" if row["runs"] else "not judged"


def paired(found: Score) -> str:
    """Leads of the self-normalised rule at 5 % less every other's, of transitions that both detected."""
    rows = [
        [
            name_of(row["setting"]),
            name_of(row["other"]),
            *(str(row[name]) for name in ("both", "only_rule", "only_other", "neither", "earlier", "later")),
            between(row, "lead_difference"),
        ]
        for _, row in found.paired.iterrows()
    ]
    head = ["setting", "beside", "both", "it alone", "the other alone", "neither", "earlier", "later"]
    return markdown([*head, "its lead less the other's, points"], rows)


def movements(found: Score) -> str:
    alarms = found.alarms[found.alarms["held_out"] & (found.alarms["rule"] == "shc at 1.5 decades")]
    rows: list[list[str]] = []
    for (setting, control), cell in alarms.groupby(["setting", "control"], sort=False):
        drift = int((cell["movement"] == "drift").sum())
        share = cell["drift_share"].median()
        told = [setting, control or "*(transition)*", str(drift), str(len(cell) - drift), f"{share:.2f}"]
        rows.append(told)
    return markdown(["setting", "control", "drift", "fluctuation", "median drift share"], rows)


def loadings(found: Score) -> str:
    rows: list[list[str]] = []
    for _, row in found.groups[found.groups["place"].isin(GROUP_PLACES)].iterrows():
        rows.append(
            [
                name_of(row["setting"]),
                row["control"] or "*(transition)*",
                percent(row["place"]),
                between(row, "auc_mode", factor=1),
                f"{row['auc_variance']:.2f}",
                f"{row['auc_change']:.2f}",
                f"{row['auc_mean_loss']:.2f}",
                between(row, "auc_beyond", factor=1),
            ]
        )
    head = ["setting", "control", "% of T50", "first mode", "variance", "change", "mean loss"]
    return markdown([*head, "mode beyond the three"], rows)


def spreading(corpus: Path) -> str:
    """Areas against the controls whose data switch as well, with both medians, by rows after the switch."""
    table = areas(runs(read_corpus(corpus)))
    rows: list[list[str]] = []
    for (control, what), cell in table.groupby(["control", "what"], sort=False):
        told = [
            f"{row['area']:.2f} ({row['transition']:.2g} / {row['its control']:.2g})"
            for _, row in cell.iterrows()
        ]
        rows.append([str(control), str(what), *told])
    after = [f"{count} rows" for count in table["rows after the switch"].unique()]
    return markdown(["against", "what", *after], rows)


def sensitivity(folder: Path) -> str:
    table = pd.read_csv(folder / "sensitivity.csv", dtype={"value": str})
    parts: list[str] = []
    for varied, here in table.groupby("varied", sort=False):
        rows: list[list[str]] = []
        for (value, setting), cell in here.groupby(["value", "setting"], sort=False):
            line = [value, setting]
            for rule in ("shc at 1.5 decades", "shc", "shc_detrended", "total_variance"):
                row = cell[cell["rule"] == rule].squeeze()
                line.append(
                    f"{percent(row['detected'])} / {percent(row['lead_share'])} / "
                    f"{percent(row['false_alarm_rate'])}"
                    if len(row)
                    else "–"
                )
            rows.append([*line, str(int(cell["transitions"].iloc[0]))])
        head = [varied, "setting", "SHC, 1.5 decades", "SHC, fitted", "SHC detrended", "total variance"]
        parts.append(markdown([*head, "transitions"], rows))
    return "\n\n".join(parts)


def gaussian(folder: Path) -> str:
    """How far each SHC has risen above its running minimum by rows 40, 80 and 120; how often that alarms."""
    table = pd.read_csv(folder / "gaussian.csv", keep_default_na=False, na_values=[""])
    table["control"] = table["control"].fillna("")
    rows: list[list[str]] = []
    for (setting, control), cell in table.groupby(["setting", "control"], sort=False):
        runs = [run for _, run in cell.groupby("seed")]
        line = [setting, control or "*(transition)*"]
        for kind in ("gaussian", "window"):
            rises = np.array([np.fmax.accumulate(rise(run[f"shc_{kind}"].to_numpy())) for run in runs])
            line += [f"{np.median(rises[:, row]):.1f}" for row in (39, 79, 119)]
            alarmed = int((rises[:, -1] >= 1.5).sum())
            low, high = exact_interval(alarmed, len(runs))
            line.append(f"{alarmed} of {len(runs)} ({percent(low)}–{percent(high)} %)")
        rows.append(line)
    head = ["setting", "control", "draws: 40", "80", "120", "alarmed", "window: 40", "80", "120", "alarmed"]
    return markdown(head, rows)


def rise(values: np.ndarray) -> np.ndarray:
    """Decades above the running minimum; as for alarms, a zero has no level and sets none."""
    level = decades(values)
    return level - np.fmin.accumulate(level)


def written(page: str, name: str, text: str) -> str:
    """The page with what is between the markers of that name replaced."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{PAGE.name}: no markers {begin} ... {end}; add them where the table belongs")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def draw(found: Score, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    roc_figure(found, WIDE_IN).savefig(folder / "roc.svg")
    price_figure(found, WIDE_IN).savefig(folder / "price.svg")
    for setting in dict.fromkeys(found.contest["setting"]):
        leads_figure(found, setting, WIDE_IN).savefig(folder / f"leads_{setting}.svg")
    for setting in dict.fromkeys(found.groups["setting"]):
        groups_figure(found, setting, WIDE_IN).savefig(folder / f"groups_{setting}.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("sensitivity", type=Path)
    parser.add_argument("gaussian", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    given = parser.parse_args()
    with ProcessPoolExecutor(given.workers) as pool:
        found = score(given.corpus, executor=pool)
    told = {
        "runs": runs_told(found),
        "contest": contest(found),
        "areas": roc_areas(found),
        "own thresholds": own_thresholds(given.corpus),
        "false alarms": false_alarms(found),
        "realised": realised(found),
        "paired": paired(found),
        "movements": movements(found),
        "loadings": loadings(found),
        "spreading": spreading(given.corpus),
        "sensitivity": sensitivity(given.sensitivity),
        "gaussian": gaussian(given.gaussian),
    }
    for name, text in told.items():
        print(f"\n## {name}\n\n{text}")
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        for name, text in told.items():
            page = written(page, name, text)
        PAGE.write_text(page, encoding="utf-8", newline="\n")
        draw(found, FIGURES)
        shutil.copy(given.sensitivity / "sensitivity.svg", FIGURES)


if __name__ == "__main__":
    main()

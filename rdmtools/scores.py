"""What does `rdmtools.evaluation.score` give? The tables of a corpus, which can be saved with their page."""

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from rdmtools.evaluation.corpus import Entry, read_corpus
from rdmtools.evaluation.scoring import WINDOW, Change, ScoreTables, judge_corpus
from rdmtools.run.progress import Progress


class Score(ScoreTables):
    """What a corpus says of each rule, as tidy tables. Everything but `truth`, `transitions`, `false_alarms`,
    `alarms` and `realised`, which have every run, is of odd seeds alone."""

    def save(self, folder: str | Path) -> Path:
        """Write every table as Parquet, score.json and the page score.html; returns the folder.

        The folder is replaced as a whole.

        Raises
        ------
        ParameterError
            Where the place cannot be written, or it holds other results or files that rdmtools did not write.
        """
        from rdmtools.report.score_page import save_score

        return save_score(self, folder)


def score(
    corpus: str | Path | Sequence[Entry],
    *,
    window: int = WINDOW,
    change: Change | None = None,
    loadings: bool = True,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Score:
    """How each rule does on a corpus of runs with a known truth.

    Parameters
    ----------
    corpus
        A folder with a manifest (see `rdmtools.evaluation.corpus`), or its entries.
    window
        Rows of the trailing windows, the same for every signal.
    change
        What to make of each run first, such as fewer samples: ``change(run, entry)``. With processes it must
        be a function of a module.
    loadings
        Whether to ask what the top mode's loadings say, too.
    executor
        Any `concurrent.futures.Executor`: each run is read and measured by one of its workers.
    progress
        Called with (runs done, runs in all).

    Raises
    ------
    FormatError
        Where the manifest or a run cannot be read, or a run lacks its truth.
    ParameterError
        Where a window is longer than a run.

    Notes
    -----
    Alarms are those of `rdmtools.alarms.rule`, and of `rdmtools.alarms.self_normalised` for rules that state
    a rate: nothing after a step is used for it. Fitted thresholds come from quiet runs of even seeds alone. A
    table without negatives holds no rate, and without quiet runs of even seeds there is no fitted rule.
    """
    entries = read_corpus(corpus) if isinstance(corpus, str | Path) else list(corpus)
    found = judge_corpus(
        entries, window=window, change=change, loadings=loadings, executor=executor, progress=progress
    )
    return Score(**vars(found))

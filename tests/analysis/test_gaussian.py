"""The Gaussian 2RDM: against the definitions, a closed form, and what a run logs."""

import numpy as np
import pandas as pd
import pytest
from helpers import naive

import rdmtools as rdm
from rdmtools.analysis.gaussian import drawn_changes, drawn_modes, gaussian_table

COLUMNS = ["step", "draws", "nonfinite", "shc", "pr", "total_variance", "mean_loss", "mean_loss_variance"]


def table(draws, spectrum=False, modes=3):
    return gaussian_table(draws, spectrum=spectrum, modes=modes)


def test_every_step_agrees_with_the_definitions():
    rng = np.random.default_rng(0)
    draws = [
        (step, (5 + rng.standard_normal((count, 7))).astype(kind))
        for step, count, kind in ((0, 9, np.float32), (40, 2, np.float64), (50, 130, np.float32))
    ]
    found = table(draws, spectrum=True)
    eigenvalues = ["top_share", "effective_rank", "eigenvalue_1", "eigenvalue_2", "eigenvalue_3"]
    assert list(found.columns) == COLUMNS + eigenvalues
    for row, (step, losses) in zip(found.to_dict("records"), draws, strict=True):
        losses = losses.astype(np.float64)
        expected = naive.observables(losses, 0)
        assert (row["step"], row["draws"], row["nonfinite"]) == (step, len(losses), 0)
        for name in ("shc", "pr", "total_variance"):
            assert row[name] == pytest.approx(expected[name], rel=1e-9), name
        assert row["mean_loss"] == pytest.approx(losses.mean())
        assert row["mean_loss_variance"] == pytest.approx(losses.mean(axis=1).var(ddof=1))
        spectrum = np.linalg.eigvalsh(np.cov(losses, rowvar=False))[::-1]
        assert row["eigenvalue_1"] == pytest.approx(spectrum[0])
        assert row["top_share"] == pytest.approx(spectrum[0] / spectrum.sum())
    assert np.isnan(found["eigenvalue_2"][1])  # two draws have one direction


def test_a_linear_loss_has_the_covariance_of_its_gradients():
    # l_i = g_i . theta: C -> sigma^2 G G', whatever the draws, as their number grows.
    rng = np.random.default_rng(3)
    gradients, sigma = rng.standard_normal((6, 40)), 0.1
    draws = sigma * rng.standard_normal((100_000, 40)) @ gradients.T
    spectrum = np.linalg.eigvalsh(sigma**2 * gradients @ gradients.T)
    [found] = table([(0, draws)]).to_dict("records")
    assert found["shc"] == pytest.approx(spectrum.var(), rel=0.05)
    assert found["total_variance"] == pytest.approx(spectrum.sum(), rel=0.02)


@pytest.mark.parametrize(
    ("losses", "nonfinite"),
    [(np.array([[1.0, np.nan], [np.inf, 2.0], [3.0, 4.0]]), 2), (np.array([[1.0, 2.0]]), 0)],
)
def test_what_has_no_covariance_is_nan_and_counted(losses, nonfinite):
    [found] = table([(7, losses)]).to_dict("records")
    assert found["nonfinite"] == nonfinite
    assert found["draws"] == len(losses)
    assert all(np.isnan(found[name]) for name in COLUMNS[3:])


def test_draws_that_do_not_differ_have_no_directions():
    [found] = table([(0, np.full((5, 4), 2.5))]).to_dict("records")
    assert found["shc"] == found["total_variance"] == 0
    assert np.isnan(found["pr"])


def test_an_analysis_has_what_was_logged(tmp_path):
    rng = np.random.default_rng(0)
    draws = {0: rng.standard_normal((6, 5)), 300: rng.standard_normal((8, 5))}
    with rdm.ProbeLogger(tmp_path / "run.parquet", samples=list("abcde")) as log:
        for step in range(0, 600, 10):
            log(step, rng.standard_normal(5))
            if step in draws:
                log.draws(step, draws[step])
    analysis = rdm.analyze(rdm.read_run(tmp_path / "run.parquet"))
    pd.testing.assert_frame_equal(
        analysis.gaussian, table([(step, losses.astype(np.float32)) for step, losses in draws.items()])
    )
    folder = analysis.save(tmp_path / "out", report=False)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "gaussian.parquet"), analysis.gaussian)
    assert len(pd.read_parquet(folder / "shc_map.parquet")) == len(analysis.shc_map) > 0


def test_a_run_without_draws_has_an_empty_table():
    analysis = rdm.analyze(rdm.Run.from_arrays(np.arange(30), np.zeros((30, 2))))
    assert list(analysis.gaussian.columns) == COLUMNS
    assert len(analysis.gaussian) == 0
    assert analysis.gaussian.dtypes.astype(str).tolist() == ["int64"] * 3 + ["float64"] * 5


# Modes


@pytest.mark.parametrize(("count", "samples"), [(9, 14), (14, 5), (2, 6)])
def test_modes_of_draws_are_eigenvectors_in_standard_deviations(count, samples):
    losses = 5 + np.random.default_rng(1).standard_normal((count, samples))
    (found,) = drawn_modes([(40, losses)], 3)
    modes = found.modes
    assert found.step == 40
    assert len(modes.loadings) == min(3, count - 1, samples)
    covariance = np.cov(losses, rowvar=False)
    for value, vector, change in zip(modes.eigenvalues, modes.loadings, modes.loss_change, strict=False):
        np.testing.assert_allclose(covariance @ vector, value * vector, atol=1e-12)
        assert np.linalg.norm(vector) == pytest.approx(1)
        assert vector[np.abs(vector).argmax()] > 0
        deviation = ((losses - losses.mean(axis=0)) @ vector).std(ddof=1)
        np.testing.assert_allclose(change, deviation * vector, atol=1e-12)


def test_the_order_of_draws_changes_no_mode():
    losses = np.random.default_rng(2).standard_normal((8, 6))
    (here,), (there,) = (drawn_modes([(0, each)], 2) for each in (losses, losses[::-1]))
    np.testing.assert_allclose(here.modes.loss_change, there.modes.loss_change, atol=1e-12)


def test_what_does_not_differ_or_is_not_finite_has_no_modes():
    broken = np.ones((3, 2))
    broken[0, 0] = np.nan
    draws = [(0, np.full((5, 4), 2.5)), (1, broken), (2, np.ones((1, 3)))]
    (still,) = drawn_modes(draws, 3)
    assert (still.step, still.modes.loadings.shape) == (0, (0, 4))
    assert drawn_changes([still]) == []


def test_steps_that_are_asked_are_spread_over_all():
    rng = np.random.default_rng(3)
    drawn = drawn_modes([(step, rng.standard_normal((3, 4))) for step in range(50)], 1)
    steps = [change.step for change in drawn_changes(drawn)]
    assert (steps[0], steps[-1], len(steps)) == (0, 49, 8)


def test_an_analysis_has_modes_groups_and_columns_of_draws():
    rng = np.random.default_rng(4)
    kind = np.array(["a", "a", "b"] * 8)
    direction = np.where(kind == "a", 1.0, 0.05)
    draws = [
        (step, 2 + np.outer(rng.standard_normal(20), direction) + 0.01 * rng.standard_normal((20, 24)))
        for step in (0, 300)
    ]
    samples = {"sample_id": [f"s{at}" for at in range(24)], "group": kind, "noise": ["u", "v"] * 12}
    run = rdm.Run.from_arrays(np.arange(30), rng.standard_normal((30, 24)), samples=samples)
    run.stored_draws = lambda: draws
    analysis = rdm.analyze(run, modes=2)
    assert len(analysis.gaussian_modes) == 2 * 2 * 24
    top = analysis.gaussian_modes.query("step == 300 and mode == 1").set_index("sample_id")
    assert top.loc["s0", "loss_change"] == pytest.approx(draws[1][1][:, 0].std(ddof=1), rel=0.02)
    groups = analysis.gaussian_groups.query("step == 0 and mode == 1").set_index("group")
    assert groups.loc["a", "mode_share"] > 0.99
    assert groups.loc["a", "sample_share"] == pytest.approx(2 / 3)
    told = analysis.explained.query("place == 'draws'")
    assert told["step"].unique().tolist() == [0, 300]
    assert told["event"].isna().all()
    assert told.query("named")["column"].tolist() == ["group", "group"]

"""Every observable of every window: 50-digit oracle, closed forms, a naive rewrite, invariances, prefixes."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import naive
from hypothesis import given, settings
from hypothesis import strategies as st

from rdmtools.analysis import about_line
from rdmtools.analysis.gram import (
    PRODUCT_ROWS,
    RowGeometry,
    centred_gram,
    row_geometry,
    window_distances,
)
from rdmtools.analysis.lag_sums import sliding_sums
from rdmtools.analysis.moments import moments
from rdmtools.analysis.observables import observables
from rdmtools.analysis.spectra import effective_rank, eigenvalues, top_share
from rdmtools.analysis.windows import Windows
from rdmtools.errors import ParameterError

ORACLE = json.loads((Path(__file__).parents[1] / "helpers" / "oracle.json").read_text())
DETRENDS = {"constant": 0, "linear": 1}


def geometry_of(losses, lags, precision="double"):
    tile = 2 * PRODUCT_ROWS
    blocks = [losses[start : start + 2 * tile] for start in range(0, len(losses), 2 * tile)]
    return row_geometry(blocks, rows=len(losses), lags=lags, tile=tile, precision=precision)


def windows_of(losses, length):
    return Windows(length=length, first=0, count=len(losses) - length + 1)


def observe(losses, window, detrend="constant", steps=None, lags=None, precision="double"):
    steps = np.arange(len(losses)) if steps is None else steps
    geometry, windows = geometry_of(losses, lags or window, precision), windows_of(losses, window)
    [found] = moments(
        geometry.distances,
        [windows],
        detrend=detrend,
        precision=precision,
        rows=lambda start, stop: losses[start:stop],
    )
    return observables(found, geometry, steps, windows, detrend)


def spectra_of(losses, window, detrend="constant"):
    return eigenvalues(
        geometry_of(losses, window),
        windows_of(losses, window),
        detrend=detrend,
        rows=lambda start, stop: losses[start:stop],
    )


def noise(rows, samples, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, samples))


@pytest.mark.parametrize("case", ORACLE, ids=lambda case: f"{case['name']}-{case['detrend']}")
def test_every_window_agrees_with_fifty_digits(case):
    losses, window = np.array(case["losses"]), case["width"]
    found = observe(losses, window, case["detrend"])
    spectra = spectra_of(losses, window, case["detrend"])
    found["effective_rank"] = effective_rank(spectra)
    for index, exact in enumerate(case["windows"]):
        for name in ("shc", "pr", "total_variance", "drift_share", "autocorrelation", "effective_rank"):
            expected = np.nan if exact[name] is None else exact[name]
            np.testing.assert_allclose(found[name][index], expected, rtol=1e-9, err_msg=f"{name} {index}")
        leading = spectra[index, : len(exact["top_eigenvalues"])]
        # An eigenvalue that is zero by structure comes out as rounding of the largest.
        floor = 1e-30 * max(spectra[index, 0], 1.0)
        np.testing.assert_allclose(leading, exact["top_eigenvalues"][: len(leading)], rtol=1e-9, atol=floor)


@pytest.mark.parametrize("detrend", DETRENDS)
@pytest.mark.parametrize(
    ("rows", "samples", "window"),
    [(90, 5, 11), (70, 130, 9), (40, 7, 40), (100, 1, 6), (75, 3, 34), (67, 2, 3), (133, 13, 66)],
)
def test_every_window_agrees_with_the_definitions(rows, samples, window, detrend):
    rng = np.random.default_rng(rows * samples + window)
    steps = np.cumsum(rng.integers(1, 9, rows))
    losses = 3 + np.cumsum(rng.standard_normal((rows, samples)), axis=0)
    found = observe(losses, window, detrend, steps)
    assert {len(values) for values in found.values()} == {rows - window + 1}
    for index in range(rows - window + 1):
        here = slice(index, index + window)
        expected = naive.observables(losses[here], DETRENDS[detrend])
        expected |= naive.mean_baselines(losses[here], steps[here], DETRENDS[detrend])
        scale = expected["total_variance"] ** 2
        for name, value in expected.items():
            # one sample: SHC is 0, and what either side rounds to is noise of that scale
            floor = 1e-13 * scale if name == "shc" else 1e-12
            np.testing.assert_allclose(found[name][index], value, rtol=1e-9, atol=floor, err_msg=name)


def test_shortest_windows():
    losses = noise(12, 4)
    two = observe(losses, 2)
    np.testing.assert_allclose(two["total_variance"], np.sum(np.diff(losses, axis=0) ** 2, axis=1) / 2)
    np.testing.assert_allclose(two["pr"], 1)
    np.testing.assert_allclose(two["drift_share"], 1)
    three = observe(losses, 3, "linear")
    curvature = losses[2:] - 2 * losses[1:-1] + losses[:-2]
    np.testing.assert_allclose(three["total_variance"], np.sum(curvature**2, axis=1) / 6)


def test_equicorrelated_closed_form():
    # Rows built so that C is exactly (1 - r) I + r J: SHC = (n-1) r^2, PR = n / (1 + (n-1) r^2).
    samples, window, r = 4, 9, 0.3
    target = (1 - r) * np.eye(samples) + r * np.ones((samples, samples))
    field = noise(window, samples)
    field -= field.mean(axis=0)
    left = np.linalg.qr(field)[0]
    losses = left @ np.linalg.cholesky(target).T * np.sqrt(window - 1) + 7.0
    found = observe(losses, window)
    np.testing.assert_allclose(found["shc"], (samples - 1) * r**2, rtol=1e-12)
    np.testing.assert_allclose(found["pr"], samples / (1 + (samples - 1) * r**2), rtol=1e-12)
    np.testing.assert_allclose(found["total_variance"], samples, rtol=1e-12)


def test_rank_one_closed_form():
    samples, window = 11, 8
    losses = noise(30, 1) * noise(1, samples, seed=1)
    found = observe(losses, window)
    np.testing.assert_allclose(found["pr"], 1, rtol=1e-12)
    np.testing.assert_allclose(
        found["shc"], found["total_variance"] ** 2 * (samples - 1) / samples**2, rtol=1e-12
    )


def test_white_noise_has_the_expected_heat_capacity():
    samples, window, scale = 40, 12, 0.7
    found = observe(scale * noise(40_000, samples), window)
    freedom = window - 1
    expected = scale**4 * (samples + 2) * (samples - 1) / (samples * freedom)
    independent = found["shc"][::window]
    error = independent.std() / np.sqrt(len(independent))
    assert abs(independent.mean() - expected) < 4 * error
    assert abs(found["autocorrelation"][::window].mean() + 1 / window) < 0.002


def test_pure_ramp_is_all_drift():
    ramp = np.arange(30)[:, None] * np.array([1.0, -2.0, 0.5])
    found = observe(ramp, 20)
    np.testing.assert_allclose(found["drift_share"], 1, rtol=1e-12)
    np.testing.assert_allclose(found["autocorrelation"], 0.85, atol=1e-3)


def test_nothing_moves():
    still = np.full((25, 6), 2.345678)
    for detrend in DETRENDS:
        found = observe(still, 10, detrend)
        for name in ("shc", "total_variance", "mean_loss_variance", "mean_loss_slope"):
            assert np.all(found[name] == 0), name
        for name in ("pr", "drift_share", "autocorrelation"):
            assert np.all(np.isnan(found[name])), name
    spectra = spectra_of(still, 10)
    assert np.all(np.isnan(effective_rank(spectra)))
    assert np.all(np.isnan(top_share(spectra)))


def test_one_sample_has_no_heat_capacity_and_is_its_own_mean():
    found = observe(noise(50, 1), 7, "linear")
    assert np.all(found["shc"] == 0)
    np.testing.assert_allclose(found["total_variance"], found["mean_loss_variance"], rtol=1e-12)


def test_small_noise_on_a_steep_line_keeps_its_digits_when_the_line_is_removed():
    line = np.arange(60)[:, None] * np.array([5.0, -3.0, 1.0, 8.0])
    wiggle = 1e-7 * noise(60, 4)
    found = observe(line + wiggle, 12, "linear")
    for index in range(60 - 12 + 1):
        expected = naive.observables((line + wiggle)[index : index + 12], 1)
        np.testing.assert_allclose(found["total_variance"][index], expected["total_variance"], rtol=1e-7)
        np.testing.assert_allclose(found["pr"][index], expected["pr"], rtol=1e-7)


@pytest.mark.parametrize(("samples", "window"), [(30, 12), (130, 40), (20, 70)])
def test_smooth_descents_keep_their_digits_when_lines_are_removed(samples, window):
    # From windows that are nearly all line to such of which half is left: each way of taking it out.
    descent = np.exp(-np.linspace(0, 6, 300))[:, None] * np.random.default_rng(1).uniform(0.5, 1.5, samples)
    losses = (2 * descent + 3e-3 * noise(300, samples)).astype(np.float32)
    found = observe(losses, window, "linear")
    for index in range(0, 300 - window + 1, 3):
        expected = naive.observables(losses[index : index + window].astype(np.float64), 1)
        for name in ("shc", "pr", "total_variance", "autocorrelation"):
            np.testing.assert_allclose(
                found[name][index], expected[name], rtol=1e-9, atol=1e-12 * (name[0] == "a")
            )
    assert found["drift_share"].max() > 0.96
    assert found["drift_share"].min() < 0.7


def test_lines_are_removed_alike_from_all_pairs_and_from_sums(monkeypatch):
    losses = np.cumsum(noise(200, 9), axis=0)
    found = []
    for least in (0.0, np.inf):
        monkeypatch.setattr(about_line, "LEAST_SQUARE", least)
        found.append(observe(losses, 17, "linear"))
    for name in ("shc", "pr", "total_variance", "autocorrelation"):
        np.testing.assert_allclose(*[each[name] for each in found], rtol=1e-10, err_msg=name)
        assert np.any(found[0][name] != found[1][name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 1.0, 300.0])
@pytest.mark.parametrize("samples", [3, 40])
def test_a_line_leaves_nothing_but_what_is_more_than_rounding(dtype, level, samples):
    slopes = np.linspace(-0.02, 0.01, samples)
    line = (level + np.arange(60)[:, None] * slopes).astype(dtype)
    found = observe(line, 12, "linear")
    for name in ("shc", "total_variance"):
        np.testing.assert_array_equal(found[name], 0.0, err_msg=name)
    assert np.all(np.isnan(found["pr"]))
    assert np.all(spectra_of(line, 12, "linear") == 0)

    steady = found["drift_share"]
    np.testing.assert_allclose(steady, 1.0, rtol=1e-5)
    bent = line + (20 * np.finfo(dtype).eps * max(level, 1.0) * noise(60, samples)).astype(dtype)
    assert np.all(observe(bent, 12, "linear")["shc"] > 0)


def test_a_spectrum_after_a_steep_line_is_that_of_what_is_left():
    line = np.arange(60)[:, None] * np.linspace(-3, 8, 20)
    losses = line + 1e-7 * noise(60, 20)
    spectra = spectra_of(losses, 12, "linear")
    np.testing.assert_allclose(
        spectra.sum(axis=1), observe(losses, 12, "linear")["total_variance"], rtol=1e-9
    )


def test_an_exponential_ramp_does_not_swamp_what_came_before():
    losses = 1e-5 * noise(80, 6)
    losses[40:] += np.exp(np.arange(40))[:, None]
    found = observe(losses, 10)
    quiet = observe(losses[:40], 10)
    np.testing.assert_array_equal(found["shc"][:31], quiet["shc"])
    for index in range(31):
        expected = naive.observables(losses[index : index + 10], 0)
        np.testing.assert_allclose(found["shc"][index], expected["shc"], rtol=1e-9)


@settings(max_examples=40)
@given(
    rows=st.integers(12, 150),
    samples=st.integers(1, 20),
    window=st.integers(3, 12),
    detrend=st.sampled_from(sorted(DETRENDS)),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 99),
)
def test_invariances(rows, samples, window, detrend, scale, seed):
    rng = np.random.default_rng(seed)
    losses = np.cumsum(rng.standard_normal((rows, samples)), axis=0)
    base = observe(losses, window, detrend)
    # With a sample or two SHC is a difference of nearly equal numbers, of the size of the total variance.
    floor = 1e-11 * (base["total_variance"] ** 2).max()

    shuffled = observe(losses[:, rng.permutation(samples)], window, detrend)
    np.testing.assert_allclose(shuffled["shc"], base["shc"], rtol=1e-8, atol=floor)
    np.testing.assert_allclose(shuffled["pr"], base["pr"], rtol=1e-8)

    lifted = observe(losses + rng.uniform(-50, 50, samples), window, detrend)
    np.testing.assert_allclose(lifted["total_variance"], base["total_variance"], rtol=1e-7)

    scaled = observe(scale * losses, window, detrend)
    np.testing.assert_allclose(scaled["shc"], scale**4 * base["shc"], rtol=1e-8, atol=scale**4 * floor)
    np.testing.assert_allclose(scaled["pr"], base["pr"], rtol=1e-8)

    identity = base["total_variance"] ** 2 / samples * (1 / base["pr"] - 1 / samples)
    np.testing.assert_allclose(base["shc"], identity, rtol=1e-8, atol=floor)


@settings(max_examples=30)
@given(
    rows=st.integers(20, 200),
    cut=st.integers(12, 199),
    window=st.integers(3, 12),
    detrend=st.sampled_from(sorted(DETRENDS)),
    seed=st.integers(0, 99),
)
def test_rows_to_come_change_no_bit(rows, cut, window, detrend, seed):
    cut = min(cut, rows)
    losses = np.cumsum(noise(rows, 7, seed), axis=0).astype(np.float32)
    whole = observe(losses, window, detrend)
    early = observe(losses[:cut], window, detrend)
    for name, values in early.items():
        np.testing.assert_array_equal(values, whole[name][: len(values)], err_msg=name)


def test_longer_lags_change_no_window():
    losses = noise(120, 6)
    for detrend in DETRENDS:
        alone = observe(losses, 9, detrend)
        beside = observe(losses, 9, detrend, lags=50)
        for name, values in alone.items():
            np.testing.assert_allclose(beside[name], values, rtol=1e-12, err_msg=name)


def test_shards_of_the_probe_set_add_up():
    losses = noise(80, 10)
    summed, whole = geometry_of(losses[:, :3], 9) + geometry_of(losses[:, 3:], 9), geometry_of(losses, 9)
    assert summed.samples == whole.samples == 10
    for name in ("distances", "mean_loss", "mean_change"):
        np.testing.assert_allclose(getattr(summed, name), getattr(whole, name), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("count", [1, 2, 3, 6, 11, 20])
def test_sliding_sums_are_sums_that_a_start_elsewhere_does_not_change(count):
    values = noise(20, 1)[:, 0]
    found = sliding_sums(values, count)
    expected = np.lib.stride_tricks.sliding_window_view(values, count).sum(axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-14)
    for start in range(20 - count + 1):
        np.testing.assert_array_equal(sliding_sums(values[start:], count), found[start:])
    assert len(sliding_sums(values[: count - 1], count)) == 0


def test_distances_are_distances():
    losses = noise(70, 4)
    distances = geometry_of(losses, 40).distances
    for lag in (0, 1, 2, 17, 39):
        expected = np.sum((losses[lag:] - losses[: len(losses) - lag]) ** 2, axis=1)
        np.testing.assert_allclose(distances[lag, lag:], expected, rtol=1e-12)


def test_window_matrices_are_centred_gram_matrices():
    losses = noise(30, 5)
    distances = window_distances(geometry_of(losses, 8).distances, 8, range(3, 9))
    for detrend, degree in DETRENDS.items():
        grams = centred_gram(distances, degree)
        for index, gram in enumerate(grams):
            field = naive.residual(losses[3 + index : 11 + index], degree)
            np.testing.assert_allclose(gram, field @ field.T, atol=1e-12, err_msg=detrend)


def test_spectra_agree_from_either_side():
    # 9 samples in windows of 8 rows use Gram matrices, 7 samples the rows themselves.
    for samples in (7, 8, 9):
        for detrend, degree in DETRENDS.items():
            losses = noise(20, samples)
            spectra = spectra_of(losses, 8, detrend)
            for index, spectrum in enumerate(spectra):
                dense = np.linalg.eigvalsh(naive.covariance(losses[index : index + 8], degree))[::-1]
                np.testing.assert_allclose(spectrum, dense[: len(spectrum)], atol=1e-13)
                assert len(spectrum) == min(samples, 7 - degree)


def test_float32_losses_are_computed_in_float64():
    losses = (1000 + 1e-2 * noise(40, 6)).astype(np.float32)
    single, double = observe(losses, 10), observe(losses.astype(np.float64), 10)
    np.testing.assert_array_equal(single["shc"], double["shc"])


@pytest.mark.parametrize("scale", [1e75, 1e200, 1e308])
def test_losses_whose_fourth_powers_overflow_are_refused(scale):
    with pytest.raises(ParameterError, match="divide the losses by a constant"):
        observe(scale * np.random.default_rng(0).uniform(0, 1, (40, 3)), 8)


def test_all_of_float32_is_safe():
    largest = np.finfo(np.float32).max
    losses = (np.random.default_rng(0).uniform(0, 1, (40, 300)) * largest).astype(np.float32)
    found = observe(losses, 8)
    small = observe(losses.astype(np.float64) / 2.0**100, 8)
    np.testing.assert_allclose(found["pr"], small["pr"], rtol=1e-12)
    np.testing.assert_allclose(found["shc"], small["shc"] * 2.0**400, rtol=1e-12)


def test_geometry_refuses_a_wrong_count():
    with pytest.raises(ValueError, match="rows came"):
        row_geometry([np.zeros((3, 2))], rows=4, lags=2, tile=16)


def test_shapes_are_checked_while_the_tests_run():
    with pytest.raises(Exception, match="type"):
        RowGeometry(distances=np.zeros(3), mean_loss=np.zeros(3), mean_change=np.zeros(3), samples=1)

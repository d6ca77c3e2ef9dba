"""Losses that devinterp kept under SGLD draws become the draws of a run, a store a step."""

import json

import numpy as np
import pytest
from helpers.reading import read, refused

import rdmtools
from rdmtools.read.formats import devinterp
from rdmtools.read.read import read_run

zarr = pytest.importorskip("zarr", reason="reads stores of devinterp: pip install 'rdmtools[devinterp]'")

CHAINS, DRAWS, SAMPLES, TOKENS = 2, 7, 5, 3
RNG = np.random.default_rng(0)
LOSSES = RNG.random((CHAINS, DRAWS, SAMPLES, TOKENS)).astype(np.float32)
BY_SAMPLE = LOSSES.astype(float).mean(3).reshape(CHAINS * DRAWS, SAMPLES)
MEANS = BY_SAMPLE.mean(0)


def store(path, *, completed=True, **arrays):
    """As devinterp 2.0.1 writes it: arrays with names of dimensions at the root of a group of format 3."""
    root = zarr.open_group(str(path), mode="w", zarr_format=3)
    root.update_attributes({"metadata": {"config": {}}} | ({"completed": 1} if completed else {}))
    batch = RNG.random((CHAINS, DRAWS, 4, TOKENS)).astype(np.float32)
    arrays |= {"init_loss": (batch[:, 0, 0], ("chain", "token_pos"))}
    arrays |= {"sampling_loss": (batch, ("chain", "draw", "batch", "token_pos"))}
    for name, (values, dims) in arrays.items():
        chunks = (1, 3, *values.shape[2:]) if values.ndim > 2 else values.shape
        root.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=chunks,
            dimension_names=dims,
            fill_value=np.nan,
        )[:] = values
    return path


def probe(values=LOSSES, name="code"):
    dims = ("chain", "draw", f"batch_{name}", "token_pos")
    return {f"loss_{name}": (values, dims[: values.ndim])}


def test_a_store_is_a_step_with_its_draws(tmp_path):
    run, said = read(store(tmp_path / "checkpoint-300.zarr", **probe()))
    assert (run.name, run.steps.tolist()) == ("checkpoint-300", [300])
    np.testing.assert_allclose(run.losses, [MEANS], rtol=1e-12)
    ((step, draws),) = run.draws
    assert step == 300
    np.testing.assert_allclose(draws, BY_SAMPLE, rtol=1e-12)
    assert said == [
        "took array 'loss_code' for the losses",
        "left out 2 arrays: 'init_loss', 'sampling_loss'",
        "took each sequence for a sample: the mean over its 3 tokens",
        "the losses of a step are the means over its draws",
    ]


def test_a_store_without_a_step_is_step_0_and_told(tmp_path):
    run, said = read(store(tmp_path / "samples_l0h1.zarr", **probe()))
    assert run.steps.tolist() == [0]
    assert said[0].startswith("found no step in the name of the store: took 0")


def test_stores_in_a_folder_are_the_steps_of_one_run(tmp_path):
    for step in (1000, 20, 300):
        store(tmp_path / "run" / f"step_{step}.zarr", **probe(LOSSES + step))
    run, _ = read(tmp_path / "run")
    assert run.steps.tolist() == [20, 300, 1000]
    np.testing.assert_allclose(run.losses - run.steps[:, None], np.tile(MEANS, (3, 1)), rtol=1e-4)
    assert [step for step, _ in run.draws] == [20, 300, 1000]


def test_stores_that_tell_no_steps_are_no_run(tmp_path):
    """As devinterp names those of restrictions to some weights, at one checkpoint."""
    for name in ("full", "l0h1", "l0h2"):
        store(tmp_path / "run" / f"samples_{name}.zarr", **probe())
    assert "do not tell a step each; needed names such as checkpoint-100.zarr" in refused(tmp_path / "run")


@pytest.mark.filterwarnings("ignore::rdmtools.RdmtoolsWarning")
def test_convert_writes_the_draws_beside_the_losses(tmp_path):
    source = store(tmp_path / "checkpoint-300.zarr", **probe())
    path = rdmtools.convert(source, tmp_path / "run.parquet")
    run = read_run(path)
    ((step, draws),) = run.draws
    assert step == 300
    np.testing.assert_allclose(draws, BY_SAMPLE, rtol=1e-12)
    path.unlink()
    with pytest.raises(rdmtools.ParameterError, match=r"draws\.parquet already exists; pass overwrite=True"):
        rdmtools.convert(source, path)
    assert not path.exists()


def test_one_probe_set_is_chosen(tmp_path):
    path = store(tmp_path / "step-1.zarr", **probe(), **probe(LOSSES + 1, "pile"))
    assert (
        "several probe sets, 'loss_code', 'loss_pile'; needed one; choose with columns={\"loss\": "
        in refused(path)
    )
    np.testing.assert_allclose(read(path, columns={"loss": "loss_pile"})[0].losses, [MEANS + 1], rtol=1e-6)
    assert "no array 'init_loss'" in refused(path, columns={"loss": "init_loss"})


def test_batches_that_change_and_traces_of_means_are_no_losses_of_samples(tmp_path):
    assert "no losses of fixed samples, for those of a batch change from draw to draw" in refused(
        store(tmp_path / "a.zarr")
    )
    root = zarr.open_group(str(tmp_path / "b.zarr"), mode="w", zarr_format=3)
    root.create_array("loss_trace", shape=(2, 7), dtype="f4", dimension_names=("chain", "draw"))
    assert "one loss a step for the whole batch (loss_trace): no per-sample losses" in refused(
        tmp_path / "b.zarr"
    )


def test_draws_that_were_never_written_are_left_out_and_told(tmp_path):
    cut = LOSSES.copy()
    cut[1, 4:] = np.nan
    run, said = read(store(tmp_path / "step-1.zarr", completed=False, **probe(cut)))
    assert len(run.draws[0][1]) == 11
    assert "left out 3 draws of 14 that were never written: sampling was interrupted" in said
    assert "has no draw that was written" in refused(store(tmp_path / "step-2.zarr", **probe(cut * np.nan)))


def test_a_sample_that_is_not_finite_follows_the_rules(tmp_path):
    odd = LOSSES.copy()
    odd[0, 2, 3, 1] = np.nan
    path = store(tmp_path / "step-1.zarr", **probe(odd))
    assert "1 loss not finite (first: step 1, sample 3)" in refused(path)
    run, _ = read(path, nonfinite="drop-samples")
    np.testing.assert_allclose(run.draws[0][1], BY_SAMPLE[:, [0, 1, 2, 4]], rtol=1e-12)


def changed(path, **about):
    file = path / "loss_code" / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | about))
    return path


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"shape": [2, 10**9, 5, 3]}, "speaks of 120,000 MB"),
        (
            {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 10**9, 5, 3]}}},
            "in chunks of",
        ),
        ({"codecs": [{"name": "numcodecs.pickle"}]}, "written with 'numcodecs.pickle'; needed numbers"),
        ({"data_type": "string"}, "is of type string"),
        ({"shape": [2, 7, 5]}, "has shape [2, 7, 5]; needed one of its dimensions"),
        ({"shape": [2, 0, 5, 3]}, "has shape [2, 0, 5, 3]"),
        ({"shape": "x"}, "has shape x; needed one of its dimensions"),
        ({"codecs": None}, "cannot be read ("),
        ({"zarr_format": 9}, "cannot be read ("),
    ],
)
def test_what_lies_in_a_store_is_told_and_nothing_is_allocated(about, message, tmp_path):
    assert message in refused(changed(store(tmp_path / "step-1.zarr", **probe()), **about))


def test_damaged_and_other_stores_are_told(tmp_path):
    path = store(tmp_path / "step-1.zarr", **probe())
    chunk = next(
        file for file in (path / "loss_code").rglob("*") if file.is_file() and file.name != "zarr.json"
    )
    chunk.write_bytes(chunk.read_bytes()[:-4] + b"xxxx")
    assert "cannot be read (" in refused(path)
    (path / "zarr.json").write_text("{")
    assert "cannot be read (" in refused(path)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / ".zgroup").write_text('{"zarr_format": 2}')
    assert "needed a group of format 3, as devinterp 2 writes" in refused(tmp_path / "old")


def test_without_zarr_a_store_is_told_what_it_needs(tmp_path, monkeypatch):
    path = store(tmp_path / "step-1.zarr", **probe())
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    assert refused(path).endswith("needed it to read one: pip install 'rdmtools[devinterp]'")


def test_a_folder_with_a_store_is_a_store_only_with_its_file(tmp_path):
    (tmp_path / "x").mkdir()
    assert not devinterp.is_store(tmp_path / "x")
    assert not devinterp.is_store(tmp_path / "none")

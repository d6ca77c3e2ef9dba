"""What might be taken for something else, and is not: each was once."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rdmtools as rdm
from rdmtools.errors import FormatError, ParameterError, RdmtoolsWarning
from rdmtools.run.run import Run

STEPS = np.array([0, 20, 50])
LOSSES = np.random.default_rng(0).random((3, 2))
WIDE = pd.DataFrame(LOSSES, columns=["a", "b"])


def told(frame, **options):
    with pytest.warns(RdmtoolsWarning):
        return Run.from_frame(frame, **options)


def test_a_dash_before_a_step_is_no_sign():
    frame = pd.DataFrame(LOSSES.T, columns=["checkpoint-500", "checkpoint-1000", "checkpoint-1500"])
    run = told(frame.assign(sample_id=["x", "y"]))
    assert run.steps.tolist() == [500, 1000, 1500]
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert told(frame.set_axis(["-10", "0", "10"], axis=1).assign(sample_id=[0, 1])).steps[0] == -10


def test_a_table_that_is_sorted_by_sample_has_no_start_that_supersedes():
    frame = pd.DataFrame({"step": np.tile(range(10), 3), "sample_id": np.repeat([0, 1, 2], 10), "loss": 0.5})
    assert Run.from_frame(frame).shape == (10, 3)
    with pytest.raises(ParameterError, match="the rows are in no order of time"):
        Run.from_frame(frame, restarts="supersede")


def test_folders_of_steps_are_in_the_order_of_their_numbers(tmp_path):
    for step in range(0, 115, 5):
        folder = tmp_path / f"step={step}"
        folder.mkdir()
        pd.DataFrame({"sample_id": [0, 1], "loss": [0.5, step / 7]}).to_parquet(folder / "part.parquet")
    with pytest.warns(RdmtoolsWarning, match="names of folders"):
        run = rdm.read_run(tmp_path)
    assert (len(run.steps), run.quality.restarts) == (23, 0)
    with pytest.warns(RdmtoolsWarning):
        assert len(rdm.read_run(tmp_path, restarts="supersede").steps) == 23


def test_losses_of_tokens_beside_an_id_are_no_samples(tmp_path):
    frame = pd.DataFrame({"step": [0, 0, 1, 1], "sample_id": [0, 1, 0, 1], "loss": [[0.1, 0.2]] * 4})
    with pytest.raises(ParameterError, match="column 'loss' is of type list"):
        Run.from_frame(frame)
    frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(FormatError, match="column 'loss' is of type list"):
        rdm.read_run(tmp_path / "x.parquet")


def test_a_list_of_other_numbers_is_no_losses():
    frame = pd.DataFrame({"step": [0, 1], "embedding": [[0.1, 0.2]] * 2})
    with pytest.raises(ParameterError, match="no column"):
        Run.from_frame(frame)


def test_an_index_that_pandas_kept_is_the_steps_and_no_sample(tmp_path):
    WIDE.set_axis(STEPS).to_parquet(tmp_path / "x.parquet")
    with pytest.warns(RdmtoolsWarning) as said:
        path = rdm.convert(tmp_path / "x.parquet", tmp_path / "y.parquet")
    assert str(said[1].message).endswith("took the index, which has no name, for the steps")
    run = rdm.read_run(path)
    assert (run.steps.tolist(), run.samples["sample_id"].tolist()) == ([0, 20, 50], ["a", "b"])
    frame = WIDE.assign(step=STEPS).iloc[[0, 2]]
    assert told(frame, layout="wide").samples["sample_id"].tolist() == ["a", "b"]


def test_an_index_of_even_steps_counts():
    assert told(WIDE.set_axis(pd.RangeIndex(0, 60, 20))).steps.tolist() == [0, 20, 40]
    assert told(WIDE).steps.tolist() == [0, 1, 2]


def test_a_pivot_whose_index_was_reset_keeps_its_steps():
    long = (
        WIDE.set_axis(pd.Index(STEPS, name="step")).stack().rename("loss").rename_axis(["step", "sample_id"])
    )
    table = long.reset_index().pivot_table(index="step", columns="sample_id", values=["loss"]).reset_index()
    run = told(table)
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert (run.steps.tolist(), run.samples["sample_id"].tolist()) == ([0, 20, 50], ["a", "b"])


def test_whole_floats_that_are_not_exact_are_refused():
    ids = np.array([16777216, 16777220], "f4")
    frame = pd.DataFrame({"step": [0, 0], "sample_id": ids, "loss": [0.5, 0.25]})
    with pytest.raises(ParameterError, match="column 'sample_id' has 16777220 in row 1; needed"):
        Run.from_frame(frame)


def test_a_mark_that_may_part_thousands_is_refused(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("step\tsample_id\tloss\n0\ta\t1,500\n10\ta\t987.5\n")
    with pytest.raises(FormatError, match=r"invalid value '987.5'"):
        rdm.read_run(path)
    path.write_text("step\tsample_id\tloss\n1,000\ta\t1,5\n2,000\ta\t1,25\n")
    with pytest.raises(FormatError, match="column 'step': invalid value '1,000'"):
        rdm.read_run(path)


def test_steps_of_an_array_as_text_are_no_sample(tmp_path):
    np.savetxt(tmp_path / "x.csv", np.c_[STEPS, LOSSES], delimiter=",")
    with pytest.raises(FormatError, match="some of them whole; needed to know which are steps and ids"):
        rdm.read_run(tmp_path / "x.csv")


def test_words_that_are_ids_are_samples_where_the_layout_is_given(tmp_path):
    names = ["cat", "error", "score"]
    frame = pd.DataFrame(np.random.default_rng(0).random((3, 3)), columns=names).assign(step=STEPS)
    assert told(frame).samples["sample_id"].tolist() == ["cat"]
    assert Run.from_frame(frame, layout="wide").samples["sample_id"].tolist() == names


def test_a_folder_of_wide_parts_is_converted(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, start in enumerate((0, 100)):
        WIDE.assign(step=STEPS + start).to_parquet(folder / f"{number}.parquet")
    with pytest.raises(FormatError, match="convert it"):
        rdm.read_run(folder)
    with pytest.warns(RdmtoolsWarning, match="read as wide"):
        run = rdm.read_run(rdm.convert(folder, tmp_path / "run.parquet"))
    np.testing.assert_array_equal(run.losses, np.vstack([LOSSES, LOSSES]))


def test_runs_in_folders_of_wide_tables_are_not_mixed(tmp_path):
    for seed in (0, 1):
        (tmp_path / f"seed={seed}").mkdir()
        table = pa.table({"step": STEPS, "losses": LOSSES.tolist()})
        pq.write_table(table, tmp_path / f"seed={seed}" / "part.parquet")
    with pytest.raises(FormatError, match=r"folders of 2 values of seed .* hold the same steps"):
        rdm.read_run(tmp_path)


def test_tables_that_are_not_ours_are_not_overwritten(tmp_path):
    (tmp_path / "run.rdm").mkdir()
    mine = tmp_path / "run.rdm" / "samples.parquet"
    pd.DataFrame({"sample_id": [0], "group": ["mine"]}).to_parquet(mine)
    before = mine.read_bytes()
    with pytest.raises(ParameterError, match=r"samples\.parquet is not what rdmtools wrote; move it away"):
        rdm.ProbeLogger(tmp_path / "run.parquet", overwrite=True)
    assert mine.read_bytes() == before


def test_a_file_beside_folders_of_steps_is_not_read_alone(tmp_path):
    for step in (0, 5):
        (tmp_path / f"step={step}").mkdir()
        pd.DataFrame({"sample_id": [0, 1], "loss": [0.5, 0.25]}).to_parquet(
            tmp_path / f"step={step}" / "a.parquet"
        )
    WIDE.assign(step=STEPS).to_parquet(tmp_path / "extra.parquet")
    with pytest.raises(FormatError, match=r"beside folders such as step=0.*; move away extra\.parquet"):
        rdm.read_run(tmp_path)

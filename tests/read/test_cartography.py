"""Training dynamics are read from their folder, and from the folder of outputs around it."""

import json
import warnings

import numpy as np
import pytest

import rdmtools
from rdmtools.errors import FormatError
from rdmtools.read.read import read_run


def written(folder, epochs=3, samples=4):
    folder.mkdir(parents=True)
    for epoch in range(epochs):
        lines = [
            {"guid": guid, f"logits_epoch_{epoch}": [0.0, epoch], "gold": guid % 2} for guid in range(samples)
        ]
        (folder / f"dynamics_epoch_{epoch}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_the_folder_of_outputs_is_read_by_what_lies_in_it(tmp_path):
    inner = written(tmp_path / "output" / "training_dynamics")
    (tmp_path / "output" / "config.json").write_text("{}")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run = read_run(tmp_path / "output")
    assert [str(each.message) for each in said] == [
        f"{tmp_path / 'output'}: read training_dynamics, which lies in it"
    ]
    assert (run.name, run.shape) == ("output", (3, 4))
    np.testing.assert_array_equal(run.losses, read_run(inner).losses)
    np.testing.assert_allclose(run.losses[1, :2], [np.log(1 + np.e), np.log(1 + np.exp(-1))])
    with pytest.warns(match="read training_dynamics"):
        assert read_run(rdmtools.convert(tmp_path / "output")).shape == (3, 4)


LINE = '{"guid": 0, "logits_epoch_0": [0.0, 1.0], "gold": 0}'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[" * 100_000, "line 1 nests too deep"),
        (
            LINE.replace('"guid": 0', f'"guid": {2**63}'),
            "line 1 has guid 9223372036854775808; needed an integer",
        ),
        (LINE.replace('"gold": 0', f'"gold": {"9" * 4000}'), "needed a class from 0 to 1"),
        (LINE.replace("1.0", "9" * 400), "needed a list of at least two numbers"),
    ],
)
def test_lines_that_are_hostile_are_told_in_one_short_line(line, message, tmp_path):
    (tmp_path / "dynamics_epoch_0.jsonl").write_text(line)
    with pytest.raises(FormatError) as error:
        read_run(tmp_path)
    assert message in str(error.value)
    assert len(str(error.value)) < 400

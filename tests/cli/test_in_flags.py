"""Messages of the library speak Python; on the command line their arguments are flags that can be pasted."""

import pytest

from rdmtools_cli.in_flags import in_flags


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        (
            'pass missing="drop-samples" or "drop-steps", or cut',
            "pass --missing drop-samples or drop-steps, or cut",
        ),
        ('map with columns={"step": "it", "loss": "nll"}', "map with --columns step=it,loss=nll"),
        ('map with columns={"loss": "my loss"}', "map with --columns 'loss=my loss'"),
        ('map with columns={"loss": "…"}', "map with --columns loss=…"),
        ("pass overwrite=True, or choose", "pass --overwrite, or choose"),
        ("window=20 gives a window alone", "--window 20 gives a window alone"),
        ("windows=(10, 20)", "--window 10 --window 20"),
        ('choose another with target="…"', "choose another with --out …"),
        ('(restarts="keep")', "(--restarts keep)"),
        ('name another folder: save("DIR")', "name another folder: --out DIR"),
        ("needed one probe set: pass the same samples= each time", None),
        ("e.g. with reduction='none', and log it", None),
        ("x.csv: step 3 follows step 4", None),
        ("run.missing='drop-steps'", None),
    ],
)
def test_arguments_are_flags_and_other_words_stay(python, shell):
    assert in_flags(python) == (python if shell is None else shell)

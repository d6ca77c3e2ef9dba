"""A choice is one field of a dataclass: its flag, default, help and values follow from it, both ways."""

import shlex
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Annotated

import pytest
import typer
from helpers.runs import with_event
from typer.testing import CliRunner

import rdmtools as rdm
from rdmtools.errors import ParameterError, RdmtoolsError, RdmtoolsWarning
from rdmtools.report import reproduce
from rdmtools.run.layout import LAYOUTS
from rdmtools_cli import options
from rdmtools_cli.commands import Layout


@dataclass(frozen=True, kw_only=True)
class Oven:
    """Choices of nothing that rdmtools knows."""

    heat: float = field(default=180.5, metadata={"help": "How hot it is."})
    shelves: tuple[int, ...] = field(
        default=(1, 2), metadata={"help": "Where it stands.", "flags": ("--shelf", "-s")}
    )
    air: str = field(default="still-air", metadata={"help": "What moves.", "choices": ("still-air", "fan")})
    crust: str | None = field(default=None, metadata={"help": "How thick.", "choices": ("thin", "thick")})
    grill_too: bool = field(default=False, metadata={"help": "From above."})
    sizes: Mapping[str, str] | None = field(default=None, metadata={"help": "What fits.", "metavar": "A=B"})
    tins: tuple[str, ...] = field(default=(), metadata={"help": "What it is baked in.", "flags": ("--tin",)})

    def __post_init__(self):
        if self.heat > 300:
            raise ParameterError(f"heat is {self.heat}; choose at most 300")


def called(*words, kind=Oven, does=lambda oven: None):
    """Exit code of a toy command, what it printed, and with what it was called if it was."""
    calls = []

    def toy(oven: kind, as_json: options.Json = False):
        calls.append(oven)
        return does(oven)

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(options.command(toy))
    done = CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "140", "NO_COLOR": "1"})
    return done.exit_code, done.output, *calls


def test_a_field_is_a_flag_and_its_default_the_default():
    assert called() == (0, "", Oven())


def test_every_kind_of_field_comes_back_as_the_library_has_it():
    words = ("--heat", 90, "-s", 3, "--shelf", 4, "--air", "fan", "--crust", "thin", "--grill-too")
    code, text, oven = called(*words, "--sizes", "cake=s, bread=l", "--tin", "round", "--tin", "a, b")
    assert (code, text) == (0, "")
    assert oven == Oven(
        heat=90.0,
        shelves=(3, 4),
        air="fan",
        crust="thin",
        grill_too=True,
        sizes={"cake": "s", "bread": "l"},
        tins=("round", "a, b"),
    )
    kinds = [float, tuple, str, str, bool, dict, tuple]  # an answer of typer's own kind would be equal, too
    assert [type(getattr(oven, each.name)) for each in fields(oven)] == kinds


def test_help_says_what_the_metadata_say():
    lines = called("--help")[1].splitlines()
    for flag, *texts in (
        ("--heat", "How hot it is.", "180.5"),
        ("--shelf", "-s", "Where it stands.", "1, 2"),
        ("--air", "still-air|fan", "What moves.", "[default: still-air]"),
        ("--grill-too", "From above."),
        ("--sizes", "A=B", "What fits."),
    ):
        [line] = [line for line in lines if flag in line]
        for text in texts:
            assert text in line
    assert not any("--no-grill-too" in line for line in lines)


def test_one_more_field_is_one_more_flag():
    rack = ("rack", str, field(default="low", metadata={"help": "Which rack.", "choices": ("low", "high")}))
    larger = make_dataclass("Larger", [rack], bases=(Oven,), kw_only=True, frozen=True)
    code, _, oven = called("--rack", "high", "--heat", 90, kind=larger)
    assert (code, oven) == (0, larger(rack="high", heat=90.0))
    assert "Which rack." in called("--help", kind=larger)[1]


def test_a_command_may_leave_fields_out():
    kind = Annotated[Oven, options.Without({"air", "sizes"})]
    assert called("--heat", 90, kind=kind) == (0, "", Oven(heat=90.0))
    assert called("--air", "fan", kind=kind)[0] == 2
    text = called("--help", kind=kind)[1]
    assert [flag in text for flag in ("--heat", "--air", "--sizes")] == [True, False, False]


def test_bad_values_are_usage_and_told_by_flag_or_in_one_line():
    code, text, *calls = called("--air", "storm")
    assert (code, calls) == (2, [])
    assert "'--air'" in text
    assert "'storm' is not one of 'still-air', 'fan'." in text
    assert called("--heat", 301) == (2, "error: heat is 301.0; choose at most 300\n")
    code, text = called("--heat", 301, "--json")
    assert (code, text.count("\n"), '"error": "heat is 301.0;' in text) == (2, 1, True)
    code, text = called("--sizes", "cake")
    assert (code, "'cake' is not NAME=COLUMN[,NAME=COLUMN], such as loss=nll" in text) == (2, True)


def test_what_a_command_raises_warns_of_and_returns():
    def burn(oven):
        raise RdmtoolsError("it burnt")

    def warm(oven):
        warnings.warn("it is warm", RdmtoolsWarning, stacklevel=1)

    assert called(does=burn)[:2] == (1, "error: it burnt\n")
    assert called(does=warm)[:2] == (0, "note: it is warm\n")
    assert called(does=lambda oven: False)[:2] == (1, "")
    assert called(does=lambda oven: True)[:2] == (0, "")


OTHERS = {
    bool: lambda value: not value,
    int: lambda value: value + 1,
    float: lambda value: value / 2,
    float | None: lambda _: 40.0,
    tuple[str, ...]: lambda value: (*value, "a b"),
}


@pytest.mark.parametrize("choice", fields(rdm.AnalysisSettings), ids=lambda choice: choice.name)
def test_the_line_that_makes_an_analysis_again_has_every_setting(choice, tmp_path):
    run = with_event()
    run.source = tmp_path / "run.parquet"
    run.scalars = run.scalars.assign(**{"a b": 0.0})  # columns that settings may name
    run.samples = run.samples.assign(**{"a b": "x"})
    if choice.name == "windows":
        value = (7, 9)
    elif "choices" in choice.metadata:
        value = choice.metadata["choices"][-1 if choice.default == choice.metadata["choices"][0] else 0]
    else:
        value = OTHERS[choice.type](choice.default)
    settings = rdm.AnalysisSettings(**{choice.name: value})
    assert getattr(settings, choice.name) != choice.default
    calls = []

    def analyze(runs: options.Paths, *, settings: rdm.AnalysisSettings):
        calls.append((runs, settings))

    app = typer.Typer()
    app.command()(options.command(analyze))
    _, _, *words = shlex.split(reproduce.command(rdm.analyze(run, settings)))
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.output) == (0, "")
    assert calls == [([str(run.source)], settings)]


def test_the_layouts_that_convert_takes_are_those_of_the_library():
    assert [each.value for each in Layout] == list(LAYOUTS)

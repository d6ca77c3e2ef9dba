"""How does a command get its flags? From the fields of the dataclasses that it takes, one flag a field.

`AnalysisSettings` and `Rules` have the name, type and default of each choice; the metadata of a field its
`help`, and where it has such its `choices`, `flags` and `metavar`. A new field is a new flag.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field, fields, is_dataclass
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast, get_args

import typer

from rdmtools.analysis.settings import flags
from rdmtools.errors import ParameterError, RdmtoolsError

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="run.parquet, run.csv and so on, a directory of parts, or a quoted glob; also s3://bucket/run.parquet.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout, errors too.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where the results go.")]


class Without(frozenset[str]):
    """Fields that are no flags of a command: ``rules: Annotated[Rules, Without({"group_by"})]``."""


def command(
    function: Callable[..., bool | None], does: Callable[..., bool | None] | None = None
) -> Callable[..., None]:
    """The function as typer takes it, with flags in place of each parameter that is a dataclass.

    What is called is `does`, with the same parameters, or the function itself.

    What rdmtools warns of becomes notes. What it raises becomes one line, and exit code 1, or 2 where an
    argument does not fit; and a function that returns False could not do all: exit code 1.
    """
    parameters: list[Parameter] = []
    dataclasses: dict[str, tuple[type, list[_Option]]] = {}
    for name, parameter in signature(function).parameters.items():
        kind, *marks = get_args(parameter.annotation) or (parameter.annotation,)
        if is_dataclass(kind):
            left_out = Without().union(*marks)
            options = [_option(field) for field in fields(kind) if field.name not in left_out]
            parameters += [option.parameter for option in options]
            dataclasses[name] = cast("type", kind), options
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))

    @wraps(function)
    def run(**given: Any) -> None:
        from rdmtools_cli.console import (  # rich: only what prints has need of it
            print_error,
            warnings_as_notes,
        )

        try:
            for name, (kind, options) in dataclasses.items():
                given[name] = kind(**{field: value(given.pop(field)) for field, _, value in options})
            with warnings_as_notes():
                done = (does or function)(**given)
        except RdmtoolsError as error:
            print_error(error, None, given.get("as_json", False))
            raise typer.Exit(2 if isinstance(error, ParameterError) else 1) from None
        if done is False:
            raise typer.Exit(1)

    vars(run)["__signature__"] = Signature(parameters)
    return run


class _Option(NamedTuple):
    """What typer asks for a field, and what makes the field's value of the answer."""

    field: str
    parameter: Parameter
    value: Callable[[Any], Any]


def _option(field: Field[Any]) -> _Option:
    about = field.metadata
    kind, value = _FORMS.get(field.type, (field.type, lambda answer: getattr(answer, "value", answer)))
    if "choices" in about:
        kind = StrEnum(field.name, {choice: choice for choice in about["choices"]})
    option = typer.Option(field.default, *flags(field), metavar=about.get("metavar"), help=about["help"])
    parameter = Parameter(field.name, Parameter.KEYWORD_ONLY, default=option, annotation=kind)
    return _Option(field.name, parameter, value)


def _columns(text: str | None) -> dict[str, str] | None:
    """``step=global_step,loss=nll`` -> {"step": "global_step", "loss": "nll"}."""
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    for ours, equals, theirs in pairs:
        if not (ours and equals and theirs):
            raise typer.BadParameter(f"{text!r} is not NAME=COLUMN[,NAME=COLUMN], such as loss=nll")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


# Types of fields that typer does not know: what it asks for instead, and what makes the field's value of it.
_FORMS: dict[Any, tuple[Any, Callable[[Any], Any]]] = {
    tuple[int, ...]: (list[int], tuple),
    tuple[str, ...]: (list[str], tuple),
    Mapping[str, str] | None: (str | None, _columns),
}

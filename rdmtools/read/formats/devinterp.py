"""What losses did devinterp keep? Those of probe sequences under SGLD draws around a checkpoint, as Zarr.

    samples.zarr/loss_code      (chain, draw, batch_code, token_pos), by `sample(..., output_path=)`

A store is a step, an array `loss_…` a probe set, a sequence a sample: its loss is the mean over its tokens.
The draws of all chains become the draws of that step, its losses are their means, for the checkpoint's own
are not kept. Several stores in a folder, checkpoint-100.zarr and so on, are the steps of one run.
Source: github.com/timaeus-research/devinterp, slt/sampling.py of 2.0.1. Needs the package `zarr`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingImports=false

import json
import math
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import FormatError, ParameterError, RdmtoolsError, one_line
from rdmtools.format.names import LOSS
from rdmtools.read.formats.listing import some_paths
from rdmtools.read.formats.unfolded import MB, MOST_BYTES, MOST_TIMES
from rdmtools.run.from_table import Wide
from rdmtools.run.layout import left_out, shortened
from rdmtools.run.quality import counted
from rdmtools.run.usual_names import NO_SAMPLES

_GROUP, _OLD_GROUP = "zarr.json", ".zgroup"
_DRAWN = ("chain", "draw")
_TOKENS = "token_pos"
_FILES = 1_000_000
_PREFIX = "loss_"
_STEP = re.compile(r"(?:^|.*(?:step|checkpoint|ckpt|iter|iteration|epoch)[-_=]?)([0-9]{1,18})")
# A codec may run code, as that of pickles does: these give numbers and nothing else.
_CODECS = frozenset(("bytes", "transpose", "zstd", "blosc", "gzip", "crc32c"))


def is_store(path: Path) -> bool:
    """Whether `path` is a Zarr store, or a folder of several."""
    return _is_store(path) or len(_stores(path)) > 1


def read(path: Path, layout: str | None, columns: Mapping[str, str] | None) -> tuple[Wide, list[str]]:
    """The losses of a store, or of several, and what was guessed. `columns` maps `loss` to an array.

    Raises ParameterError, and FormatError where `zarr` is not installed.
    """
    if others := [role for role in columns or {} if role != LOSS]:
        raise ParameterError(f"columns maps {others[0]!r}; needed loss alone: a store has steps of its own")
    stores = [path] if _is_store(path) else _stores(path)
    notes: list[str] = []
    by_step: dict[int, NDArray[np.float64]] = {}
    name = (columns or {}).get(LOSS)
    for store, step in zip(stores, _steps(stores, notes), strict=True):
        with _told(store):
            name, said, by_step[step] = _draws(store, name)
        notes += [note for note in said if note not in notes]
    steps = np.array(sorted(by_step), np.int64)
    draws = [by_step[step] for step in steps.tolist()]
    if len(sizes := {losses.shape[1] for losses in draws}) > 1:
        raise ParameterError(
            f"stores of {shortened([*map(str, sorted(sizes))])} samples; needed the same in all"
        )
    notes.append("the losses of a step are the means over its draws")
    return Wide(steps=steps, ids=None, losses=np.stack([each.mean(0) for each in draws]), draws=draws), notes


def _is_store(path: Path) -> bool:
    return (path / _GROUP).is_file() or (path / _OLD_GROUP).is_file()


def _stores(path: Path) -> list[Path]:
    return [folder for folder in some_paths(path) if _is_store(folder)]


def _steps(stores: list[Path], notes: list[str]) -> list[int]:
    """Steps of the checkpoints, from the names of their stores."""
    found = [_STEP.fullmatch(store.name.removesuffix(".zarr")) for store in stores]
    if len(stores) == 1 and found[0] is None:
        notes.append("found no step in the name of the store: took 0; name it checkpoint-100.zarr or so")
        return [0]
    steps = [int(each[1]) for each in found if each is not None]
    if len({*steps}) < len(stores):
        raise ParameterError(
            f"stores {shortened([store.name for store in stores])} do not tell a step each; needed names "
            f"such as checkpoint-100.zarr, or one store: pass '{stores[0]}'"
        )
    return steps


@contextmanager
def _told(store: Path) -> Generator[None]:
    """Whatever zarr raises over a store, of any kind, in one line."""
    try:
        yield
    except ImportError as error:
        raise FormatError(
            f"{store} is a Zarr store, and zarr is not installed ({error}); "
            "needed it to read one: pip install 'rdmtools[devinterp]'"
        ) from error
    except ParameterError as error:
        raise FormatError(f"{store}: {error}") from error
    except RdmtoolsError:
        raise
    except Exception as error:
        raise FormatError(
            f"{store} cannot be read ({one_line(error)}); needed a whole store of devinterp; sample again"
        ) from error


def _draws(store: Path, wanted: str | None) -> tuple[str, list[str], NDArray[np.float64]]:
    """Which array was taken, what is said of that, and the losses under draws (draws, samples)."""
    about = json.loads((store / _GROUP).read_bytes()) if (store / _GROUP).is_file() else {}
    if about.get("zarr_format") != 3 or about.get("node_type") != "group":
        raise ParameterError(
            "a Zarr array, or of format 2; needed a group of format 3, as devinterp 2 writes"
        )
    arrays = {folder.name: json.loads((folder / _GROUP).read_bytes()) for folder in _stores(store)}
    name, notes = _array_of(arrays, wanted)
    _refuse_odd(store / name, name, arrays[name])
    import zarr

    array: Any = zarr.open_array(str(store / name), mode="r", zarr_format=3)
    has_tokens = array.ndim == 4
    chains, draws, samples = array.shape[:3]
    found = np.empty((chains * draws, samples))
    rows = array.chunks[1]
    for chain in range(chains):
        for first in range(0, draws, rows):
            last = min(first + rows, draws)
            block = np.asarray(array[chain, first:last], np.float64)
            found[chain * draws + first : chain * draws + last] = block.mean(2) if has_tokens else block
    if has_tokens:
        notes.append(f"took each sequence for a sample: the mean over its {counted(array.shape[3], 'token')}")
    there = ~np.isnan(found).all(1)
    if not there.any():
        raise ParameterError(f"array {name!r} has no draw that was written; needed one; sample again")
    if not there.all():
        lost = counted(int((~there).sum()), "draw")
        notes.append(f"left out {lost} of {len(found)} that were never written: sampling was interrupted")
    return name, notes, found[there]


def _array_of(arrays: Mapping[str, Any], wanted: str | None) -> tuple[str, list[str]]:
    """The array with losses of fixed samples, and what was guessed or left out."""

    def fits(name: str) -> bool:
        dims = tuple(arrays[name].get("dimension_names") or ())
        return dims[:2] == _DRAWN and (len(dims) == 3 or (len(dims) == 4 and dims[3] == _TOKENS))

    fit = [name for name in arrays if name.startswith(_PREFIX) and fits(name)]
    if wanted is not None:
        if wanted not in arrays or not fits(wanted):
            raise ParameterError(
                f"no array {wanted!r} (chain, draw, samples, tokens); found {shortened(fit) or 'none'}; "
                "map loss to one of them"
            )
        return wanted, left_out("array", [name for name in arrays if name != wanted])
    if not fit:
        losses = ", ".join(name for name in arrays if "loss" in name) or "none"
        raise ParameterError(
            f"no losses of fixed samples, for those of a batch change from draw to draw ({losses}); needed "
            "observables={'probe': dataset} in devinterp's sample()"
            if any("sampling" in name for name in arrays)
            else NO_SAMPLES.format(names=losses)
        )
    if len(fit) > 1:
        raise ParameterError(
            f'several probe sets, {shortened(fit)}; needed one; choose with columns={{"loss": "{fit[0]}"}}'
        )
    others = left_out("array", [name for name in arrays if name != fit[0]])
    return fit[0], [f"took array {fit[0]!r} for the losses", *others]


def _refuse_odd(folder: Path, name: str, about: Mapping[str, Any]) -> None:
    """Raise ParameterError where an array is no numbers, or speaks of more than is there."""
    shape, chunks = about["shape"], about["chunk_grid"]["configuration"]["chunk_shape"]
    kind, codecs = about["data_type"], [codec["name"] for codec in about["codecs"]]
    if kind not in ("float16", "float32", "float64") or not _CODECS.issuperset(codecs):
        raise ParameterError(
            f"array {name!r} is of type {str(kind)[:40]}, written with {shortened([*map(str, codecs)])}; "
            f"needed numbers, with {', '.join(sorted(_CODECS))}"
        )
    if len(shape) != len(about["dimension_names"]) or min(shape) < 1 or min(chunks) < 1:
        raise ParameterError(f"array {name!r} has shape {str(shape)[:60]}; needed one of its dimensions")
    width = np.dtype(kind).itemsize
    on_disk = sum(file.stat().st_size for file in islice(folder.rglob("*"), _FILES))
    size = width * max(math.prod(shape), math.prod(chunks))
    chunk = width * math.prod(chunks)
    if size > (most := max(MOST_BYTES, MOST_TIMES * on_disk)) or chunk > MOST_BYTES:
        raise ParameterError(
            f"array {name!r} speaks of {size / MB:,.0f} MB, in chunks of {chunk / MB:,.0f}; needed at most "
            f"{most / MB:,.0f} in chunks of {MOST_BYTES / MB:,.0f}: there are {on_disk / MB:,.1f} MB"
        )

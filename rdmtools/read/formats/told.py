"""What do people bring that is not read, and what can they do instead? A line for each, by its name's end."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from pathlib import Path
from typing import Any

from rdmtools.errors import FormatError
from rdmtools.read.formats.json_text import opened
from rdmtools.run.usual_names import NO_SAMPLES

_PEEKED_BYTES = 1 << 24  # of a JSON file, to say what it is
_SHOWN = 4

_TORCH = "np.save('losses.npy', losses.numpy())"
_PICKLE = (
    "a pickle, which can run code when it is opened: never read here; needed the losses (steps, samples) as "
    "numbers alone; save them where you made them: {save}; then rdm.convert('losses.npy')"
)
_ARRAY = "needed the losses (steps, samples) as .npy: {line}; then rdm.convert('{stem}.npy')"
_TABLE = "needed a table as .csv: {line}; then rdm.convert('{stem}.csv')"
_ARCHIVE = "an archive; needed what is in it; unpack it and pass that"

# By the end of a name: what it is and what to do, with {path} and {stem} of it.
TOLD: dict[tuple[str, ...], str] = {
    (".pt", ".pth", ".ckpt", ".bin"): "a file of PyTorch, " + _PICKLE.format(save=_TORCH),
    (".pkl", ".pickle", ".joblib"): _PICKLE.format(save="np.save('losses.npy', losses)"),
    (".safetensors",): "a file of tensors; "
    + _ARRAY.format(
        line="np.save('{stem}.npy', safetensors.numpy.load_file('{path}')['losses'])", stem="{stem}"
    ),
    (".h5", ".hdf5"): "an HDF5 file; "
    + _ARRAY.format(line="np.save('{stem}.npy', h5py.File('{path}')['losses'][:])", stem="{stem}"),
    (".mat",): "a MATLAB file; "
    + _ARRAY.format(line="np.save('{stem}.npy', scipy.io.loadmat('{path}')['losses'])", stem="{stem}"),
    (".nc", ".netcdf"): "a NetCDF file; "
    + _ARRAY.format(line="np.save('{stem}.npy', xarray.open_dataset('{path}')['losses'])", stem="{stem}"),
    (".xlsx", ".xls", ".ods"): "a spreadsheet; "
    + _TABLE.format(line="pd.read_excel('{path}').to_csv('{stem}.csv', index=False)", stem="{stem}"),
    (".sqlite", ".sqlite3"): "an SQLite database; "
    + _TABLE.format(
        line="pd.read_sql('select step, sample_id, loss from losses', sqlite3.connect('{path}'))"
        ".to_csv('{stem}.csv', index=False)",
        stem="{stem}",
    ),
    (".db",): "an SQLite database, as trackio keeps; needed its rows as lines of JSON: "
    "pathlib.Path('{stem}.jsonl').write_text('\\n'.join(json.dumps(json.loads(m) | {{'step': s}}) "
    "for s, m in "
    "sqlite3.connect('{path}').execute(\"select step, metrics from metrics where run_name = 'RUN' "
    "order by id\"))); then rdm.convert('{stem}.jsonl')",
    (".wandb",): "a log of Weights & Biases in its own form; "
    + _TABLE.format(
        line="pd.DataFrame(wandb.Api().run('ENTITY/PROJECT/RUN').scan_history())"
        ".to_csv('{stem}.csv', index=False)",
        stem="{stem}",
    ),
    (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".zst", ".bz2", ".xz"): _ARCHIVE,
}


def refuse_told(path: Path) -> None:
    """Raise FormatError where the name of `path` tells a form that is known and not read."""
    if path.name.endswith(".json") and path.is_file():
        raise FormatError(f"{path} is {_json(path)}")
    for ends, line in TOLD.items():
        if path.name.endswith(ends):
            stem = path.name.removesuffix(next(filter(path.name.endswith, reversed(ends)))) or path.name
            raise FormatError(f"{path} is {line.format(path=path, stem=path.with_name(stem))}")


def _json(path: Path) -> str:
    """What is in a .json file, and what to do."""
    lines = f"needed the name to say so: mv '{path}' '{path.with_suffix('.jsonl')}'"
    with opened(path) as file:
        raw: bytes = file.read(_PEEKED_BYTES + 1)
    try:
        found: Any = json.loads(raw)
    except RecursionError:
        return "JSON that nests too deep; needed losses in lines of JSON, as .jsonl"
    except ValueError:
        first = raw.partition(b"\n")[0]
        if first.lstrip()[:1] == b"[" or _is_object(first):
            return f"lines of JSON or a long array; {lines}"
        whole = "damaged, or no JSON" if len(raw) <= _PEEKED_BYTES else "one large JSON object"
        return f"{whole}; needed losses in lines of JSON, as .jsonl"
    if isinstance(found, list):
        return f"one JSON array; {lines}"
    if not isinstance(found, dict):
        return "one JSON value; needed losses in lines of JSON, as .jsonl"
    known: dict[str, Any] = found
    if {"log_history", "global_step"} <= set(known):
        return f"the state of a Hugging Face Trainer, {NO_SAMPLES.format(names=_names(_logged(known)))}"
    if known and all(isinstance(value, dict) for value in known.values()):
        return (
            f"a table of columns, as pandas writes it; needed it as .csv: pd.read_json('{path}').to_csv("
            f"'{path.with_suffix('.csv')}', index=False); then rdm.convert('{path.with_suffix('.csv')}')"
        )
    curves = [name for name, value in known.items() if _is_number(value) or _is_curve(value)]
    if any("loss" in name.lower() for name in curves):
        return f"one JSON object with {NO_SAMPLES.format(names=_names(curves))}"
    return f"one JSON object ({_names(known)}); needed losses in lines of JSON, as .jsonl"


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _logged(state: dict[str, Any]) -> list[str]:
    """What a trainer logged of losses."""
    history: Any = state["log_history"]
    rows: list[Any] = history if isinstance(history, list) else []
    names = dict.fromkeys(str(name) for row in rows if isinstance(row, dict) for name in row)
    return [name for name in names if "loss" in name]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _is_curve(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _names(names: Any) -> str:
    few = [str(name)[:40] for name in names]
    return ", ".join(few[:_SHOWN]) + (", …" if len(few) > _SHOWN else "") if few else "none"

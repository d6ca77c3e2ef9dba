"""Which kinds of files may be damaged, or lie? A small valid input of each, and what a seed makes of it.

Every kind is a row in `KINDS`; `helpers.fuzz_worker` reads what comes out.
"""

import gzip
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from helpers import mutating as m
from helpers import mutating_tables as t
from helpers.journals import write_journal
from helpers.tables import LOSSES, SAMPLES, STEPS, WORDS, tidy

from rdmtools.read.formats import suffixes

_GROUPS = pa.table({"sample_id": range(SAMPLES), "group": ["a", "b", "a", "b"], "text": WORDS})
_SCALARS = pa.table({"step": STEPS, "accuracy": LOSSES[:, 0].astype(float)})
_DRAWN = [(int(step), np.tile(LOSSES[:3], 1)) for step in STEPS[:2]]
_ABOUT = {
    "name": "run",
    "unit": "nats",
    "created": "2026-01-01T00:00:00+00:00",
    "metadata": {"lr": 0.1, "layers": [1, 2]},
    "merged": ["rank0-attempt0 2026"],
    "ranks": 2,
    "superseded_rows": 8,
    "refused": {"step": 2},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of input: files, and which of them is changed in which ways."""

    write: Callable[[Path], object]
    """Writes the valid input into an empty folder."""
    target: str
    """A pattern of the files of which one is changed."""
    ways: tuple[Callable, ...]
    """(bytes, generator) -> bytes."""
    run: str = "run.parquet"
    doors: tuple[str, ...] = ("read", "convert")
    losses_stay: bool = False
    """Whether the fault is beside the losses, and must never block them."""
    there: Callable[[], object] = lambda: True
    """Whether this release, as it is installed, reads the kind."""


def _ours(folder):
    from rdmtools.format.write_table import write_losses

    write_losses(folder / "run.parquet", [(STEPS, LOSSES)], range(SAMPLES), about=_ABOUT)


def _ours_in_words(folder):
    from rdmtools.format.write_table import write_losses

    write_losses(folder / "run.parquet", [(STEPS, LOSSES)], WORDS, dtype="float64", about=_ABOUT)


def _foreign(folder):
    table = tidy(WORDS).take(np.random.default_rng(0).permutation(44))
    pq.write_table(table, folder / "run.parquet", row_group_size=20, compression="snappy")


def _parts(folder):
    (folder / "run").mkdir()
    for part in (0, 1):
        rows = slice(22 * part, 22 * part + 22)
        pq.write_table(tidy()[rows], folder / "run" / f"part{part}.parquet", use_dictionary=False)


def _companions(folder):
    from rdmtools.format.write_table import write_draws, write_table

    _ours(folder)
    (folder / "run.rdm").mkdir()
    write_table(folder / "run.rdm" / "samples.parquet", _GROUPS, about=_ABOUT)
    write_table(folder / "run.rdm" / "scalars.parquet", _SCALARS, about=_ABOUT)
    write_draws(folder / "run.rdm" / "draws.parquet", _DRAWN, range(SAMPLES), about=_ABOUT)


def _journal(folder):
    """Two starts; the first has a part, and tells of its samples."""
    from rdmtools.format.write_table import write_losses, write_table

    path = folder / "run.parquet"
    scalars = [(int(step), {"accuracy": 0.5, "lr": 1}) for step in STEPS]
    write_journal(path, STEPS[2:], LOSSES[2:], scalars=scalars, draws=_DRAWN)
    first = folder / "run.rdm" / "journal" / "rank0-attempt0"
    second = shutil.copytree(first, first.with_name("rank0-attempt1"))
    for attempt, created in ((first, "2026-01-01T00:00:00+00:00"), (second, "2026-01-02T00:00:00+00:00")):
        manifest = json.loads((attempt / "manifest.json").read_bytes())
        (attempt / "manifest.json").write_text(json.dumps(manifest | {"created": created}))
    (first / "losses-000000.rdj").rename(first / "losses-000001.rdj")
    write_losses(
        first / "losses-000000.parquet", [(STEPS[:2], LOSSES[:2])], range(SAMPLES), about={"ended": 1}
    )
    write_table(first / "samples.parquet", _GROUPS)


def _analysis(folder):
    from helpers.runs import with_event

    from rdmtools.analysis.findings import find
    from rdmtools.analysis.settings import AnalysisSettings
    from rdmtools.results.saved import write_results

    (folder / "run").mkdir()
    write_results(find(with_event(), AnalysisSettings(windows=(20,))), folder / "run")


def _text(name, delimiter=","):
    def write(folder):
        rows = zip(*tidy(WORDS).to_pydict().values(), strict=True)
        lines = [["step", "sample_id", "loss"], *([step, f'"{word}"', loss] for step, word, loss in rows)]
        text = "".join(delimiter.join(map(str, line)) + "\n" for line in lines).encode()
        (folder / name).write_bytes(gzip.compress(text, 1, mtime=0) if name.endswith(".gz") else text)

    return write


def _wide_text(folder):
    lines = [["step", *WORDS], *([step, *row] for step, row in zip(STEPS, LOSSES.tolist(), strict=True))]
    (folder / "run.csv").write_text("".join(",".join(map(str, line)) + "\n" for line in lines))


def _json_lines(folder):
    (folder / "run.jsonl").write_text("".join(json.dumps(row) + "\n" for row in tidy(WORDS).to_pylist()))


def _dynamics(folder):
    (folder / "run").mkdir()
    for epoch in range(3):
        rows = ({"guid": word, f"logits_epoch_{epoch}": [0.5, -1.5, 2.0], "gold": 1} for word in WORDS)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "run" / f"dynamics_epoch_{epoch}.jsonl").write_text(text)


def _npz(folder):
    np.savez(folder / "run.npz", losses=LOSSES, step=STEPS, sample_id=np.arange(SAMPLES))


def _arrow(stream=False, compression=None, frame=False):
    def write(folder):
        table = tidy(WORDS)
        if frame:
            table = table.append_column("__index_level_0__", pa.array(range(44)))
            table = table.replace_schema_metadata({"pandas": json.dumps(t.PANDAS)})
        (folder / "run.arrow").write_bytes(t.ipc(table, stream, compression))

    return write


def _events(folder):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter
    from tensorboard.util.tensor_util import make_tensor_proto

    file = io.BytesIO()
    writer = RecordWriter(file)
    writer.write(Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
    for step, row in zip(STEPS.tolist(), LOSSES, strict=True):
        value = Summary.Value(tag="loss", tensor=make_tensor_proto(row))
        writer.write(Event(wall_time=2.0, step=step, summary=Summary(value=[value])).SerializeToString())
    (folder / "run").mkdir()
    (folder / "run" / "events.out.tfevents.1.host").write_bytes(file.getvalue())


_SCHEMA, _METADATA, _ARROW_SCHEMA = map(t.within_parquet, (t.of_table, t.of_metadata, t.of_arrow_schema))
_DAMAGE = (m.of_bytes, t.of_footer)
_ALL = (_SCHEMA, _SCHEMA, _METADATA, _METADATA, _ARROW_SCHEMA, *_DAMAGE)
_JOURNAL = "run.rdm/journal/*/"


def _csv(data, rng):
    return m.of_text(data, rng, ",")


KINDS = {
    # what is in run.parquet, and what it says of itself
    "parquet bytes": Kind(write=_ours, target="run.parquet", ways=_DAMAGE),
    "parquet bytes, words": Kind(write=_ours_in_words, target="run.parquet", ways=_DAMAGE),
    "parquet bytes, foreign": Kind(write=_foreign, target="run.parquet", ways=_DAMAGE),
    "parquet schema": Kind(write=_ours, target="run.parquet", ways=(_SCHEMA,)),
    "parquet schema, foreign": Kind(write=_foreign, target="run.parquet", ways=(_SCHEMA,)),
    "parquet metadata": Kind(write=_ours, target="run.parquet", ways=(_METADATA,), losses_stay=True),
    "parquet arrow schema": Kind(write=_ours, target="run.parquet", ways=(_ARROW_SCHEMA,)),
    "parquet parts": Kind(write=_parts, target="run/*.parquet", ways=_ALL, run="run"),
    # what lies beside it
    "samples": Kind(write=_companions, target="*/samples.parquet", ways=_ALL, losses_stay=True),
    "scalars": Kind(write=_companions, target="*/scalars.parquet", ways=_ALL, losses_stay=True),
    "draws": Kind(write=_companions, target="*/draws.parquet", ways=_ALL, losses_stay=True),
    # what loggers leave
    "journal bytes": Kind(
        write=_journal, target=_JOURNAL + "*.rdj", ways=(m.of_bytes,), doors=("read", "recover")
    ),
    "journal records": Kind(
        write=_journal, target=_JOURNAL + "*.rdj", ways=(m.of_records,), doors=("read", "recover")
    ),
    "journal manifests": Kind(
        write=_journal, target=_JOURNAL + "manifest.json", ways=(m.of_json,), doors=("read", "recover")
    ),
    "journal parts": Kind(
        write=_journal, target=_JOURNAL + "losses*.parquet", ways=_ALL, doors=("read", "recover")
    ),
    "journal samples": Kind(
        write=_journal,
        target=_JOURNAL + "samples.parquet",
        ways=_ALL,
        doors=("read", "recover"),
        losses_stay=True,
    ),
    # what analyses leave
    "analysis summary": Kind(
        write=_analysis, target="run/summary.json", ways=(m.of_json,), run="run", doors=("compare",)
    ),
    "analysis tables": Kind(
        write=_analysis, target="run/*.parquet", ways=_ALL, run="run", doors=("compare",)
    ),
    # what people bring
    "csv": Kind(write=_text("run.csv"), target="run.csv", ways=(m.of_bytes, _csv, _csv), run="run.csv"),
    "csv, wide": Kind(write=_wide_text, target="run.csv", ways=(m.of_bytes, _csv, _csv), run="run.csv"),
    "csv.gz": Kind(
        write=_text("run.csv.gz"),
        target="run.csv.gz",
        ways=(m.of_bytes, m.gzipped(m.of_bytes), m.gzipped(_csv)),
        run="run.csv.gz",
    ),
    "tsv": Kind(
        write=_text("run.tsv", "\t"),
        target="run.tsv",
        ways=(m.of_bytes, lambda data, rng: m.of_text(data, rng, "\t")),
        run="run.tsv",
    ),
    "json lines": Kind(
        write=_json_lines,
        target="run.jsonl",
        ways=(m.of_bytes, m.of_lines, m.of_lines),
        run="run.jsonl",
        there=lambda: ".jsonl" in suffixes(),
    ),
    "dynamics": Kind(write=_dynamics, target="run/*.jsonl", ways=(m.of_bytes, m.of_lines), run="run"),
    "npy": Kind(
        write=lambda folder: np.save(folder / "run.npy", LOSSES),
        target="run.npy",
        ways=(m.of_bytes, m.of_npy, m.of_npy),
        run="run.npy",
    ),
    "npz": Kind(write=_npz, target="run.npz", ways=(m.of_bytes, m.of_npz, m.of_npz), run="run.npz"),
    "arrow": Kind(write=_arrow(), target="run.arrow", ways=(m.of_bytes,), run="run.arrow"),
    "arrow stream": Kind(write=_arrow(stream=True), target="run.arrow", ways=(m.of_bytes,), run="run.arrow"),
    "arrow, zstd": Kind(
        write=_arrow(compression="zstd"), target="run.arrow", ways=(m.of_bytes,), run="run.arrow"
    ),
    "arrow schema": Kind(
        write=_arrow(frame=True),
        target="run.arrow",
        ways=tuple(map(t.within_arrow, (t.of_table, t.of_metadata, t.of_arrow_schema))),
        run="run.arrow",
    ),
    "event files": Kind(
        write=_events,
        target="run/*",
        ways=(m.of_bytes, m.of_events, m.of_events),
        run="run",
        there=lambda: find_spec("tensorboard"),
    ),
}


@cache
def valid(kind: str) -> dict[str, bytes]:
    """The valid input of a kind, by the names of its files."""
    with tempfile.TemporaryDirectory() as folder:
        KINDS[kind].write(Path(folder))
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        }


def mutated(kind: str, seed: int) -> dict[str, bytes]:
    """The files of an input, the same for the same kind and seed."""
    rng = np.random.default_rng([*kind.encode(), seed])
    files = dict(valid(kind))
    name = m.pick(rng, [name for name in files if Path(name).match(KINDS[kind].target)])
    files[name] = m.pick(rng, KINDS[kind].ways)(files[name], rng)
    return files

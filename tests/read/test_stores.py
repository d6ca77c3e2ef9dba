"""Runs in object stores are the runs that they are here, and no more of them is fetched than is needed."""

import json
import pickle
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import rdmtools as command
from helpers.journals import write_journal
from helpers.object_store import environment, serving
from helpers.tables import LOSSES, ROWS, SAMPLES, STEPS, WORDS, tidy

import rdmtools as rdm
from rdmtools.errors import ChangedError, FormatError, ParameterError, RdmtoolsWarning
from rdmtools.format.read_table import ParquetPart
from rdmtools.format.write_table import write_draws, write_losses, write_table
from rdmtools.read.read import read_run, read_runs
from rdmtools.read.stores import ahead, at
from rdmtools.read.tables import open_whole_steps
from rdmtools.report.reproduce import command as made_again

LONG = 60  # rows of a run that is analysed


@pytest.fixture(scope="module")
def server():
    with serving() as found:
        yield found


@pytest.fixture
def store(server, monkeypatch):
    """An empty bucket, which the environment leads to."""
    for name, value in environment(server).items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    server.remove_all()
    return server


@pytest.fixture
def memory():
    """The store of fsspec that lies in memory, empty."""
    found = pytest.importorskip("fsspec", reason="other stores: pip install 'rdmtools[remote]'")
    filesystem = found.filesystem("memory")
    yield filesystem
    filesystem.rm("/", recursive=True)


@pytest.fixture
def ours(tmp_path):
    """A run as a logger leaves it, here."""
    folder = tmp_path / "here"
    folder.mkdir()
    about = {"name": "run", "unit": "bits", "metadata": {"lr": 0.1}}
    path = folder / "run.parquet"
    write_losses(path, [(STEPS, LOSSES)], WORDS, about=about)
    beside = folder / "run.rdm"
    beside.mkdir()
    write_table(beside / "samples.parquet", pa.table({"sample_id": WORDS, "group": list("aabb")}))
    write_table(beside / "scalars.parquet", pa.table({"step": STEPS, "acc": np.linspace(0, 1, ROWS)}))
    write_draws(beside / "draws.parquet", [(10, LOSSES[:3])], WORDS)
    return path


def long_table(rows=LONG, samples=40, seed=0):
    rng = np.random.default_rng(seed)
    losses = 1 + 0.01 * rng.standard_normal((rows, samples))
    losses[rows // 2 :, :9] -= 0.02 * np.arange(rows - rows // 2)[:, None]
    return tidy(range(samples), 10 * np.arange(rows), losses)


def in_parquet(table, **how):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **how)
    return sink.getvalue().to_pybytes()


def same_runs(found, local):
    np.testing.assert_array_equal(found.losses, local.losses)
    np.testing.assert_array_equal(found.steps, local.steps)
    assert found.samples.equals(local.samples)
    assert found.scalars.equals(local.scalars)
    assert (found.name, found.unit, found.metadata) == (local.name, local.unit, local.metadata)
    assert found.quality == local.quality
    for (step, values), (other, others) in zip(found.draws, local.draws, strict=True):
        assert step == other
        np.testing.assert_array_equal(values, others)


def test_a_run_in_a_bucket_is_the_run_here_with_all_that_lies_beside_it(ours, store):
    store.upload(ours.parent, "runs/")
    run = read_run("s3://bucket/runs/run.parquet")
    same_runs(run, read_run(ours))
    assert len(run.draws) == 1
    assert str(run.source) == "s3://bucket/runs/run.parquet"
    same_runs(read_run(run.source), read_run(ours))


def test_the_address_may_say_where_the_store_is(ours, store, monkeypatch):
    store.upload(ours.parent)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    query = f"?endpoint_override={store.endpoint.removeprefix('http://')}&scheme=http&region=us-east-1"
    for given in (f"s3://bucket/run.parquet{query}", f"s3://bucket/r?n.parquet{query}"):
        [run] = read_runs(given)
        same_runs(run, read_run(ours))
        assert str(run.source) == f"s3://bucket/run.parquet{query}"


def test_a_run_in_memory_is_the_run_here(ours, memory):
    memory.put(str(ours.parent), "/deep/runs", recursive=True)
    for given in (
        "memory://deep/runs/run.parquet",
        "memory://deep/runs/*.parquet",
        "memory://**/run.parquet",
    ):
        [run] = read_runs(given)
        same_runs(run, read_run(ours))
        assert str(run.source) == "memory://deep/runs/run.parquet"


@pytest.mark.parametrize("root", ["s3://bucket", "memory://bucket"])
def test_folders_and_patterns_name_what_they_name_here(tmp_path, root, store, memory, monkeypatch):
    for name in ("a/s0", "a/s 1%20", "b/s1", "b/parts/part-0", "b/parts/part-1", "b/deep/.hidden"):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        first = 50 * name.endswith("1")
        pq.write_table(tidy(steps=STEPS[:5] + first, losses=LOSSES[:5]), path)
    beside = tmp_path / "a" / "s0.rdm"
    (beside / "analysis").mkdir(parents=True)
    write_draws(beside / "draws.parquet", [(10, LOSSES[:3])], np.arange(4))
    pq.write_table(tidy(), beside / "analysis" / "events.parquet")
    store.upload(tmp_path)
    memory.put(str(tmp_path), "/bucket", recursive=True)

    def runs(given, root):
        return [
            (run.name, str(run.source).removeprefix(f"{root}/"), run.shape)
            for run in read_runs([f"{root}/{each}" for each in given])
        ]

    for given in (
        ["b/parts"],
        ["b/parts/"],
        ["*/*.parquet"],
        ["**/s*.parquet"],
        ["a/*"],
        ["a/s0.*", "*/s1.parquet", "b/parts"],
        ["**/*.parquet"],
        ["b/[p]arts/part-0.parquet", "a/s 1%20.parquet", "a/s0.parquet", "a/s0.parquet"],
    ):
        assert runs(given, root) == runs(given, tmp_path), given
    assert rdm.compare([f"{root}/?/s0.parquet", f"{root}/b/s1.parquet"], window=3).runs["run"].tolist() == [
        "s0",
        "s1",
    ]


@pytest.mark.parametrize("root", ["s3://bucket", "memory://bucket"])
def test_several_runs_in_one_folder_are_never_the_parts_of_one(ours, root, store, memory):
    other = ours.with_name("other.parquet")
    other.write_bytes(ours.read_bytes())
    store.upload(ours.parent, "runs/")
    memory.put(str(ours.parent), "/bucket/runs", recursive=True)
    with pytest.raises(FormatError, match=rf"several runs in one folder, .*'{root}/runs/\*.parquet'"):
        read_run(f"{root}/runs")


@pytest.mark.parametrize("root", ["s3://bucket", "memory://bucket"])
def test_an_analysis_is_the_same_wherever_the_run_lies(tmp_path, root, store, memory):
    content = in_parquet(long_table(), row_group_size=400)
    path = tmp_path / "run.parquet"
    path.write_bytes(content)
    store.put("run.parquet", content)
    memory.pipe("/bucket/run.parquet", content)
    address = f"{root}/run.parquet"
    here, there = rdm.analyze(read_run(path)), rdm.analyze(read_run(address))
    assert there.observables.equals(here.observables)
    assert there.modes.equals(here.modes)
    assert len(there.events) == 1
    assert there.summary()["run"]["source"] == address
    assert made_again(there) == f"rdmtools analyze {address} --out analysis"
    with pytest.raises(ParameterError, match=rf"{address} lies in a store, where nothing is .*save\(.DIR.\)"):
        there.save(report=False)
    assert (there.save(tmp_path / "out", report=False) / "summary.json").exists()
    compared = rdm.compare({"here": str(path), "there": address}).runs
    assert compared["largest_shc"].nunique() == 1


def test_only_the_columns_that_are_needed_are_fetched(store):
    rng = np.random.default_rng(1)
    table = long_table(400, 200)
    words = pa.array(rng.integers(1 << 60, size=len(table)).astype(str))  # much, and nobody asked for it
    content = in_parquet(table.append_column("text", words), row_group_size=8000, use_dictionary=False)
    store.put("run.parquet", content)
    metadata = pq.read_metadata(pa.BufferReader(content))
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    size = {
        group.column(at).path_in_schema: sum(each.column(at).total_compressed_size for each in groups)
        for group in groups[:1]
        for at in range(4)
    }
    footer = 64 * 1024 + metadata.serialized_size  # one look at the end, as Arrow takes it
    store.forget()
    run = read_run("s3://bucket/run.parquet")
    keys = size["step"] + size["sample_id"]
    assert size["text"] > 4 * (footer + keys)
    # the keys once, and the losses once to see that they are finite
    assert keys + size["loss"] <= store.fetched("run.parquet") <= keys + size["loss"] + footer
    # of each row group the keys in one request, and the losses in another
    asked = [each for each in store.requests if each.method == "GET" and each.key.endswith("run.parquet")]
    assert len(asked) == 1 + 2 * len(groups)

    store.forget()
    rows = run.rows(45, 75)  # of row groups of 40 rows
    assert rows.shape == (30, 200)
    one = groups[1].column(2).total_compressed_size
    assert one <= store.fetched() <= 1.01 * one
    assert [each.method for each in store.requests] == ["HEAD", "GET"]

    store.forget()
    rdm.analyze(run)
    # the observables; and the windows of events, in groups of 40 rows
    assert store.fetched() <= 2.5 * size["loss"]


def test_fsspec_fetches_no_more_than_arrow_asks_for(memory, monkeypatch):
    content = in_parquet(long_table(400, 200), row_group_size=8000, use_dictionary=False)
    memory.pipe("/run.parquet", content)
    run = read_run("memory://run.parquet")
    asked = []
    usual = type(memory).open

    def opened(self, path, mode="rb", **options):
        asked.append(options["cache_type"])
        return usual(self, path, mode, **options)

    monkeypatch.setattr(type(memory), "open", opened)
    run.rows(45, 75)
    assert asked == ["none"]


@pytest.mark.parametrize("root", ["s3://bucket", "memory://bucket"])
def test_a_file_that_changes_between_two_reads_is_refused(root, store, memory):
    def put(content):
        store.put("run.parquet", content)
        memory.pipe("/bucket/run.parquet", content)

    table = long_table()
    how = {"use_dictionary": False, "compression": "none", "row_group_size": 400}
    put(in_parquet(table, **how))
    run = read_run(f"{root}/run.parquet")
    part = ParquetPart.open(run.source)
    put(in_parquet(table.set_column(2, "loss", pa.array(np.asarray(table["loss"])[::-1])), **how))
    # of the same size, and within a second
    for read in (part.read, lambda: run.rows(0, 3)):
        with pytest.raises(ChangedError, match=r"run.parquet changed while it was read; read it again"):
            read()
    assert len(read_run(f"{root}/run.parquet").losses) == LONG
    store.filesystem.delete_file("bucket/run.parquet")
    memory.rm("/bucket/run.parquet")
    with pytest.raises(ChangedError, match="changed while it was read"):
        part.read()


@pytest.mark.parametrize("place", ["here", "s3", "memory"])
def test_what_a_run_keeps_for_reading_can_be_sent_to_another_process(tmp_path, place, store, memory):
    content = in_parquet(tidy(), row_group_size=3 * SAMPLES)
    path = tmp_path / "run.parquet"
    path.write_bytes(content)
    store.put("run.parquet", content)
    memory.pipe("/run.parquet", content)
    location = {"here": path, "s3": at("s3://bucket/run.parquet"), "memory": at("memory://run.parquet")}[
        place
    ]
    part = ParquetPart.open(location)
    opened = open_whole_steps([part], None)
    steps, losses = opened.steps, opened.stored
    sent = pickle.loads(pickle.dumps((part, losses.groups, location)))
    assert sent[0].stamp == part.stamp
    assert sent[2] == location
    assert sent[0].read(["step"]).equals(part.read(["step"]))
    np.testing.assert_array_equal(np.concatenate([group.read_all() for group in sent[1]]), LOSSES)
    assert len(steps) == ROWS
    if place == "memory":  # which ends with its process
        return
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        np.testing.assert_array_equal(pool.submit(losses.groups[1].read_all).result(), LOSSES[3:6])


@pytest.mark.parametrize("root", ["s3://bucket", "memory://bucket"])
def test_a_journal_in_a_store_is_told_and_never_passed_over(ours, root, store, memory):
    write_journal(ours, STEPS[-2:], LOSSES[-2:], WORDS)
    store.upload(ours.parent)
    memory.put(str(ours.parent), "/bucket", recursive=True)
    for given in ("run.parquet", "run.rdm"):
        with pytest.raises(
            FormatError,
            match=rf"{root}/run.rdm/journal has rows that a logger left; needed them on this machine: copy",
        ):
            read_runs(f"{root}/{given}")


def test_a_store_that_lets_nobody_look_around_is_told(ours, store):
    store.upload(ours.parent)
    there = {f"/bucket/{name}" for name in ("run.parquet", "run.rdm/samples.parquet")}
    store.denied = lambda method, key: key not in there
    with pytest.warns(RdmtoolsWarning, match="the store refuses .*; read without") as warned:
        run = read_run("s3://bucket/run.parquet")
    np.testing.assert_array_equal(run.losses, LOSSES)
    assert run.samples["group"].tolist() == list("aabb")
    assert [str(each.message).rpartition(" ")[2] for each in warned] == ["run.rdm", "scalars.parquet"]


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        ("s3://bucket", ParameterError, "needed a run in a store, or a folder of the parts of one"),
        ("s3://", ParameterError, "needed a run in a store"),
        ("memory://", ParameterError, "needed a run in a store"),
        (
            "s3://bucket/rum.parquet",
            FormatError,
            r"no file s3://bucket/rum.parquet; .*did you mean run.parquet\?",
        ),
        ("s3://bucket/x/run.parquet", FormatError, "no bucket or folder s3://bucket/x; .*; check the path"),
        (
            "s3://nobody/run.parquet",
            FormatError,
            "no bucket or folder s3://nobody; needed the folder of the run",
        ),
        (
            "s3://bucket/x*.parquet",
            FormatError,
            r"no run matches s3://bucket/x\*.parquet; needed at least one",
        ),
        ("s3://bucket/empty", FormatError, r"empty has no \*.parquet files in it"),
        (
            "s3://bucket/run.rdm",
            FormatError,
            "is a companion folder; needed the run: s3://bucket/run.parquet",
        ),
        ("s3://bucket/zero.parquet", FormatError, r"is empty \(0 bytes\)"),
        ("s3://bucket/text.parquet", FormatError, "starts with b'step,sam'; needed a Parquet file"),
        ("s3://bucket/cut.parquet", FormatError, "is cut short after 300 bytes"),
        ("s3://bucket/torn.parquet", FormatError, "is damaged"),
        ("s3://bucket/run.csv", FormatError, r"read as \*.parquet alone; copy it here first"),
        ("memory://none/run.parquet", FormatError, "no bucket or folder memory://none"),
        ("memory://*/run.parquet", FormatError, "no run matches"),
        (
            "nosuch://bucket/run.parquet",
            ParameterError,
            "begins with 'nosuch://' .*; needed a file on this machine",
        ),
    ],
)
def test_what_is_wrong_there_is_told_in_one_line(ours, store, memory, address, kind, message):
    store.upload(ours.parent)
    content = in_parquet(tidy(), use_dictionary=False, compression="none")
    store.put("empty/notes.txt", b"nothing")
    store.put("zero.parquet", b"")
    store.put("text.parquet", b"step,sample_id,loss\n")
    store.put("cut.parquet", content[:300])
    store.put("torn.parquet", content[:4] + bytes(400) + content[404:])
    with pytest.raises(kind, match=message) as error:
        read_runs(address)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_a_store_that_refuses_or_does_not_answer_is_told(ours, store, monkeypatch):
    store.upload(ours.parent)
    store.denied = lambda method, key: True
    for given in ("s3://bucket/run.parquet", "s3://bucket/*.parquet"):
        with pytest.raises(
            FormatError, match=r"the store refuses .*AWS_ACCESS_KEY_ID or AWS_PROFILE"
        ) as error:
            read_runs(given)
        assert "\n" not in str(error.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(
        FormatError, match=r"no answer from the store .*; check the network and AWS_ENDPOINT_URL"
    ):
        read_run("s3://bucket/run.parquet")


def test_a_store_that_fails_while_it_is_read_is_no_damage_and_no_change(ours, store):
    store.put("run.parquet", in_parquet(tidy(), row_group_size=3 * SAMPLES))
    run = read_run("s3://bucket/run.parquet")
    store.denied = lambda method, key: True
    with pytest.raises(FormatError, match="the store refuses") as error:
        run.rows(0, 3)
    assert not isinstance(error.value, ChangedError)


def test_a_package_that_is_missing_is_named(memory, monkeypatch):
    from fsspec.registry import known_implementations

    nobody = {"class": "nobody.has.It", "err": "Install nobody to access It"}
    monkeypatch.setitem(known_implementations, "rdmtest", nobody)
    with pytest.raises(
        FormatError, match=r"rdmtest:// cannot be read \(Install nobody to access It\); install the"
    ):
        read_run("rdmtest://bucket/run.parquet")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(
        FormatError, match=r"hf:// needs the package fsspec.*pip install 'rdmtools\[remote\]'"
    ):
        read_run("hf://datasets/who/what/run.parquet")


def test_whatever_a_store_raises_is_one_line(memory, monkeypatch):
    class StrangeError(Exception):
        pass

    def fail(*given, **named):
        raise StrangeError("first\nsecond")

    memory.pipe("/run.parquet", in_parquet(tidy(), row_group_size=3 * SAMPLES))
    run = read_run("memory://run.parquet")
    for name in ("open", "info"):
        monkeypatch.setattr(type(memory), name, fail)
        for read in (lambda: read_run("memory://run.parquet"), lambda: run.rows(0, 2)):
            with pytest.raises(FormatError, match="first second"):
                read()


def test_nothing_that_is_secret_is_shown(store):
    for address, shown in (
        ("s3://key:secret@bucket/run.parquet?region=us-east-1", "s3://bucket/run.parquet?region=us-east-1"),
        ("abfs://:secret@account.dfs.core.windows.net/box/run.parquet?x=secret", None),
        ("memory://user:secret@host/run.parquet?signature=secret", "memory://host/run.parquet?…"),
    ):
        try:
            found = at(address)
        except FormatError:  # this pyarrow has no Azure
            continue
        assert "secret" not in f"{found} {found!r} {found.parent} {found.with_name('x')}"
        assert shown in (str(found), None)
        assert found.name == "run.parquet"


def test_addresses_that_are_no_stores(ours, store):
    same_runs(read_run(ours.as_uri()), read_run(ours))
    with pytest.raises(
        ParameterError, match="an address that lost a slash; needed it as text, not as a Path"
    ):
        read_run(Path("s3://bucket/run.parquet"))
    store.upload(ours.parent)
    with pytest.raises(ParameterError, match="needed a file on this machine: copy it here first"):
        rdm.convert("s3://bucket/run.parquet", ours.with_name("new.parquet"))
    with pytest.raises(ParameterError, match="needed a local file name"):
        rdm.recover("s3://bucket/run.parquet")


def test_a_client_that_would_try_for_a_quarter_of_an_hour_is_told_not_to():
    google = pytest.importorskip("pyarrow._gcsfs", reason="this pyarrow has no Google Cloud Storage")
    for query, patience in (("", 20), ("?scheme=http", 20), ("?retry_limit_seconds=3", 3)):
        found = at(f"gs://anonymous@bucket/run.parquet{query}").filesystem
        assert isinstance(found, google.GcsFileSystem)
        _, (about,) = found.__reduce__()
        assert about["retry_time_limit"].total_seconds() == patience


def test_calls_are_made_ahead_and_answered_in_their_order():
    made = []

    def call(number):
        time.sleep(0.01 * (number % 3))
        made.append(number)
        return number

    calls = ahead(lambda number=number: call(number) for number in range(100))
    assert [next(calls) for _ in range(30)] == list(range(30))
    calls.close()
    assert 30 <= len(made) < 60
    with pytest.raises(ZeroDivisionError):
        list(ahead([lambda: 1, lambda: 1 / 0]))


def test_the_command_line_takes_addresses(tmp_path, store):
    for name, seed in (("run-a", 0), ("run-b", 1)):
        store.put(f"runs/{name}.parquet", in_parquet(long_table(seed=seed)))
    address = "s3://bucket/runs/run-a.parquet"

    def run(*words):
        return command(*words, cwd=tmp_path, **environment(store))

    for words in (("analyze", address), ("analyze", "s3://bucket/runs/*.parquet", "--json")):
        done = run(*words)
        assert done.returncode == 2
        [line] = (done.stdout + done.stderr).splitlines()
        assert f"{address} lies in a store, where nothing is written; needed --out DIR" in line
    done = run("analyze", "s3://bucket/runs/*.parquet", "--out", "results")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"run-a", "run-b"}
    assert address in (tmp_path / "results" / "run-a" / "report.html").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    done = run("info", address, "s3://bucket/runs/run-c.parquet", "--json")
    assert done.returncode == 1
    info, missing = map(json.loads, done.stdout.splitlines())
    assert (info["source"], info["rows"]) == (address, LONG)
    assert re.search(r"no file s3://bucket/runs/run-c.parquet; .*did you mean", missing["error"])
    done = run("compare", "s3://bucket/runs/*.parquet", "results/run-a")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") >= 4
    done = run("recover", address)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    for name in ("analyze", "compare"):
        done = run(name, address, "--out", "s3://bucket/results")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "is an address; needed a folder on this machine" in done.stderr

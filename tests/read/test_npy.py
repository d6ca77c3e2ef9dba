"""Arrays of NumPy: what a header says is held against the bytes, and no shape is taken for another."""

import io
import zipfile

import numpy as np
import pytest
from helpers.reading import read

from rdmtools.errors import FormatError
from rdmtools.read import formats
from rdmtools.read.formats import unfolded

LOSSES = np.random.default_rng(0).random((5, 3))
STEPS = np.arange(0, 50, 10)


def refused(path, **options):
    with pytest.raises(FormatError) as error:
        read(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


def header(shape, descr="<f8", order="False"):
    text = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    text = text.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, raw in members.items():
            file.writestr(f"{name}.npy", raw)
    return path


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [">f8", "<f4", "<f2"])
def test_order_and_type_make_no_difference(order, kind, tmp_path):
    losses = LOSSES.astype(kind)
    np.save(tmp_path / "x.npy", np.asarray(losses, order=order))
    np.savez(tmp_path / "y.npz", loss=np.asarray(losses, order=order), step=STEPS.astype(">i4"))
    for name in ("x.npy", "y.npz"):
        np.testing.assert_array_equal(read(tmp_path / name)[0].losses, losses.astype(kind.replace(">", "<")))


HUGE = "(1000000000000, 1000)"
LIES = [
    (header(HUGE), "has 0 bytes where its header speaks of 8,000,000,000,000,000, shape"),
    (header("(5, 3)") + LOSSES.tobytes()[:-8], "has 112 bytes where its header speaks of 120, shape (5, 3)"),
    (header("(5, 3)") + LOSSES.tobytes() + b"1", "has 121 bytes where its header speaks of 120"),
    (header("(-1, -3)") + LOSSES.tobytes()[:24], "bytes where its header speaks of 24, shape (-1, -3)"),
    (header("(5, 3") + LOSSES.tobytes(), "cannot be read ("),
    (header("(5, 3)", "|O") + LOSSES.tobytes(), "holds Python objects, a pickle, which can run code"),
    (header("(5, 3)", "<f7") + LOSSES.tobytes(), "cannot be read ("),
    (b"\x93NUMPY\x09\x00" + header("(5, 3)")[8:], "cannot be read ("),
    (b"\x93NUMPY\x01\x00\xff", "cannot be read ("),
    (b"", "cannot be read ("),
    (header("(" * 60), "cannot be read ("),
]


@pytest.mark.parametrize(("raw", "message"), LIES)
def test_a_header_that_lies_is_told_and_nothing_is_allocated(raw, message, tmp_path):
    (tmp_path / "x.npy").write_bytes(raw)
    assert message in refused(tmp_path / "x.npy")
    assert message in refused(archive(tmp_path / "x.npz", loss=raw))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(5), "losses have shape (5,); needed (rows, samples); this is one loss a step for the whole"),
        (
            np.ones((4, 3, 2)),
            "losses have shape (4, 3, 2); needed (rows, samples); where the first axis is the",
        ),
        (
            np.ones((4, 3), int),
            "whole numbers may be counts, labels or ids; where they are losses, save losses.as",
        ),
        (
            np.ones((4, 3), bool),
            "losses are of type bool; needed float16, float32 or float64; save losses.astype",
        ),
        (np.array([["a", "b"]]), "losses are of type <U1; needed float16"),
        (np.ones((4, 3), complex), "losses are of type complex128; needed float16"),
        (np.zeros((2, 2), [("step", int)]), "records have shape (2, 2); needed (rows,)"),
    ],
)
def test_other_arrays_are_told_with_what_to_do(array, message, tmp_path):
    np.save(tmp_path / "x.npy", array)
    assert message in refused(tmp_path / "x.npy")


def test_records_are_read_as_a_table(tmp_path):
    records = np.zeros(LOSSES.size, [("step", ">i4"), ("sample_id", "U3"), ("loss", ">f8"), ("epoch", "i2")])
    records["step"] = np.repeat(STEPS, 3)
    records["sample_id"] = np.tile(["c", "a", "b"], 5)
    records["loss"] = LOSSES.reshape(-1)
    np.save(tmp_path / "x.npy", records)
    run, said = read(tmp_path / "x.npy")
    np.testing.assert_array_equal(run.losses, LOSSES[:, [1, 2, 0]])
    assert said == ["left out 1 column: 'epoch'"]


def test_columns_of_a_tidy_table_are_read_as_one(tmp_path):
    np.savez(
        tmp_path / "x.npz", steps=np.repeat(STEPS, 3), ids=np.tile([5, 4, 3], 5), loss=LOSSES.reshape(-1)
    )
    run, said = read(tmp_path / "x.npz")
    np.testing.assert_array_equal(run.losses, LOSSES[:, ::-1])
    assert said == ["took array 'steps' for the steps", "took array 'ids' for the ids"]


def test_an_archive_that_unfolds_out_of_proportion_is_refused(tmp_path, monkeypatch):
    raw = io.BytesIO()
    np.save(raw, np.zeros((1000, 100)))
    path = archive(tmp_path / "x.npz", loss=raw.getvalue())
    assert path.stat().st_size * 64 < 800_000
    read(path)
    monkeypatch.setattr(unfolded, "MOST_BYTES", 100_000)
    assert "unfolds to more than" in refused(path)
    monkeypatch.setattr(formats, "LARGE_BYTES", 100_000)
    assert "has 0.0 GB; needed at most 0.0 GB of this form" in refused(path)


def test_a_directory_that_lies_of_its_members_allocates_nothing(tmp_path):
    """The directory says eight gigabytes, the member is a header alone."""
    raw = header("(1000000, 1000)")
    path = archive(tmp_path / "x.npz", loss=raw)
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = data.index(mark) + place
        data[at : at + 4] = (4_000_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    assert "x.npz" in refused(path) or "unfolds to more than" in refused(path)


@pytest.mark.parametrize("packed", [np.savez, np.savez_compressed])
def test_whatever_is_flipped_in_an_archive_nothing_but_our_errors_leaves(packed, tmp_path):
    path, rng = tmp_path / "x.npz", np.random.default_rng(0)
    packed(path, loss=LOSSES, step=STEPS)
    raw, refusals = path.read_bytes(), 0
    for _ in range(200):
        data = bytearray(raw)
        data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data)) if rng.random() < 0.2 else None])
        try:
            read(path)
        except FormatError:
            refusals += 1
    assert refusals > 100

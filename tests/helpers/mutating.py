"""What does damage look like, or malice? Mutations of bytes, JSON, text, arrays and records, by a seed."""

import gzip
import io
import json
import struct
import zipfile
import zlib
from copy import deepcopy

from rdmtools.format.records import record_header

_HUGE = (0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 2**40, 2**62, 2**63 - 1, 2**64 - 1)
# Stand in JSON until it is text: `json.dumps` itself gives up on them.
_RAW = {"@deep@": "[" * 90_000 + "]" * 90_000, "@deeper@": '{"a":' * 9_000 + "1" + "}" * 9_000}
_RAW |= {"@digits@": "9" * 5_000, "@1e999@": "1e999"}
_LEAVES = (
    *(None, True, False, -1, 0, 1, 2, 7, 2**31, 10**10, 2**63, -(2**63), 10**30, 0.5, 1e308, -1e-320),
    *(float("nan"), float("inf"), "", "a", "\ud800", "\x00", "x" * 3000, "victim", "1.0", "2.0", "float16"),
    *([], {}, [[]], [None], [0, 0], ["a", 1], {"": {}}, {"a": None}, {"\ud800": 1.0}, *_RAW),
)
_WORDS = (
    *("", "nan", "-nan", "inf", "1e999", "-0", "9" * 400, "9223372036854775808", "-9223372036854775809"),
    *('"', '""', '"a', "\0", "\r", "1;2", "0x10", "é", "∞", "+5", " 7 ", "1e5", "1_000", "True", "null"),
    *("step", "loss", "sample_id", "1,5", "1.", ".5", "\ufeff", "#", "\\", "'", "\t", "a" * 5000),
)


def pick(rng, values):
    return values[int(rng.integers(len(values)))]


def _leaf(rng):
    return deepcopy(pick(rng, _LEAVES))  # which may be changed in its turn


def of_bytes(data, rng, first=0):
    """One to three kinds of damage to `data`, from byte `first` on."""
    for _ in range(int(rng.integers(1, 4))):
        if len(data) > first:
            head, body = data[:first], bytearray(data[first:])
            data = head + bytes(
                pick(rng, (_flip, _flip, _cut, _splice, _repeat, _zero, _huge, _huge))(body, rng)
            )
    return data


def _span(body, rng):
    start = int(rng.integers(len(body)))
    return start, min(len(body), start + int(rng.integers(1, 1 + pick(rng, (4, 32, 300)))))


def _flip(body, rng):
    for place in rng.integers(8 * len(body), size=int(rng.integers(1, 5))):
        body[place // 8] ^= 1 << (place % 8)
    return body


def _cut(body, rng):
    return body[: int(rng.integers(len(body)))]


def _splice(body, rng):
    (start, stop), at = _span(body, rng), int(rng.integers(len(body)))
    body[at : at + stop - start] = body[start:stop]
    return body


def _repeat(body, rng):
    start, stop = _span(body, rng)
    return body[:stop] + body[start:stop] * int(rng.integers(1, 4)) + body[stop:]


def _zero(body, rng):
    start, stop = _span(body, rng)
    body[start:stop] = bytes([pick(rng, (0, 255))]) * (stop - start)
    return body


def _huge(body, rng):
    size, number = pick(rng, (2, 4, 8)), pick(rng, _HUGE)
    at = int(rng.integers(len(body)))
    body[at : at + size] = (number % 2 ** (8 * size)).to_bytes(size, "little")
    return body


def of_json(text, rng):
    """JSON with values replaced, keys gone or renamed; now and then what is no JSON, or no UTF-8."""
    value = json.loads(text)
    for _ in range(int(rng.integers(1, 3))):
        value = _in_json(value, rng)
    text = json.dumps(value)
    for word, raw in _RAW.items():
        text = text.replace(json.dumps(word), raw)
    data = text.encode()
    return of_bytes(data, rng) if rng.random() < 0.1 else data


def _in_json(value, rng):
    """`value` with one place in it changed."""
    places = [*_places(value)]
    if not places:
        return _leaf(rng)
    holder, key = pick(rng, places)
    what = rng.random()
    if what < 0.15:
        del holder[key]
    elif what < 0.25 and isinstance(holder, dict):
        holder[pick(rng, ("", "\ud800", "a", key + key))] = holder.pop(key)
    elif what < 0.3:
        return _leaf(rng)
    else:
        holder[key] = _leaf(rng)
    return value


def _places(value):
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def of_text(data, rng, delimiter):
    """A table of text with words replaced, lines gone or doubled."""
    lines = data.decode().split("\n")
    for _ in range(int(rng.integers(1, 4))):
        at = pick(rng, (0, int(rng.integers(len(lines)))))
        words = lines[at].split(delimiter)
        what = rng.random()
        if what < 0.6:
            words[int(rng.integers(len(words)))] = pick(rng, _WORDS)
            lines[at] = delimiter.join(words)
        elif what < 0.7:
            lines[at] = delimiter.join(words[:-1])
        elif what < 0.8:
            lines[at] += pick(rng, (delimiter, delimiter + "0", "\r", "\n", '"\n"'))
        elif what < 0.9:
            lines.insert(at, pick(rng, lines))
        else:
            lines = lines[:at] + lines[at + 1 :] or [""]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def of_lines(data, rng):
    """JSON lines, one of which is changed."""
    lines = data.split(b"\n")
    at = int(rng.integers(len(lines) - 1))
    lines[at] = of_json(lines[at], rng)
    return b"\n".join(lines)


def gzipped(mutate):
    """The same within a gzip file."""
    return lambda data, rng: gzip.compress(mutate(gzip.decompress(data), rng), 1, mtime=0)


_RECORD = struct.Struct("<4sIIqd")


def records_of(data):
    """(kind, step, time, payload) of each record of a segment."""
    found, at = [], 0
    while at + 32 <= len(data):
        _, kind, size, step, time = _RECORD.unpack_from(data, at)
        found.append([kind, step, time, data[at + 32 : at + 32 + size]])
        at += 32 + size
    return found


def of_records(data, rng):
    """A segment of a journal whose records do not say what they should, with checksums that fit."""
    records = records_of(data)
    for _ in range(int(rng.integers(1, 4))):
        record = pick(rng, records)
        what = rng.random()
        if what < 0.2:
            record[1] = pick(rng, (0, -1, 2**63 - 1, -(2**63), record[1] + 1, record[1] - 1))
        elif what < 0.3:
            record[2] = pick(rng, (float("nan"), float("inf"), -1e300, 1e300))
        elif what < 0.4:
            record[0] = int(rng.integers(5))
        elif what < 0.5:
            records.insert(int(rng.integers(len(records))), list(pick(rng, records)))
        elif what < 0.6:
            record[3] = record[3][: int(rng.integers(len(record[3]) + 1))]
        elif record[3].startswith(b"{"):
            record[3] = of_json(record[3], rng)
        else:
            record[3] = of_bytes(record[3], rng)
    packed = b"".join(
        record_header(kind, step, time, payload) + payload for kind, step, time, payload in records
    )
    if rng.random() < 0.1:  # a length that is not that of the payload, under its checksum
        head = _RECORD.pack(b"RDJ1", records[0][0], pick(rng, _HUGE[:5]), 10**6, 0.0)
        packed += head + zlib.crc32(head).to_bytes(4, "little") + bytes(99)
    return packed


_DESCRIPTIONS = (
    *("'|O'", "'<U9'", "'>f2'", "'<c16'", "'|V8'", "'<i8'", "'|b1'", "'<M8[ns]'", "'<f16'", "[('a', '<f4')]"),
    *("'(3,)<f4'", "'" + "f" * 9000 + "'", "(", "[" * 500, "None", "{'a': 1}", "'<f4', 'f': 1", "'\\ud800'"),
)
_SHAPES = (
    "(0, 4)",
    "(3,)",
    "()",
    "(10**9, 4)",
    "(1000000000000, 4)",
    "(-1, 4)",
    "(2.5,)",
    "'ab'",
    "(True, 4)",
)
_SHAPES += ("((2, 2),)", "(99999999999999999999, 1)", "(1, 1, 1, 44)", "(44, )", "(" * 300)


def of_npy(data, rng):
    """An array whose header says something else."""
    size = int.from_bytes(data[8:10], "little")
    head = data[10 : 10 + size].decode()
    if rng.random() < 0.5:
        head = head.replace("'<f4'", pick(rng, _DESCRIPTIONS))
    else:
        head = head.replace("(11, 4)", pick(rng, _SHAPES))
    if rng.random() < 0.2:
        head = of_bytes(head.encode(), rng).decode("latin-1")
    packed = head.encode("utf-8", "replace")
    return data[:8] + (len(packed) % 65536).to_bytes(2, "little") + packed + data[10 + size :]


def of_npz(data, rng):
    """An archive with one of its arrays changed."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen = pick(rng, names)
        for name in names:
            held = old.read(name)
            if name == chosen:
                held = pick(rng, (of_npy, of_npy, of_bytes))(held, rng)
                name = pick(rng, (name, name, name, "", "../x.npy", "loss", "step.npy", "\0.npy"))
            new.writestr(zipfile.ZipInfo(name), held)
    return sink.getvalue()


def of_events(data, rng):
    """An event file with records changed under checksums that fit."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    def checksum(text):
        return struct.pack("<I", masked_crc32c(text))

    found, at = [], 0
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 8], "little")
        found.append(data[at + 12 : at + 12 + size])
        at += size + 16
    at = int(rng.integers(len(found)))
    found[at] = of_bytes(found[at], rng)
    lengths = [struct.pack("<Q", len(event)) for event in found]
    if rng.random() < 0.1:
        lengths[at] = struct.pack("<Q", pick(rng, _HUGE))
    return b"".join(
        length + checksum(length) + event + checksum(event)
        for length, event in zip(lengths, found, strict=True)
    )

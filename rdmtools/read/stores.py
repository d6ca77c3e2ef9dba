"""Where does a run lie that is not on this machine? In a store: ``s3://bucket/runs/seed0.parquet``.

Arrow itself reads from S3, Google Cloud Storage, Azure and HDFS; for other addresses (hf, http, ...) fsspec
finds who does. A `StorePath` has what reading a run needs of `pathlib.Path`: the same lines read both.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import glob
import re
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import pyarrow as pa
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType, FSSpecHandler, PyFileSystem

from rdmtools.errors import (
    DeniedError,
    FormatError,
    ParameterError,
    RdmtoolsError,
    RdmtoolsWarning,
    one_line,
    reading,
)
from rdmtools.format.read_table import Stamp
from rdmtools.read.patience import patient, within

Result = TypeVar("Result")

_ARROW = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
_FSSPEC = "pip install 'rdmtools[remote]'"
# A "?" with no "=" after it is a sign of a pattern.
_QUERY = re.compile(r"\?[^/?=]+=.*", re.DOTALL)
# What stores call the version of a file; that a file was read may change other things.
_VERSION = {"etag", "mtime", "modified", "lastmodified", "updated", "created", "generation", "blobid"}
_DENIED = re.compile(
    r"\b40[13]\b|denied|forbidden|unauthorized|credential|access_key|signature_|(access|expired).token", re.I
)
_UNREACHED = re.compile(
    r"network|connect|resolv|service not known|timed? ?out|unreachable|status 50[0234]|slow ?down", re.I
)
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "hf": "HF_TOKEN",
}
# How long Google's client tries again before it tells, in seconds: a quarter of an hour unless told.
_PATIENCE = "retry_limit_seconds"
# Requests that are on their way at once: what takes long is the way, not the data.
_AHEAD = 8


def refusal(place: "StorePath | str", error: Exception) -> FormatError | None:
    """What is wrong where `error` says that the store refused or did not answer, else None."""
    reason = one_line(error)
    scheme = str(place).partition("://")[0]
    words = re.sub(r"'[^']*'", "", reason).replace(str(place), "")  # not what somebody called a bucket
    if isinstance(error, PermissionError) or _DENIED.search(words):
        named = f" ({_CREDENTIALS[scheme]})" if scheme in _CREDENTIALS else ""
        return DeniedError(
            f"{place}: the store refuses ({reason}); check the credentials{named} and the name"
        )
    if _UNREACHED.search(words):
        return FormatError(f"{place}: no answer from the store ({reason}); {_to_check(place)}")
    return None


def _to_check(place: "StorePath | str") -> str:
    return "check the network" + " and AWS_ENDPOINT_URL" * str(place).startswith("s3:")


def ahead(calls: Iterable[Callable[[], Result]]) -> Iterator[Result]:
    """What the calls return, in their order; a few of the next ones are made meanwhile."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(_AHEAD) as pool:
        try:
            for call in calls:
                waiting.append(pool.submit(call))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True, order=True, repr=False)
class StorePath:
    """A file or folder in a store. Whatever goes wrong there is a FormatError of one line."""

    base: str
    """The address of the place that `key` counts from, without passwords."""
    key: str
    root: str
    """The same place, as the file system calls it."""
    query: str
    """What an address ends in that is not the name of the file: "?region=eu-west-1"."""
    filesystem: FileSystem = field(compare=False)
    kind: FileType | None = field(default=None, compare=False)
    """What a listing said that it is; None if none did."""

    refusal = refusal
    ahead = staticmethod(ahead)

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process, where the file system is to be as patient as here."""
        return _sent, (self.base, self.key, self.root, self.query, self.filesystem, self.kind)

    def __str__(self) -> str:
        query = self.query if self.base.startswith("s3:") else "?…" * bool(self.query)  # it may hold a secret
        return f"{self.base}/{self.key}".rstrip("/") + query

    def __repr__(self) -> str:
        return f"StorePath({str(self)!r})"

    @property
    def path(self) -> str:
        """As the file system calls it."""
        inside = f"{self.root}/{self.key}".rstrip("/")
        return inside + self.query if isinstance(self.filesystem, PyFileSystem) else inside

    @property
    def parts(self) -> tuple[str, ...]:
        return PurePosixPath("/", self.base.partition("://")[2], self.key).parts

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "StorePath":
        return self._at(self.key.rpartition("/")[0])

    def with_name(self, name: str) -> "StorePath":
        return self.parent / name

    def with_suffix(self, suffix: str) -> "StorePath":
        return self.with_name(self.stem + suffix)

    def __truediv__(self, name: str) -> "StorePath":
        return self._at(f"{self.key}/{name}".lstrip("/"))

    def resolve(self) -> "StorePath":
        return self

    def is_dir(self) -> bool:
        return self._kind() is FileType.Directory

    def exists(self) -> bool:
        return self._kind() is not FileType.NotFound

    def open(self, mode: str = "rb") -> Any:
        """The file, to be read from any place in it. Raises what the store raises."""
        if mode != "rb":
            raise ValueError(f"mode {mode!r}; nothing is written to a store")
        return self.filesystem.open_input_file(self.path)

    def within(self, call: Callable[[], Result], size: int = 0) -> Result:
        """What `call` returns, which reads `size` bytes. Raises FormatError where that takes too long."""
        return within(self, call, size, _to_check(self))

    def iterdir(self) -> "Iterator[StorePath]":
        """What lies in this folder; nothing where it is not there."""
        asked = FileSelector(self.path, allow_not_found=True)
        with _of_store(self):
            found: list[FileInfo] = self.within(partial(self.filesystem.get_file_info, asked))
        for info in found:
            if info.base_name:  # else the mark of the folder itself, as some programs leave one
                yield replace(self / info.base_name, kind=info.type)

    def glob(self, pattern: str) -> "list[StorePath]":
        """What matches here, in order; as in `glob.glob`, ``**`` is any folders and ``*`` no hidden name."""
        return sorted(set(_matches(self, pattern.split("/"))))

    def expanded(self) -> "list[StorePath]":
        """What the pattern that this is the address of names."""
        return self._at("").glob(self.key)

    @contextmanager
    def opened(self) -> Generator[tuple[Any, Stamp]]:
        """The file, open, and what tells that it changed. Raises what the store raises."""
        if isinstance(self.filesystem, PyFileSystem):
            store = self.filesystem.handler.fs
            store.invalidate_cache(self.path)  # a listing that it kept would hide the change
            about: dict[str, Any] = self.within(partial(store.info, self.path))
            with self.within(self.open) as file:
                yield file, (about.get("size"), *_version(about))
            return
        with self.within(self.open) as file:
            version = _version(self.within(file.metadata) or {})
            version = version or [self.within(partial(self.filesystem.get_file_info, self.path)).mtime_ns]
            yield file, (file.size(), *version)

    def _at(self, key: str) -> "StorePath":
        return replace(self, key=key, kind=None)

    def _kind(self) -> FileType:
        if self.kind is not None:
            return self.kind
        with _of_store(self):
            return self.within(partial(self.filesystem.get_file_info, self.path)).type


Location = Path | StorePath


def at(address: str) -> StorePath:
    """The place in a store at `address`, ``scheme://...``; nothing is looked for there yet.

    Raises ParameterError where no store has such an address, FormatError where this one cannot be spoken to.
    """
    scheme, _, rest = address.partition("://")
    query = found[0] if (found := _QUERY.search(rest)) else ""
    plain = rest.removesuffix(query).rstrip("/")
    if scheme in _ARROW:
        place, _, key = plain.partition("/")
    else:  # which part is the root, fsspec does not tell; so it is all up to what is looked for
        names = plain.split("/")
        fixed = next((place for place, name in enumerate(names) if glob.has_magic(name)), len(names) - 1)
        place, key = "/".join(names[:fixed]), "/".join(names[fixed:])
    if not key:
        raise ParameterError(f"path is {address!r}; needed a run in a store, or a folder of the parts of one")
    given = f"{scheme}://{place}".rstrip("/") if place else f"{scheme}:/"
    base = re.sub(r"//[^/@]*:[^/@]*@", "//", given)
    if scheme in _ARROW:
        with _of_store(f"{base}/{key}"):
            uri = given + query
            if scheme in ("gs", "gcs") and _PATIENCE not in query:
                uri += f"{'&' if query else '?'}{_PATIENCE}=20"
            # Which may ask where a bucket lies.
            filesystem, root = within(f"{base}/{key}", partial(FileSystem.from_uri, uri), 0, _to_check(base))
            filesystem = patient(filesystem)
    else:
        filesystem, root = _fsspec(f"{scheme}://{place}", f"{base}/{key}")
    return StorePath(
        base=base, key=key.lstrip("/"), root=root.rstrip("/"), query=query, filesystem=filesystem
    )


def _sent(
    base: str, key: str, root: str, query: str, filesystem: FileSystem, kind: FileType | None
) -> StorePath:
    return StorePath(base=base, key=key, root=root, query=query, filesystem=patient(filesystem), kind=kind)


def _fsspec(address: str, shown: str) -> tuple[FileSystem, str]:
    scheme = address.partition("://")[0]
    try:
        from fsspec.core import url_to_fs  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise FormatError(
            f"{scheme}:// needs the package fsspec, which is not installed; {_FSSPEC}"
        ) from error

    def explain(error: Exception) -> RdmtoolsError:
        if isinstance(error, ImportError):
            reason = one_line(error).rstrip(".")
            return FormatError(f"{scheme}:// cannot be read ({reason}); install the package that is named")
        if isinstance(error, ValueError):
            return ParameterError(
                f"path begins with '{scheme}://' ({one_line(error)}); needed a file on this machine, "
                "or a store that pyarrow or fsspec reads, such as s3://, gs:// or hf://"
            )
        return _fault(shown, error)

    with reading(shown, explain=explain):
        filesystem, root = url_to_fs(address)
    return PyFileSystem(_Handler(filesystem)), root


class _Handler(FSSpecHandler):
    """As pyarrow's, but it fetches what is asked for, and no megabytes around it."""

    def open_input_file(self, path: str) -> Any:
        return pa.PythonFile(self.fs.open(path, mode="rb", cache_type="none"), mode="r")


def _matches(folder: StorePath, names: list[str]) -> Iterator[StorePath]:
    first, *rest = names
    if first == "**" and rest:
        yield from _matches(folder, rest)
        for each in folder.iterdir():
            if each.is_dir():
                yield from _matches(each, names)
    elif glob.has_magic(first):
        for each in folder.iterdir():
            hidden = each.name.startswith(".") and not first.startswith(".")
            if fnmatchcase(each.name, first) and not hidden:
                if not rest:
                    yield each
                elif each.is_dir():
                    yield from _matches(each, rest)
    elif rest:
        yield from _matches(folder / first, rest)
    elif (folder / first).exists():
        yield folder / first


def _version(about: dict[str, Any]) -> list[tuple[str, str]]:
    plain = {re.sub("[-_]", "", str(name)).lower(): str(value) for name, value in about.items()}
    return sorted((name, value) for name, value in plain.items() if name in _VERSION)


def _of_store(place: StorePath | str) -> AbstractContextManager[None]:
    """`reading`, where whichever package speaks to a store may raise anything."""
    return reading(place, explain=partial(_fault, place))


def _fault(place: StorePath | str, error: Exception) -> FormatError:
    return refusal(place, error) or FormatError(
        f"{place} cannot be read ({one_line(error)}); check the address and the credentials"
    )


@contextmanager
def if_let(place: Location) -> Generator[None]:
    """A store that shows a run may yet refuse to say what lies beside it: then that is told, and left out."""
    try:
        yield
    except DeniedError as error:
        warnings.warn(f"{error}; read without {place.name}", RdmtoolsWarning, stacklevel=4)

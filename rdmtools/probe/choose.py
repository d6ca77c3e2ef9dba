"""Which samples does the probe watch? A fixed choice from a data set, the same wherever it is made again.

Every index of the data set gets a key from the seed, and those with the smallest keys are chosen, for each
stratum apart. The keys are the raw stream of NumPy's PCG64, the one part of `numpy.random` whose values are
promised to stay: `Generator.permutation` may change with NumPy's version. It follows that a larger probe set
of the same seed holds every sample of a smaller one.

No framework is imported: tables are known by what they offer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdmtools.errors import ParameterError
from rdmtools.format.names import GROUP, SAMPLE_ID

LABEL = "label"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbeSet:
    """The chosen samples of a data set."""

    indices: NDArray[np.int64]
    """Positions in the data set (samples,), rising: the order in which the probe is evaluated."""
    samples: dict[str, Any]
    """For `ProbeLogger`: columns `sample_id` (a table's own, or positions), `group`, `label` where known."""

    def __len__(self) -> int:
        return len(self.indices)

    def subset(self, dataset: Any) -> Any:
        """The probe's rows of a pandas, polars or Arrow table; of any other data set a list of its items.

        Items are loaded once and held, so that augmentation at random cannot change them afterwards. A
        torch `DataLoader` takes the list as its data set.
        """
        indices: list[int] = self.indices.tolist()
        if _is_pandas(dataset):
            return dataset.iloc[indices]
        if _is_polars(dataset):
            return dataset[indices]
        return dataset.take(indices) if _is_arrow(dataset) else [dataset[index] for index in indices]


def probe_set(dataset: Any, n: int, *, stratify: Any = None, label: Any = None, seed: int = 0) -> ProbeSet:
    """A probe set of `n` samples, chosen at random but once and for all by `seed`.

    With `stratify`, each stratum has an equal share of the `n`, whatever its part of the data set. What does
    not divide goes, one sample each, to the strata that come first in the data set: all remainders are equal.
    A stratum with fewer samples than its share is taken whole and the others share what it leaves. Every
    stratum has at least one sample.

    Parameters
    ----------
    dataset
        Anything with a length whose items are found by position, or a pandas, polars or Arrow table.
    n
        How many samples, at most as many as there are.
    stratify
        What the samples' `group` is: the name of a table's column, a sequence with one number or text for
        each sample, or a function of an item (a row, of a table), which is called for every one. By default
        a table's column `group` is kept and plays no part in the choice.
    label
        What the samples' `label` is, which the report shows: likewise, but a function is called for the
        chosen items alone. By default a table's column `label`.
    seed
        At least 0. The same seed, length and strata give the same probe set on any platform and version.

    Raises
    ------
    ParameterError
        More samples than there are, fewer than there are strata, or strata or labels that are not one number
        or text for each sample.

    Examples
    --------
    >>> labels = ["even", "odd"] * 50
    >>> probe = probe_set(range(100), 4, stratify=labels)
    >>> probe.samples["group"].count("odd")
    2
    >>> probe.indices.tolist() == probe.subset(range(100))
    True
    """
    size = _length(dataset)
    if not isinstance(n, int | np.integer) or not 1 <= n <= size:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(f"n is {n}, the data set has {size} samples; needed 1 to {size}")
    if not isinstance(seed, int | np.integer) or seed < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ParameterError(f"seed is {seed!r}; needed an integer of at least 0")
    order = np.argsort(np.random.PCG64(seed).random_raw(size), kind="stable")
    groups = None if stratify is None else _values(dataset, "stratify", stratify, range(size))
    indices = np.sort(order[:n] if groups is None else _stratified(order, n, groups)).astype(np.int64)
    chosen: list[int] = indices.tolist()
    samples: dict[str, Any] = {SAMPLE_ID: indices}
    for name in (SAMPLE_ID, GROUP, LABEL):
        if name in _columns(dataset):
            every = _plain(dataset[name])
            samples[name] = [every[index] for index in chosen]
    if groups is not None:
        samples[GROUP] = [groups[index] for index in chosen]
    if label is not None:
        samples[LABEL] = _values(dataset, "label", label, chosen)
    return ProbeSet(indices=indices, samples=samples)


def equal_shares(sizes: Sequence[int], n: int) -> list[int]:
    """How many of `n` each stratum gets: one more each in turn, the first first, as long as it has any."""
    shares = [0] * len(sizes)
    while left := n - sum(shares):
        for stratum in [place for place, size in enumerate(sizes) if shares[place] < size][:left]:
            shares[stratum] += 1
    return shares


def _stratified(order: NDArray[np.int64], n: int, groups: list[Any]) -> NDArray[np.int64]:
    """Of each stratum its share, those that come first in `order`."""
    codes = {group: code for code, group in enumerate(dict.fromkeys(groups))}
    if n < len(codes):
        raise ParameterError(
            f"n is {n}, stratify has {len(codes)} strata; needed at least one sample of each: "
            "choose a larger n or coarser strata"
        )
    stratum = np.array([codes[group] for group in groups])
    shares = equal_shares(np.bincount(stratum).tolist(), n)
    ordered = stratum[order]
    return np.concatenate([order[ordered == code][:share] for code, share in enumerate(shares)])


def _values(dataset: Any, option: str, source: Any, indices: Sequence[int]) -> list[Any]:
    """One plain number or text for each of the samples at `indices`."""
    if callable(source):
        values = [_number(source(_item(dataset, index))) for index in indices]
    else:
        every = _column(dataset, source) if isinstance(source, str) else _plain(source)
        if len(every) != len(dataset):
            raise ParameterError(
                f"{option} has {len(every)} values for {len(dataset)} samples; needed one for each"
            )
        values = [every[index] for index in indices]
    for index, value in zip(indices, values, strict=True):
        if not isinstance(value, int | float | str) or value != value:
            raise ParameterError(
                f"{option} of sample {index} is {str(value)[:60]!r} of type {type(value).__name__}; "
                "needed one number or text: fill or convert it"
            )
    return values


def _column(dataset: Any, name: str) -> list[Any]:
    if name not in (columns := _columns(dataset)):
        found = ", ".join(map(str, columns)) or "none"
        raise ParameterError(f"no column {name!r}; found {found}; pass values or a function of an item")
    return _plain(dataset[name])


def _length(dataset: Any) -> int:
    kind = type(dataset).__name__
    if not isinstance(dataset, Mapping) and hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__"):
        return len(dataset)
    raise ParameterError(
        f"dataset is a {kind}; needed a length and items by position, or a table: make a list of it"
    )


def _columns(dataset: Any) -> list[str]:
    """Names of a table's columns; none of what is no table. An Arrow table's `columns` are its data."""
    names = getattr(dataset, "column_names", None)
    return list(getattr(dataset, "columns", ()) if names is None else names)


def _is_pandas(dataset: Any) -> bool:
    return hasattr(dataset, "iloc")


def _is_polars(dataset: Any) -> bool:
    return hasattr(dataset, "columns") and hasattr(dataset, "row")


def _is_arrow(dataset: Any) -> bool:
    return hasattr(dataset, "take") and hasattr(dataset, "to_pylist")


def _item(dataset: Any, index: int) -> Any:
    if _is_pandas(dataset):
        return dataset.iloc[index]
    if _is_polars(dataset):
        return dataset.row(index, named=True)
    return dataset.slice(index, 1).to_pylist()[0] if _is_arrow(dataset) else dataset[index]


def _plain(values: Any) -> list[Any]:
    """Python objects, from the array, tensor, series or Arrow column of any library."""
    for name in ("tolist", "to_pylist"):
        if hasattr(values, name):
            return getattr(values, name)()
    return [_number(value) for value in values]


def _number(value: Any) -> Any:
    """A NumPy scalar or a tensor of one value as a plain number; anything else as it is."""
    return value.item() if hasattr(value, "item") and not getattr(value, "shape", ()) else value

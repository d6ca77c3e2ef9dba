"""Which samples join which, and how far apart they then are? Average linkage, by chains of nearest ones.

UPGMA: the distance of two groups is the mean over all pairs of their samples. A chain that goes from
each group to its nearest one ends in two that are each other's nearest; those join (Murtagh 1983), in time as
the square of the number of samples. The same tree as SciPy's, which takes a third of a second to load.
"""

import numpy as np
from jaxtyping import Float64, Int64


def average_linkage(apart: Float64[np.ndarray, "samples samples"]) -> Float64[np.ndarray, "merges 4"]:
    """The tree of joins from the nearest on: two groups, their distance, samples in both; as SciPy has it.

    Parameters
    ----------
    apart
        Distances, symmetric; the diagonal is not looked at.

    Returns
    -------
    ndarray
        Groups below the number of samples are single samples; the one of row k has that number plus k.
    """
    far = np.array(apart, np.float64)
    samples = len(far)
    np.fill_diagonal(far, np.inf)
    sizes = np.ones(samples)  # 0 of a group that is part of another
    joined: list[tuple[int, int, float]] = []
    chain: list[int] = []
    while len(joined) < samples - 1:
        if not chain:
            chain.append(int((sizes > 0).argmax()))
        here = chain[-1]
        nearest = int(far[here].argmin())
        if len(chain) > 1 and far[here, chain[-2]] <= far[here, nearest]:
            one, other = sorted((chain.pop(), chain.pop()))
            joined.append((one, other, float(far[one, other])))
            of_both = (sizes[one] * far[one] + sizes[other] * far[other]) / (sizes[one] + sizes[other])
            sizes[other] += sizes[one]
            sizes[one] = 0
            far[other] = far[:, other] = of_both
            far[one] = far[:, one] = far[other, other] = np.inf
        else:
            chain.append(nearest)
    return _in_order(joined, samples)


def _in_order(joined: list[tuple[int, int, float]], samples: int) -> Float64[np.ndarray, "merges 4"]:
    """The joins by distance, and groups by the numbers that they then have."""
    parent, counts = [*range(2 * samples - 1)], [1] * samples
    tree = np.empty((len(joined), 4))

    def group(sample: int) -> int:
        while parent[sample] != sample:
            parent[sample] = parent[parent[sample]]
            sample = parent[sample]
        return sample

    for row, (one, other, distance) in enumerate(sorted(joined, key=lambda join: join[2])):
        left, right = sorted((group(one), group(other)))
        parent[left] = parent[right] = samples + row
        counts.append(counts[left] + counts[right])
        tree[row] = left, right, distance, counts[-1]
    return tree


def flat_groups(tree: Float64[np.ndarray, "merges 4"], most: float) -> Int64[np.ndarray, " samples"]:
    """The group of each sample, where those join that are at most so far apart; numbered as samples come."""
    samples = len(tree) + 1
    of = [*range(2 * samples - 1)]
    for row in range(len(tree) - 1, -1, -1):
        left, right, distance, _ = tree[row]
        if distance <= most:
            of[int(left)] = of[int(right)] = of[samples + row]
    return np.unique(of[:samples], return_inverse=True)[1]

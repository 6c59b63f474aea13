"""Matrix products to about 100 bits with a rigorous error, from exact products in double precision.

A matrix is cut into slices of integers below 2^19 times powers of two (K. Ozaki, T. Ogita, S. Oishi, S. M. Rump, Numer. Algorithms 59, 2012). The product of
two slices is a matrix of integers below n 2^40 <= 2^53: exact, whatever the order of the sums in BLAS. Sums are kept as unevaluated pairs (Knuth's TwoSum).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SLICE = 20  # bits of a slice; a slice of a sum of two matrices has entries up to 2^20
LARGEST = 4096  # n 2^19 2^20 must stay below 2^53
EPSILON = 2.0**-53


class Pair:
    """An unevaluated sum hi + lo of matrices. `error` bounds the entries of what was lost: after m additions of matrices with entries up to a_1, ..., a_m,
    lo was rounded at most m times, each time by at most EPSILON |lo| with |lo| <= m EPSILON (a_1 + ... + a_m)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        import numpy as np

        self.hi, self.lo = np.zeros(shape), np.zeros(shape)
        self.count, self.weight, self.truncated = 0, 0.0, 0.0

    def add(self, x: Floats) -> None:
        """TwoSum: hi + x = s + e exactly."""
        import numpy as np

        s = self.hi + x
        part = s - self.hi
        self.lo += (self.hi - (s - part)) + (x - part)
        self.hi = s
        self.count += 1
        self.weight += float(np.abs(x).max(initial=0.0))

    @property
    def error(self) -> float:
        """Largest error of an entry of hi + lo."""
        return self.truncated + 1.01 * (self.count + 1) ** 2 * EPSILON**2 * self.weight


def slices(parts: list[Floats], count: int) -> tuple[list[Floats], int, float]:
    """(integer matrices S_1, ..., S_count, e, error): the sum of at most two parts is sum_k S_k 2^(e - SLICE k), up to `error` in each entry."""
    import numpy as np

    assert len(parts) <= 2
    largest = max(float(np.abs(part).max()) for part in parts)
    e = int(np.frexp(largest)[1]) + 1
    found, rests = [], [part.copy() for part in parts]
    for k in range(1, count + 1):
        total = np.zeros_like(rests[0])
        for rest in rests:
            piece = np.rint(np.ldexp(rest, SLICE * k - e))
            rest -= np.ldexp(piece, e - SLICE * k)  # exact: both are multiples of the last bit of the rest
            total += piece
        found.append(total)
    return found, e, sum(float(np.abs(rest).max()) for rest in rests)


def product(left: tuple[list[Floats], int, float], right: tuple[list[Floats], int, float], depth: int) -> Pair:
    """The product of two sliced n x n matrices as a `Pair`: pairs of slices (i, j) with i + j <= depth, the rest goes into the error."""
    import numpy as np

    (a, ea, lost_a), (b, eb, lost_b) = left, right
    n = len(a[0])
    assert n <= LARGEST
    result = Pair(a[0].shape)
    for total in range(2, depth + 1):
        for i in range(1, total):
            if i <= len(a) and total - i <= len(b):
                result.add(np.ldexp(a[i - 1] @ b[total - i - 1], ea + eb - SLICE * total))
    size_a, size_b = 2.0 ** (ea + 1), 2.0 ** (eb + 1)  # bounds of the entries
    dropped = sum(1 for i in range(len(a)) for j in range(len(b)) if i + j + 2 > depth)
    result.truncated = n * (dropped * 2.0 ** (ea + eb + 41 - SLICE * (depth + 1)) + lost_a * size_b + lost_b * size_a + lost_a * lost_b)
    return result


def two_product(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """x * y, entry by entry, as an exact sum of two arrays (Dekker, Veltkamp), away from underflow."""
    high = x * y
    (x1, x2), (y1, y2) = _halves(x), _halves(y)
    return high, x2 * y2 - (((high - x1 * y1) - x2 * y1) - x1 * y2)


def row_sums(x: Pair, y: list[Floats]) -> tuple[Floats, Floats]:
    """(sum_j x_ij y_ij, error bounds, without x.error), y the sum of its parts, the first leading: only small products and their sums are rounded."""
    import numpy as np

    high, low = two_product(x.hi, y[0])
    total = Pair(high.shape[:1])
    for column in high.T:
        total.add(column)
    small = [low, x.lo * y[0], *(z * part for part in y[1:] for z in (x.hi, x.lo))]
    size = sum(np.abs(term).sum(axis=1) for term in small)
    value = total.hi + (total.lo + sum(term.sum(axis=1) for term in small))
    return value, 2 * EPSILON * np.abs(value) + total.error + 2 * (len(high) + 8) * EPSILON * (size + np.abs(total.lo))


def _halves(x: Floats) -> tuple[Floats, Floats]:
    big = 134217729.0 * x  # 2^27 + 1
    high = big - (big - x)
    return high, x - high

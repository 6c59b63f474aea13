"""Companions: other minima and ways of training, made from a case by a fixed rule, that folklore compares it with; exactly, and in floats for searches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from verify.exact import InputError, Matrix
from verify.optimiser import SGD
from verify.result import as_float

from .case import Case
from .moments import semidefinite

LADDER = tuple(Fraction(a, b) for a, b in ((9, 10), (5, 6), (4, 5), (3, 4), (2, 3), (1, 2), (1, 4), (1, 6)))


def smaller_steps(case: Case) -> Iterator[tuple[str, Case]]:
    """The same minimum at fixed fractions of the step size."""
    for factor in LADDER:
        yield f"eta = {case.eta * factor}", case.at(case.eta * factor)


def larger_batch(case: Case) -> Iterator[tuple[str, Case]]:
    """The next larger batch; from batch 1, drawn with and without replacement."""
    optimiser = case.optimiser
    if isinstance(optimiser, SGD) and optimiser.batch < len(case.gram) and (optimiser.weights is None or optimiser.replacement):
        b = optimiser.batch + 1
        for replacement in (True, False) if optimiser.batch == 1 and optimiser.weights is None else (optimiser.replacement,):
            how = "with" if replacement else "without"
            yield f"batch {b} {how} replacement", case.under(SGD(case.eta, b, replacement, optimiser.weights if replacement else None))


def without_replacement(case: Case) -> Iterator[tuple[str, Case]]:
    """The same batch size, drawn without replacement."""
    optimiser = case.optimiser
    if not isinstance(optimiser, SGD):
        raise InputError("gradient descent draws no batches")
    yield f"batch {optimiser.batch} without replacement", case.under(SGD(case.eta, optimiser.batch, False))


def uncorrelated(case: Case) -> Iterator[tuple[str, Case]]:
    """Orthogonal gradients of the same norms."""
    n = len(case.gram)
    yield "orthogonal gradients of the same norms", case.with_gram([[case.gram[i][i] if i == j else 0 for j in range(n)] for i in range(n)])


def top_eigenvalue_below(gram: Matrix) -> Fraction:
    """A rational below the largest eigenvalue of K and close to it (in floating point, less 1e-6)."""
    import numpy as np

    top = float(np.linalg.eigvalsh(np.array([[as_float(x) for x in row] for row in gram]))[-1])
    return Fraction(math.floor(top * (1 - 1e-6) * 10**6), 10**6)


def simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction with the least denominator in [low, high], 0 < low <= high."""
    floor = math.floor(low)
    if floor == low or floor + 1 <= high:
        return Fraction(floor if floor == low else floor + 1)
    return floor + 1 / simplest(1 / (high - floor), 1 / (low - floor))


def flatter(gram: Matrix, eta: Fraction) -> Matrix:
    """diag(k, m, ...), smaller than K in top eigenvalue and in trace; k > 2/eta, so unstable (E3), where that is possible."""
    n, top = len(gram), top_eigenvalue_below(gram)
    trace = sum((gram[i][i] for i in range(n)), start=Fraction(0))
    low, high = 2 / eta, min(top, trace * Fraction(999, 1000))
    k = simplest(low * Fraction(1001, 1000), high) if low * Fraction(1001, 1000) < high else simplest(high / 2, high)
    room = (trace - k) / n
    m = simplest(room / 2, min(room, k)) if n > 1 else k
    return tuple(tuple((k if i == 0 else m) if i == j else Fraction(0) for j in range(n)) for i in range(n))


def is_flatter(gram: Matrix, other: Matrix) -> bool:
    """Whether diagonal `other` has a smaller trace and top eigenvalue than K: largest entry t with K - t I not negative semidefinite, exactly."""
    n = len(gram)
    t = max(other[i][i] for i in range(n))
    below = semidefinite([[(t if i == j else Fraction(0)) - gram[i][j] for j in range(n)] for i in range(n)])
    return not below and sum(other[i][i] for i in range(n)) < sum(gram[i][i] for i in range(n))


def flatter_ones(case: Case) -> Iterator[tuple[str, Case]]:
    """A minimum that is flatter in both senses, where the rule gives one."""
    other = flatter(case.gram, case.eta)
    if is_flatter(case.gram, other):
        yield f"flatter, K' = diag{tuple(str(other[i][i]) for i in range(len(other)))}", case.with_gram(other)


def rotated(gram: Matrix) -> Matrix | None:
    """R K R^T for a rotation of the first two coordinates: by 45 degrees for two samples, else by the angle of (3, 4, 5); None for one sample."""
    n = len(gram)
    if n < 2:
        return None
    a, b, d = gram[0][0], gram[0][1], gram[1][1]
    if n == 2:
        return ((a / 2 - b + d / 2, (a - d) / 2), ((a - d) / 2, a / 2 + b + d / 2))
    c, s = Fraction(3, 5), Fraction(4, 5)
    r = [[Fraction(i == j) for j in range(n)] for i in range(n)]
    r[0][:2], r[1][:2] = [c, -s], [s, c]
    left = [[sum(r[i][k] * gram[k][j] for k in range(n)) for j in range(n)] for i in range(n)]
    return tuple(tuple(sum((left[i][k] * r[j][k] for k in range(n)), start=Fraction(0)) for j in range(n)) for i in range(n))


def same_spectrum(case: Case) -> Iterator[tuple[str, Case]]:
    """A minimum with the same eigenvalues of K."""
    other = rotated(case.gram)
    if other is not None:
        yield f"same spectrum, K' = {[[str(x) for x in row] for row in other]}", case.with_gram(other)


def rotated_floats(gram: Any) -> Any:
    """`rotated` for many K at once."""
    import numpy as np

    if gram.shape[-1] < 2:
        return gram
    c = s = math.sqrt(0.5)
    if gram.shape[-1] > 2:
        c, s = 0.6, 0.8
    r = np.eye(gram.shape[-1])
    r[:2, :2] = [[c, -s], [s, c]]
    return r @ gram @ r.T


def diagonal_floats(gram: Any) -> Any:
    """Only the diagonals."""
    import numpy as np

    return gram * np.eye(gram.shape[-1])


def room_for_flatter(batch: Any) -> Any:
    """eta min(kappa_max, tr K) / 2 - 1."""
    import numpy as np

    top = np.minimum(batch.kappa()[:, -1], 0.999 * np.einsum("pii->p", batch.grams[:, 0]))
    return batch.steps[:, 0] * top / 2 - 1.002


def splits(batch: Any) -> Any:
    """Positive where the first sample is orthogonal to all others and its c is below 2."""
    import numpy as np

    return np.where(np.abs(batch.grams[:, 0, 0, 1:]).max(axis=1, initial=0) == 0, 2 - batch.c()[:, 0] - 1e-9, -1.0)

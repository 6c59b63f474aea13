"""E11, the mean-square exponent ms = (1/2) log rho(E[A (x) A]) and lambda <= ms; and the word method, its refinement with logarithms.

The leading eigenmatrix is found in floating point and rounded; the certificate is an exact matrix inequality.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import TYPE_CHECKING

from ..family import MatrixFamily
from .elementary import full_batch
from .question import Bound, Finding, Question

if TYPE_CHECKING:
    import numpy as np

MAX_DIMENSION = 12
MAX_WORDS = 4000


def mean_square(question: Question) -> Finding:
    """lambda <= ms < 0 where the mean square contracts."""
    finding = mean_square_finding(question)
    if finding.upper is None or finding.upper.value >= 0:
        return Finding(finding.reason or f"the mean square does not contract (ms is about {float(finding.upper.value) if finding.upper else math.nan:.3g})")
    return Finding("", upper=finding.upper)


def mean_square_finding(question: Question) -> Finding:
    """Two-sided bounds on ms itself, about 1e-6 wide, for families of dimension at most 12; for a full batch ms = mu (E2)."""
    import numpy as np

    full = full_batch(question)
    if full.lower or full.upper:
        return full
    if question.dimension > MAX_DIMENSION:
        return Finding(f"dimension {question.dimension} is too large for the exact mean-square certificate")
    if question.why_no_family:
        return Finding(question.why_no_family)
    family = question.family
    if len(family.matrices) * family.dimension**3 > 200_000:
        return Finding(f"dimension {family.dimension} with {len(family.matrices)} steps is too large for the exact mean-square certificate")
    if not family.matrices:
        return Finding("every step is the identity")
    with np.errstate(all="ignore"):
        upper, lower = (_one_side(family, side) for side in (True, False))
    reason = "" if upper and lower else "the leading eigenmatrix was not found to sufficient accuracy"
    return Finding(reason, lower, upper)


def _one_side(family: MatrixFamily, upper: bool) -> Bound | None:
    """Upper: S = (R - T*)^-1 I is positive definite for R > rho and leaves the margin I. Lower: the leading eigenmatrix, as L L^T with rational L."""
    import numpy as np

    from ..balls import log_sum_bounds

    matrices, p = family.as_floats()
    if not np.isfinite(matrices).all():
        return None
    operator = _operator(matrices.transpose(0, 2, 1) if upper else matrices, p)
    eigen, rho = _leading(operator, family.dimension)
    if eigen is None or not math.isfinite(rho) or rho <= 0:
        return None
    for spread in (2e-7, 2e-6, 1e-4, 1e-2):
        radius = Fraction(f"{rho * (1 + spread if upper else 1 - spread):.12e}")
        if upper:
            one = np.array([float(i == j) for i, j in _pairs(family.dimension)])
            try:
                solved = np.linalg.solve(float(radius) * np.eye(len(one)) - operator, one)
            except np.linalg.LinAlgError:
                continue
            if not np.isfinite(solved).all() or not solved.any():
                continue
            s = _symmetric(solved, family.dimension)
            scale = 2.0 ** (45 - math.floor(math.log2(np.abs(s).max())))
            matrix = [[Fraction(round(x * scale)) for x in row] for row in s]
        else:
            w, v = np.linalg.eigh(eigen)
            factor = v * np.sqrt(np.clip(w, 0, None))
            root = [[Fraction(round(x * 2**36)) for x in row] for row in factor / np.abs(factor).max()]
            matrix = [[sum((x * y for x, y in zip(u, t, strict=True)), start=Fraction(0)) for t in root] for u in root]
        if radius <= 0 or not _holds(family, matrix, radius, upper):
            continue
        bounds = log_sum_bounds([(Fraction(1, 2), radius)], Fraction(1, 10**15))
        if bounds:
            proof = {"kind": "mean-square", "matrix": [[str(x) for x in row] for row in matrix], "radius": str(radius)}
            return Bound(bounds[1] if upper else bounds[0], proof)
    return None


def _pairs(d: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(d) for j in range(i, d)]


def _symmetric(entries: np.ndarray, d: int) -> np.ndarray:
    import numpy as np

    s = np.zeros((d, d))
    for (i, j), x in zip(_pairs(d), entries, strict=True):
        s[i, j] = s[j, i] = x
    return s


def _operator(matrices: np.ndarray, p: np.ndarray) -> np.ndarray:
    """S -> E[A S A^T] on symmetric matrices, in the basis of the upper triangle."""
    import numpy as np

    d, rest = matrices.shape[1], 1 - p.sum()
    columns = []
    for k in range(len(_pairs(d))):
        unit = _symmetric(np.eye(len(_pairs(d)))[k], d)
        image = np.einsum("s,sij,jk,slk->il", p, matrices, unit, matrices) + rest * unit
        columns.append([image[pair] for pair in _pairs(d)])
    return np.array(columns).T


def _leading(operator: np.ndarray, d: int) -> tuple[np.ndarray | None, float]:
    """The largest eigenvalue and its positive semidefinite eigenmatrix."""
    import numpy as np

    if not np.isfinite(operator).all():
        return None, math.nan
    values, vectors = np.linalg.eig(operator)
    k = int(np.argmax(values.real))
    eigen = _symmetric(vectors[:, k].real, d)
    eigen *= math.copysign(1.0, np.trace(eigen)) / max(float(np.abs(eigen).max()), 1e-300)
    return eigen, float(values[k].real)


def _holds(family: MatrixFamily, matrix: list[list[Fraction]], radius: Fraction, upper: bool) -> bool:
    """R S - E[A^T S A] (upper) or E[A S A^T] - R S (lower) is positive semidefinite, exactly."""
    from flint import fmpq_mat

    from ..balls import fmpq_of

    d = family.dimension
    s = fmpq_mat(d, d, [fmpq_of(x) for row in matrix for x in row])
    image = s * fmpq_of(1 - sum(family.probabilities, start=Fraction(0)))
    for step, probability in zip(family.matrices, family.probabilities, strict=True):
        a = fmpq_mat(d, d, [fmpq_of(x) for row in step for x in row])
        image += (a.transpose() * s * a if upper else a * s * a.transpose()) * fmpq_of(probability)
    difference = s * fmpq_of(radius) - image if upper else image - s * fmpq_of(radius)
    return _semidefinite(s, definite=upper) and _semidefinite(difference)


def _semidefinite(s: object, definite: bool = False) -> bool:
    """By the signs of the characteristic polynomial of a symmetric matrix."""
    coefficients = s.charpoly().coeffs()  # type: ignore[attr-defined]
    size = len(coefficients) - 1
    signed = [(-1) ** (size - k) * c for k, c in enumerate(coefficients)]
    return all(c > 0 for c in signed) if definite else all(c >= 0 for c in signed)


def words(question: Question) -> Finding:
    """lambda <= (1/2n) E log ||A_w||^2 over words of length n, in the Frobenius norm of the mean-square eigenmatrix."""
    import numpy as np

    from ..balls import log_sum_bounds

    if question.dimension > MAX_DIMENSION:
        return Finding("too large matrices")
    if question.why_no_family:
        return Finding(question.why_no_family)
    family = question.family
    count = len(family.matrices) + 1
    if not family.matrices or count**2 > MAX_WORDS:
        return Finding("too many words, or too large matrices")
    matrices, p = family.as_floats()
    with np.errstate(all="ignore"):
        eigen, rho = _leading(_operator(matrices.transpose(0, 2, 1), p), family.dimension)
        if eigen is None or not math.isfinite(rho):
            return Finding("the entries are too large for the search")
        w, v = np.linalg.eigh(eigen)
        root = v * np.sqrt(np.clip(w, 1e-6 * np.abs(w).max(), None)) @ v.T
        steps = np.concatenate([matrices, np.eye(family.dimension)[None]]) if p.sum() < 1 else matrices
        weights = np.append(p, 1 - p.sum()) if p.sum() < 1 else p
        steps = root @ steps @ np.linalg.inv(root)
        best, length = math.inf, 0
        products, chances = steps, weights
        for n in range(1, 65):
            if n > 1:
                products = np.einsum("wij,sjk->wsik", products, steps).reshape(-1, *steps.shape[1:])
                chances = np.outer(chances, weights).ravel()
            value = float((chances * np.log(np.maximum((products**2).sum(axis=(1, 2)), 1e-300))).sum() / (2 * n))
            if value < best:
                best, length = value, n
            if value < 0 or len(products) * len(steps) > MAX_WORDS:
                break
    if not best < -1e-9:
        return Finding(f"words up to length {n} only give lambda <= {best:.3g}")
    scale = 2.0**20 / np.abs(root).max()
    rational = [[Fraction(round(x * scale)) for x in row] for row in (root + root.T) / 2]
    norm = [[sum((x * y for x, y in zip(u, t, strict=True)), start=Fraction(0)) for t in rational] for u in rational]
    terms = _word_terms(family, norm, length)
    bounds = log_sum_bounds(terms, Fraction(1, 10**15))
    proof = {"kind": "words", "length": length, "norm": [[str(x) for x in row] for row in norm]}
    if bounds is None:
        return Finding("a product of steps vanishes", upper=Bound(Fraction(0), proof, True), expression="-oo")
    return Finding("", upper=Bound(bounds[1], proof))


def _word_terms(family: MatrixFamily, norm: list[list[Fraction]], length: int) -> list[tuple[Fraction, Fraction]]:
    from flint import fmpq_mat

    from ..balls import fmpq_of

    d = family.dimension
    q = fmpq_mat(d, d, [fmpq_of(x) for row in norm for x in row])
    q_inverse, rest = q.inv(), 1 - sum(family.probabilities, start=Fraction(0))
    steps = [(fmpq_mat(d, d, [fmpq_of(x) for row in a for x in row]), p) for a, p in zip(family.matrices, family.probabilities, strict=True)]
    if rest:
        steps.append((fmpq_mat(d, d, [int(i == j) for i in range(d) for j in range(d)]), rest))
    terms = []
    for word in itertools.product(steps, repeat=length):
        a = word[0][0]
        for step, _ in word[1:]:
            a = a * step
        square = q_inverse * a.transpose() * q * a
        trace = sum(Fraction(int(square[i, i].p), int(square[i, i].q)) for i in range(d))
        terms.append((Fraction(math.prod(p for _, p in word)) / (2 * length), Fraction(trace)))
    return terms

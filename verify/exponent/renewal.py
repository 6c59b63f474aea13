"""E8: one singular step (c_i = 1) and one other. Every visit of the singular step resets the direction, so lambda is a convergent series."""

from __future__ import annotations

from fractions import Fraction

from ..balls import LogSum, log_sum_bounds
from ..exact import Matrix
from .question import Bound, Finding, Question

MAX_TERMS = 4000


def renewal(question: Question) -> Finding:
    """lambda = (p^2/(p+q)) sum_k (q/(p+q))^k log |alpha + beta x^k|, truncated with a rigorous tail.

    Steps A = a b^T of rank one (probability p) and B with (B - I)(B - xI) = 0 (probability q); alpha + beta x^k = b . B^k a.
    """
    if question.dimension > 8:
        return Finding("the dimension is above 8")
    if question.why_no_family:
        return Finding(question.why_no_family)
    family = question.family
    if len(family.matrices) != 2:
        return Finding("there are not exactly two distinct steps")
    order = next((s for s in (0, 1) if _is_pair(family.matrices[s], family.matrices[1 - s])), None)
    if order is None:
        return Finding("no step is singular of rank one")
    a, b = family.matrices[order], family.matrices[1 - order]
    p, q = family.probabilities[order], family.probabilities[1 - order]
    mass, p, q = p + q, p / (p + q), q / (p + q)
    x = _trace(b) - (family.dimension - 1)
    start, after = _trace(a), _trace(_product(b, a))
    beta = (start - after) / (1 - x)
    alpha = start - beta
    terms: LogSum = []
    for n in range(1, MAX_TERMS):
        terms.append((mass * p * p * q ** (n - 1), abs(alpha + beta * x ** (n - 1))))
        proof = {"kind": "renewal", "terms": n}
        if terms[-1][1] == 0:
            reason = f"{n - 1} other steps between two singular steps give exactly zero"
            return Finding(reason, upper=Bound(Fraction(0), proof, True), expression="-oo")
        if n % 8:
            continue
        tails = [tail for upper in (False, True) if (tail := _tail(alpha, beta, x, q, n, mass, upper)) is not None]
        if len(tails) < 2:
            continue
        width = question.fine_width if question.width is not None else Fraction(1, 10**9)
        while True:
            low, high = (log_sum_bounds(terms + tail, width / 4) for tail in tails)
            if low is None or high is None or high[1] - low[0] > width:
                break
            if low[0] > 0 or high[1] < 0 or width < Fraction(1, 10**60):
                return Finding("", Bound(low[0], proof), Bound(high[1], proof))
            width /= 1000
        if n * max(v.bit_length() for y in (x, q) for v in (y.numerator, y.denominator)) > 50_000:
            break
    return Finding("the renewal series converges too slowly for this width")


def _tail(alpha: Fraction, beta: Fraction, x: Fraction, q: Fraction, n: int, mass: Fraction, upper: bool) -> LogSum | None:
    """Bound on the terms k >= n, as further terms of a sum of logarithms; None where the bound does not hold yet."""
    p = 1 - q
    if x == -1:
        values = (abs(alpha + beta), abs(alpha - beta))
        u = max(values) if upper else min(values)
    elif abs(x) > 1:
        far = abs(alpha) / abs(x) ** n
        u = abs(beta) + far if upper else abs(beta) - far
    else:
        far = abs(beta) * abs(x) ** n
        u = abs(alpha) + far if upper else abs(alpha) - far
    if u <= 0:
        return None
    return [(mass * p * q**n, u)] + ([(mass * q**n * (n * p + q), abs(x))] if abs(x) > 1 else [])


def _is_pair(a: Matrix, b: Matrix) -> bool:
    d = len(a)
    x = _trace(b) - (d - 1)
    first, second = (tuple(tuple(b[i][j] - (y if i == j else 0) for j in range(d)) for i in range(d)) for y in (Fraction(1), x))
    minors = all(a[i][k] * a[j][m] == a[i][m] * a[j][k] for i in range(d) for j in range(i) for k in range(d) for m in range(k))
    return minors and x != 1 and not any(map(any, _product(first, second)))


def _trace(a: Matrix) -> Fraction:
    return sum((a[i][i] for i in range(len(a))), start=Fraction(0))


def _product(a: Matrix, b: Matrix) -> Matrix:
    columns = list(zip(*b, strict=True))
    return tuple(tuple(sum((x * y for x, y in zip(row, column, strict=True)), start=Fraction(0)) for column in columns) for row in a)

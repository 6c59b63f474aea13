"""The trusted checker: decides whether a certificate proves its claim (FORMAT.md). Standard library only, no floats, nothing shared with any search.

    python -I check.py CERT.json        prints accepted / rejected: reason; exit status 0 / 1 (2: unreadable file)

It rebuilds the matrices from the claim. The inferences are proved in theorems/THEORY.md under the numbers cited here.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce
from itertools import combinations, product
from typing import Any

FORMAT, VERSIONS = "sgd-verify-certificate", (1, 2)
MAX_BYTES, MAX_DIGITS, MAX_STEPS, MAX_SAMPLES, MAX_WORK = 32 << 20, 2000, 20_000, 200, 300_000_000
MAX_WORDS, MAX_DEGREE, MAX_BITS, MAX_POWERS, MAX_STORED = 20_000, 400, 60_000, 60, 2 * 10**9

INTEGER, RATIONAL = re.compile(r"-?[0-9]+"), re.compile(r"-?[0-9]+(/[0-9]+)?")

Rows = list[list[Fraction]]
Integers = list[list[int]]
Terms = list[tuple[Fraction, Fraction]]  # sum of w log x


class Rejected(Exception):
    """The certificate does not prove its claim; the message says why."""


def need(condition: object, reason: str) -> None:
    if not condition:
        raise Rejected(reason)


WORK_LEFT: ContextVar[list[int] | None] = ContextVar("WORK_LEFT", default=None)


def spend(operations: int, bits: int = 0) -> None:
    """Charge arithmetic to the work that one check may do (a unit is about 0.1 microseconds), so that a hostile file is rejected in bounded time."""
    left = WORK_LEFT.get()
    if left is not None:
        left[0] -= operations * (1 + (math.isqrt(bits**3) >> 13))
        if left[0] < 0:
            raise Rejected("the proof needs more work than the checker grants")


# --- reading -------------------------------------------------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """A hostile value in a message: one short line of ASCII."""
    return ascii(value)[:40]


def number(text: Any, what: str = "number") -> Fraction:
    need(isinstance(text, str) and len(text) <= 2 * MAX_DIGITS + 2, f"{what} is not a string of bounded length")
    need(RATIONAL.fullmatch(text), f"{what} {shown(text)} is not an integer or a fraction p/q")
    top, _, bottom = text.partition("/")
    need(len(top) <= MAX_DIGITS and len(bottom) <= MAX_DIGITS, f"{what} has more than {MAX_DIGITS} digits")
    need(int(bottom or 1), f"{what} divides by zero")
    return Fraction(int(top), int(bottom or 1))


def integer(text: Any, what: str = "integer") -> int:
    if not (isinstance(text, str) and len(text) <= MAX_DIGITS and INTEGER.fullmatch(text)):
        raise Rejected(f"{what} {shown(text)} is not a string of an integer of at most {MAX_DIGITS} digits")
    return int(text)


def index(value: Any, below: int, what: str) -> int:
    if not (type(value) is int and 0 <= value < below):
        raise Rejected(f"{what} {shown(value)} is not an index below {below}")
    return value


def items(value: Any, what: str, length: int | None = None) -> list[Any]:
    if not (isinstance(value, list) and (len(value) == length if length is not None else value)):
        raise Rejected(f"{what} is not a list of the right length")
    return value


def matrix(value: Any, what: str, size: int | None = None) -> Rows:
    rows = [[number(x, what) for x in items(row, what, size)] for row in items(value, what, size)]
    need(all(len(row) == len(rows[0]) for row in rows), f"{what} is ragged")
    return rows


def fields(value: Any, what: str, required: str, optional: str = "") -> dict[str, Any]:
    need(isinstance(value, dict), f"{what} is not an object")
    missing, unknown = set(required.split()) - set(value), set(value) - set(required.split()) - set(optional.split())
    need(not missing and not unknown, f"{what} lacks {sorted(missing)} or has unknown {shown(sorted(map(str, unknown)))}")
    return dict(value)


# --- arithmetic ----------------------------------------------------------------------------------------------------------------------------


def log_bound(x: Fraction, bits: int, up: bool) -> int:
    """Integer t with t / 2^bits <= log x (up: >=), x > 0: x = 2^k y, 1 <= y < 2, log y = 2 artanh((y - 1)/(y + 1)), rounded outwards."""
    if x < 1:
        return -log_bound(1 / x, bits, not up)
    k = x.numerator.bit_length() - x.denominator.bit_length()
    k -= x < Fraction(1 << k)
    return k * _artanh_series(Fraction(2), bits, up) + _artanh_series(x / (1 << k), bits, up)


def _artanh_series(y: Fraction, bits: int, up: bool) -> int:
    def div(a: int, b: int) -> int:
        return -(-a // b) if up else a // b

    one = 1 << bits
    spend(2 * bits, bits)
    spend(10, y.numerator.bit_length() + y.denominator.bit_length())
    z = div((y.numerator - y.denominator) << bits, y.numerator + y.denominator)  # 0 <= z <= 1/3
    square, power, total = div(z * z, one), z, 0
    for j in range(1, 2 * (bits // 3 + 2), 2):
        total, power = total + div(power, j), div(power * square, one)
    return 2 * (total + (2 * power if up else 0))  # the tail is below power / (1 - 1/9)


def log_sum_sign(terms: Terms, value: Fraction) -> int:
    """Sign of sum w log x - value; log 0 = -infinity (weights are positive there). Rejects if it cannot be decided."""
    if any(x == 0 and w > 0 for w, x in terms):
        return -1
    terms = [(w, x) for w, x in terms if w and x != 1]
    if value == 0:
        if all(w * (x - 1) > 0 for w, x in terms) or all(w * (x - 1) < 0 for w, x in terms):
            return (terms[0][0] * (terms[0][1] - 1) > 0) * 2 - 1 if terms else 0
        common = common_denominator(w for w, _ in terms)
        if sum(abs(w) * common * (x.numerator.bit_length() + x.denominator.bit_length()) for w, x in terms) <= MAX_BITS:
            power = math.prod((x ** int(w * common) for w, x in terms), start=Fraction(1))
            return (power > 1) - (power < 1)
    spend(20 * len(terms), max((w.denominator.bit_length() for w, _ in terms), default=0))
    for precision in (64, 160, 400, 1000, 2500):
        low = sum((w * log_bound(x, precision, w < 0) for w, x in terms), start=Fraction(0))
        high = sum((w * log_bound(x, precision, w > 0) for w, x in terms), start=Fraction(0))
        if low > value * (1 << precision) or high < value * (1 << precision):
            return 1 if low > value * (1 << precision) else -1
    raise Rejected("a sum of logarithms is too close to the claimed value to be decided")


@dataclass(frozen=True)
class Goal:
    """One side of a statement: quantity <= value (upper) or >= value, strictly or not."""

    quantity: str
    upper: bool
    value: Fraction
    strict: bool

    def sign(self, terms: Terms) -> int:
        """Compare a proved bound sum w log x with the value: 1 suffices, 0 equal, -1 does not suffice."""
        return log_sum_sign(terms, self.value) * (-1 if self.upper else 1)

    def require(self, terms: Terms, strictly: bool = False) -> None:
        """The proved bound (strict if `strictly`) implies the goal."""
        sign = self.sign(terms)
        need(sign > 0 or (sign == 0 and (strictly or not self.strict)), "the proved bound does not imply the claim")

    def product(self, weights: list[Fraction]) -> Product | None:
        """The goal sum p_s log x_s >= value (upper: <=) with powers instead of logarithms, for weights with a small common denominator P."""
        common = common_denominator(weights)
        powers, exponent = [int(p * common) for p in weights], self.value * common
        if sum(powers) > MAX_POWERS or abs(exponent) > MAX_POWERS:
            return None
        if not exponent:
            return Product(powers, 1, 1, self.strict)
        low, high, scale = 1, 1 << 256, 1 << 160  # low / scale < e^exponent < high / scale: |exponent| <= 60, and no rational is a power of e
        while high - low > low >> 48:
            middle = (low + high) // 2 if high <= 2 * low else 1 << (low.bit_length() + high.bit_length() - 1) // 2
            low, high = (middle, high) if log_sum_sign([(Fraction(1), Fraction(middle, scale))], exponent) < 0 else (low, middle)
        return Product(powers, low if self.upper else high, scale, False)


@dataclass(frozen=True)
class Product:
    """prod x_s^P_s >= a / b (> if strict) in place of sum p_s log x_s >= value."""

    powers: list[int]
    a: int
    b: int
    strict: bool

    def reached(self, over: list[int], under: list[int], upside_down: bool = False) -> bool:
        """For x_s = over_s / under_s > 0; False also where the numbers are too large for powers, which logarithms may still decide.

        Upside down: prod x_s^P_s >= b / a, the form for upper bounds, where a / b is below e^(P value) and x_s = t_s.
        """
        size = sum(self.powers) * max(bits(over), bits(under))
        if size > MAX_BITS:
            return False
        spend(10, size)
        a, b = (self.b, self.a) if upside_down else (self.a, self.b)
        left, right = b * math.prod(map(pow, over, self.powers)), a * math.prod(map(pow, under, self.powers))
        return left > right or (left == right and not self.strict)


def common_denominator(values: Iterable[Fraction]) -> int:
    common = 1
    for x in values:
        common = math.lcm(common, x.denominator)
        spend(2, common.bit_length())
        need(common.bit_length() <= MAX_BITS, "the common denominator has too many digits")
    return common


def scaled(rows: Rows) -> tuple[Integers, int]:
    """Integer matrix and positive denominator."""
    common = common_denominator(x for row in rows for x in row)
    return [[x.numerator * (common // x.denominator) for x in row] for row in rows], common


def eliminated(a: Integers, k: int, p: int, previous: int) -> Integers:
    """Fraction-free (Bareiss) elimination of row p and column k: the entries that remain are minors, so the division is exact."""
    pivot, rows, columns = a[p][k], [r for r in range(len(a)) if r != p], [c for c in range(len(a)) if c != k]
    spend(8 * len(a) ** 2, 2 * pivot.bit_length())  # twice: the division is the dear part
    return [[(pivot * a[r][c] - a[r][k] * a[p][c]) // previous for c in columns] for r in rows]


def inertia(rows: Rows) -> tuple[int, int, int]:
    """Numbers of positive, zero and negative eigenvalues of a symmetric matrix: elimination by congruences (Sylvester)."""
    a, size, positive, negative, previous = scaled(rows)[0], len(rows), 0, 0, 1
    while any(map(any, a)):
        k = next((k for k, row in enumerate(a) if row[k]), -1)
        if k < 0:  # zero diagonal: add row and column j to k, where the entry (k, j) is not zero
            k, j = next((i, j) for i, row in enumerate(a) for j, x in enumerate(row) if x)
            a[k] = [x + y for x, y in zip(a[k], a[j], strict=True)]
            for row in a:
                row[k] += row[j]
        pivot = a[k][k]
        positive, negative = (positive + 1, negative) if (pivot > 0) == (previous > 0) else (positive, negative + 1)
        a, previous = eliminated(a, k, k, previous), pivot
    return positive, size - positive - negative, negative


def row_basis(rows: Rows) -> list[int]:
    """Greedy row basis of a symmetric positive semidefinite matrix; rejects any other matrix."""
    a, basis, previous = scaled(rows)[0], [], 1
    for k in range(len(rows)):
        pivot = a[0][0]
        need(pivot >= 0 and (pivot or not any(a[0])), "gram is not positive semidefinite")
        if pivot:
            basis.append(k)
            a, previous = eliminated(a, 0, 0, previous), pivot
        else:
            a = [row[1:] for row in a[1:]]
    return basis


def determinant(rows: Rows) -> Fraction:
    a, common = scaled(rows)
    previous, sign = 1, 1
    while a:
        p = next((r for r, row in enumerate(a) if row[0]), -1)
        if p < 0:
            return Fraction(0)
        sign *= (-1) ** p
        a, previous = eliminated(a, 0, p, previous), a[p][0]
    return Fraction(sign * previous, common ** len(rows))


def inverse(rows: Rows) -> Rows:
    """Gauss-Jordan; rejects a singular matrix."""
    size = len(rows)
    a = [row + [Fraction(i == j) for j in range(size)] for i, row in enumerate(rows)]
    for k in range(size):
        p = next((r for r in range(k, size) if a[r][k]), -1)
        need(p >= 0, "a matrix that must be invertible is singular")
        a[k], a[p] = a[p], a[k]
        spend(100 * size**2, largest(a[k : k + 1]))
        a[k] = [x / a[k][k] for x in a[k]]
        a[:] = [row if r == k or not row[k] else [x - row[k] * y for x, y in zip(row, a[k], strict=True)] for r, row in enumerate(a)]
    return [row[size:] for row in a]


def transpose(a: Rows) -> Rows:
    return [list(column) for column in zip(*a, strict=True)]


def largest(a: Rows) -> int:
    """Bits of the largest numerator or denominator."""
    return max(max(x.numerator.bit_length(), x.denominator.bit_length()) for row in a for x in row)


def dot(u: tuple[list[int], int], v: tuple[list[int], int]) -> Fraction:
    """Sum of products of two vectors with common denominators, so that no sum outgrows what is charged."""
    spend(8 + 2 * len(u[0]), bits(u[0]) + bits(v[0]))
    return Fraction(sum(map(int.__mul__, u[0], v[0])), u[1] * v[1])


def integers(row: list[Fraction]) -> tuple[list[int], int]:
    """Integer vector and positive denominator."""
    (whole,), common = scaled([row])
    return whole, common


def times(a: Rows, b: Rows) -> Rows:
    columns = [integers(column) for column in transpose(b)]
    return [[dot(row, column) for column in columns] for row in map(integers, a)]


def combine(a: Rows, s: Fraction, b: Rows, t: Fraction) -> Rows:
    """s a + t b."""
    return [[s * x + t * y for x, y in zip(u, v, strict=True)] for u, v in zip(a, b, strict=True)]


def weighted_sum(matrices: list[Rows], weights: list[Fraction]) -> Rows:
    total = combine(matrices[0], Fraction(0), matrices[0], Fraction(0))
    for a, weight in zip(matrices, weights, strict=True):
        total = combine(total, Fraction(1), a, weight)
    return total


def identity(size: int) -> Rows:
    return [[Fraction(i == j) for j in range(size)] for i in range(size)]


def semidefinite(rows: Rows, definite: bool = False) -> bool:
    need(rows == transpose(rows), "a matrix that must be symmetric is not")
    _, zero, negative = inertia(rows)
    return negative == 0 and (zero == 0 or not definite)


# --- the subject of a claim: a family of matrices ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """Distinct steps other than the identity, with probabilities p_s, sum <= 1 (the identity has the rest), in dimension d."""

    steps: list[Rows]
    p: list[Fraction]
    d: int


class Subject:
    """The claim's family, rebuilt from data. A *ranged* subject stands for every step size between `ends` and every K within `radius`, entry by entry."""

    def __init__(self, data: Any, version: int = VERSIONS[-1]) -> None:
        self.gram: Rows | None = None
        self.matrices: list[Rows] | None = None
        self.momentum = self.decay = self.radius = Fraction(0)
        self.period, self.outputs, self.unbounded = 1, 1, False
        if isinstance(data, dict) and "matrices" in data:
            fields(data, "subject", "matrices weights")
            self.matrices = [matrix(a, "matrix") for a in items(data["matrices"], "matrices")]
            self.n = len(self.matrices)
            need(all(len(a) == len(a[0]) == len(self.matrices[0]) for a in self.matrices), "matrices are not square of one size")
            need(self.n <= MAX_STEPS, "too many matrices")
            need(self.n * len(self.matrices[0]) ** 2 <= 10**6, "matrices are too many or too large")
            self.weights, self.ends = self._weights(data["weights"]), [Fraction(0)]
            return
        source = "features" if isinstance(data, dict) and "features" in data else "gram"
        optimiser = data.get("optimiser") if isinstance(data, dict) else None
        required = "" if optimiser == "gd" else " batch" if optimiser == "reshuffled" else " batch replacement"
        more = " momentum weight_decay outputs radius" if version > 1 else ""
        fields(data, "subject", f"optimiser step_size {source}{required}", more + (" weights" if optimiser == "sgd" else ""))
        need(optimiser in ("gd", "sgd") or (optimiser == "reshuffled" and version > 1), "optimiser is not known")
        self.ends = self._ends(data["step_size"], version)
        self.outputs = index(data.get("outputs", 1), 1001, "outputs")
        self.momentum, self.decay, self.radius = (number(data.get(key, "0"), key) for key in ("momentum", "weight_decay", "radius"))
        rows = matrix(data[source], source)
        need(self.outputs >= 1 and len(rows) % self.outputs == 0, "outputs is not positive, or does not divide the number of rows")
        need(0 <= self.momentum < 1 and self.decay >= 0 and self.radius >= 0, "momentum is not in [0, 1), or weight_decay or radius negative")
        self.n = len(rows) // self.outputs
        need(len(rows) <= 20_000 and len(rows) * len(rows[0]) <= 10**6, f"{source} is too large")
        self.features = rows if source == "features" else None
        if source == "gram":
            need(len(rows) <= MAX_SAMPLES and rows == transpose(rows), "gram is not symmetric, or too large")
            self.gram, basis = rows, row_basis(rows)
            need(basis, "gram is zero")
        else:
            need(any(any(row) for row in rows), "features are all zero")
        self.replacement = data["replacement"] if optimiser == "sgd" else False
        self.batch = self.n if optimiser == "gd" else index(data["batch"], self.n + 1 if self.replacement is False else 1001, "batch")
        need(self.batch >= 1 and type(self.replacement) is bool, "batch or replacement is not valid")
        need("weights" not in data or self.batch == 1 or self.replacement, "weights need replacement or batch 1")
        self.weights = self._weights(data["weights"]) if "weights" in data else [Fraction(1, self.n)] * self.n
        if optimiser == "reshuffled":
            need(self.n % self.batch == 0 and len(self.ends) == 1, "batch does not divide the number of samples, or a range of step sizes")
            self.period = self.n // self.batch
        if self.radius:
            single = optimiser == "sgd" and self.batch == 1 and self.plain
            need(single and source == "gram" and len(basis) == self.n, "radius needs a positive definite gram, batch 1 and a plain optimiser")

    def _ends(self, value: Any, version: int) -> list[Fraction]:
        """The step size, or the ends of a range of them: 0 is not part of it, and `unbounded` says that it has no upper end."""
        if not isinstance(value, list) or version == 1:
            ends = [number(value, "step_size")]
            need(ends[0] > 0, "step_size is not positive")
            return ends
        low, high = items(value, "step_size", 2)
        self.unbounded = high == "inf"
        ends = [number(low, "step_size")] + ([] if self.unbounded else [number(high, "step_size")])
        need(ends[0] >= 0 and (self.unbounded or ends[0] < ends[1]), "step_size is not a range of positive numbers")
        return ends

    def _weights(self, value: Any) -> list[Fraction]:
        weights = [number(w, "weight") for w in items(value, "weights", self.n)]
        need(all(w > 0 for w in weights), "a weight is not positive")
        (whole,), _ = scaled([weights])
        total = sum(whole)
        return [Fraction(w, total) for w in whole]

    @property
    def plain(self) -> bool:
        """One real output for each sample, independent batches, neither momentum nor weight decay: what E3, E5', E7 are about."""
        return self.matrices is None and self.outputs == 1 and self.period == 1 and not self.momentum and not self.decay

    @property
    def swept(self) -> bool:
        """Whether the claim is about a range of step sizes."""
        return len(self.ends) > 1 or self.unbounded

    @property
    def ranged(self) -> bool:
        """Whether it is about more than one step size or kernel."""
        return bool(self.radius) or self.swept

    @property
    def eta(self) -> Fraction:
        need(not self.ranged and self.matrices is None, "this proof needs an optimiser with one step size")
        return self.ends[0]

    def k(self, i: int, j: int) -> Fraction:
        """K_ij."""
        if self.gram is not None:
            return self.gram[i][j]
        need(self.matrices is None, "this proof needs an optimiser, not matrices")
        return dot(self.integer_features[i], self.integer_features[j])

    @cached_property
    def integer_features(self) -> list[tuple[list[int], int]]:
        """The rows of X with their common denominators."""
        return [integers(row) for row in self.features or []]

    def c(self, i: int) -> Fraction:
        """c_i = eta K_ii, for batch 1 only."""
        return self.eta * self.norm(i)

    def norm(self, i: int) -> Fraction:
        """K_ii, for plain batch 1 only."""
        need(self.plain and self.batch == 1, "this proof needs batch 1 and a plain optimiser")
        return self.k(i, i)

    def rows(self, samples: list[int]) -> list[int]:
        """The rows of K that the samples own."""
        return [i * self.outputs + a for i in samples for a in range(self.outputs)]

    def block(self, samples: list[int]) -> Rows:
        rows = self.rows(samples)
        need(len(rows) <= MAX_SAMPLES, f"more than {MAX_SAMPLES} rows of K in one family")
        spend(10 * len(rows) ** 2)
        upper = {(i, j): self.k(i, j) for a, i in enumerate(rows) for j in rows[a:]}
        return [[upper[min(i, j), max(i, j)] for j in rows] for i in rows]

    def batches(self, samples: list[int]) -> Iterator[tuple[tuple[int, ...], Fraction]]:
        """Multiplicity vectors on the samples in descending lexicographic order, with their probabilities."""
        outside, b = self.n - len(samples), self.batch
        cap, spare = (b, b if outside else 0) if self.replacement else (1, outside)
        q = 1 - sum(self.weights[i] for i in samples)

        def vectors(size: int, left: int) -> Iterator[tuple[int, ...]]:
            if not size:
                yield ()
                return
            for first in range(min(cap, left), max(0, left - spare - cap * (size - 1)) - 1, -1):
                for rest in vectors(size - 1, left - first):
                    yield (first, *rest)

        for count, m in enumerate(vectors(len(samples), b)):
            need(count < MAX_STEPS, f"more than {MAX_STEPS} different batches")
            left = b - sum(m)
            spend(60 * (len(m) + 1), max((self.weights[i].denominator.bit_length() for i in samples), default=0) * b)
            if self.replacement or b == 1:
                ways = math.factorial(b) // math.prod(map(math.factorial, m)) // math.factorial(left)
                yield m, ways * math.prod((self.weights[i] ** e for i, e in zip(samples, m, strict=True)), start=q**left)
            else:
                yield m, Fraction(math.comb(outside, left), math.comb(self.n, b))

    def family(self, samples: list[int], end: int = 0) -> Family:
        """The family of the samples (all others act as the identity on their residuals, E1), at one end of the range of step sizes."""
        if self.matrices is not None:
            return merged(zip(self.matrices, self.weights, strict=True), len(self.matrices[0]))
        eta, gram = self.ends[end], self.block(samples)
        basis = row_basis(gram)
        r, core = len(basis), inverse([[gram[i][j] for j in basis] for i in basis])
        need(r, "the component has no gradient")
        d = 2 * r if self.momentum else r
        coefficients = times([[row[i] for i in basis] for row in gram], core)  # r_j = sum over the basis of C_ji r_i
        spend(100 * len(gram) * r * r, largest(gram) + largest(coefficients) + largest([[eta]]))
        keep, back = 1 + self.momentum - eta * self.decay, -self.momentum
        still = [[keep * (i == j) + back * (j == i + r) + (j == i - r) * (i >= r) for j in range(d)] for i in range(d)]
        for i in range(r, d):
            still[i][i] = Fraction(0)
        pulls = []
        for sample in range(len(samples)):
            own = range(sample * self.outputs, (sample + 1) * self.outputs)
            pull = [[sum((gram[i][j] * coefficients[j][a] for j in own), start=Fraction(0)) for a in range(r)] for i in basis]
            pulls.append([[-eta / self.batch * x for x in row] + [Fraction(0)] * (d - r) for row in pull] + [[Fraction(0)] * d] * (d - r))

        size = largest(still) + max(map(largest, pulls))

        def step(m: tuple[int, ...]) -> Rows:
            spend(100 * d * d * (1 + sum(map(bool, m))), size)
            a = still
            for e, pull in zip(m, pulls, strict=True):
                a = combine(a, Fraction(1), pull, Fraction(e)) if e else a
            return a

        def epochs(left: tuple[int, ...], so_far: Rows) -> Iterator[Rows]:
            """Products over the ordered partitions of the samples that are left, the first batch being the rightmost factor."""
            if not left:
                yield so_far
            for chosen in combinations(left, self.batch):
                a = times(step(tuple(int(i in chosen) for i in samples)), so_far)
                yield from epochs(tuple(i for i in left if i not in chosen), a)

        def steps() -> Iterator[tuple[Rows, Fraction]]:
            if self.period == 1:
                yield from ((step(m), p) for m, p in self.batches(samples))
                return
            count = math.prod(math.comb(self.n - i * self.batch, self.batch) for i in range(self.period))
            need(count <= MAX_STEPS, f"more than {MAX_STEPS} different epochs")
            yield from ((a, Fraction(1, count)) for a in epochs(tuple(range(self.n)), identity(d)))

        return merged(steps(), d, size * self.period)


def merged(steps: Iterable[tuple[Rows, Fraction]], d: int, size: int = 0) -> Family:
    """Equal steps are one, in the order of first appearance; the identity and what has probability 0 are left out."""
    found: dict[tuple[tuple[Fraction, ...], ...], Fraction] = {}
    for count, (step, p) in enumerate(steps):
        need(count * d * d <= 2 * 10**6 and count * d * d * size <= MAX_STORED, "the family is too large")
        if p and step != identity(d):
            key = tuple(map(tuple, step))
            found[key] = found.get(key, Fraction(0)) + p
    return Family([[list(row) for row in key] for key in found], list(found.values()), d)


@dataclass(frozen=True)
class Case:
    subject: Subject
    samples: list[int]

    @cached_property
    def family(self) -> Family:
        need(not self.subject.ranged, "this proof needs one step size and one K")
        return self.subject.family(self.samples)

    @cached_property
    def families(self) -> list[Family]:
        """The family at each end of the range of step sizes (S6): the same steps with the same probabilities, affine in the step size."""
        s = self.subject
        need(not s.unbounded and (s.matrices is not None or s.ends[0] > 0), "this proof needs a bounded range of step sizes with a positive lower end")
        found = [s.family(self.samples, end) for end in range(len(s.ends))]
        need(all(f.p == found[0].p for f in found), "the families at the two ends differ")
        return found


# --- proofs, one function per kind -------------------------------------------------------------------------------------------------------------


def prove_gd(case: Case, proof: dict[str, Any], goal: Goal) -> None:
    """mu through the inertia of K - cI: with x = s - eta kappa / N, |x| <= T for all nonzero kappa iff kappa <= (s + T) N/eta and kappa >= (s - T) N/eta.

    With momentum beta and decay omega s = 1 + beta - eta omega, and both roots of t^2 - x t + beta have modulus <= R iff R^2 >= beta, |x| <= T = R + beta/R.
    """
    s, radius = case.subject, number(proof["radius"], "radius")
    need(s.matrices is None and len(case.samples) == s.n and radius >= 0, "gd needs a data set and a radius >= 0")
    need(radius or not s.momentum, "with momentum the radius is positive")
    full_batch = s.batch == s.n and (not s.replacement or s.n == 1)
    need(goal.quantity == "mu" or full_batch, "gd proves mu, or lambda and ms of a full batch (E2)")
    if s.features is not None and len(s.features[0]) < len(s.features):  # X^T X has the nonzero eigenvalues of X X^T
        columns = [integers(column) for column in transpose(s.features)]
        gram = [[dot(u, v) for v in columns] for u in columns]
    else:
        gram = s.block(case.samples)
    need(len(gram) <= MAX_SAMPLES, "too many dimensions")
    sign, size, rank = goal.sign([(Fraction(1), radius)]), len(gram), len(row_basis(gram))
    need(sign >= 0, "the radius does not imply the claim")
    strict = goal.strict and sign == 0  # all |x| < R (upper), or some |x| > R (lower)
    reach = radius + (s.momentum / radius if s.momentum else 0)
    small = radius**2 < s.momentum  # the product of the two roots is beta

    def counts(eta: Fraction, side: int) -> tuple[int, int]:
        """How many eigenvalues are above and at the kappa where x = -side reach."""
        c = (1 + s.momentum - eta * s.decay + side * reach) * s.n / eta
        return inertia(combine(gram, Fraction(1), identity(size), -c))[:2] if c > 0 else (rank, 0)  # every nonzero kappa is positive

    def all_below(eta: Fraction, strictly: bool) -> bool:
        if small or (strictly and 0 < radius**2 == s.momentum):
            return False
        above, at = counts(eta, 1)
        if above or (strictly and at):
            return False
        above, at = counts(eta, -1)
        return above + (0 if strictly else at) == rank

    if goal.upper:  # |x| <= T is an interval for x, which is affine in the step size and 1 + beta <= T at 0 if R >= 1
        need(not s.unbounded and (s.ends[0] > 0 or radius >= 1), "gd bounds mu above for bounded step sizes, from 0 only with a radius of at least 1")
        need(all(all_below(eta, strict) for eta in s.ends if eta), "an eigenvalue of K violates the claim")
    elif s.ranged:  # x <= -T stays so at larger step sizes
        need(s.ends[0] > 0, "gd bounds mu below for positive step sizes")
        above, at = counts(s.ends[0], 1)
        need(small or above or (at and not strict), "no eigenvalue of K supports the claim for the whole range")
    else:
        need(not all_below(s.eta, not strict), "no eigenvalue of K supports the claim")


def prove_determinant(case: Case, _: dict[str, Any], goal: Goal) -> None:
    """E4: lambda >= (1/d) E log |det A|, with equality for d = 1. For batch 1, det A_i = 1 - c_i on the span of the gradients."""
    s = case.subject
    need(goal.quantity == "lambda", "determinant proves lambda")
    if s.plain and s.batch == 1:
        need(any(s.norm(i) for i in case.samples), "the component has no gradient")
        only_sign = goal.value == 0 and not goal.upper  # for which d does not matter
        d = 1 if only_sign else len(row_basis(s.block(case.samples)))
        need(not goal.upper or (d == 1 and not s.ranged), "determinant is an upper bound only for d = 1 and one step size")
        # Concave in the step size where no c_i passes 1, and rising where all of them are above 1.
        cs = [[eta * (s.norm(i) + shift) for shift in (-s.radius, s.radius) for eta in s.ends] for i in case.samples]
        steady = [(max(c) < 1 and not s.unbounded) or min(c) > 1 or not s.norm(i) for i, c in zip(case.samples, cs, strict=True)]
        need(not s.ranged or all(steady), "some c_i passes 1 within the range or the box")
        for end in range(len(s.ends)):
            goal.require([(s.weights[i] / d, min(abs(1 - c[end]), abs(1 - c[end + len(s.ends)]))) for i, c in zip(case.samples, cs, strict=True)])
        return
    d, dets = case.family.d, [(p, determinant(a)) for a, p in zip(case.family.steps, case.family.p, strict=True)]
    need(not goal.upper or d == 1, "determinant is an upper bound only for d = 1")
    goal.require([(p / d, abs(x)) for p, x in dets])


def prove_nonexpansive(case: Case, _: dict[str, Any], goal: Goal) -> None:
    """E5: no step expands, every gradient is contracted by some step. At a smaller step size it is so too."""
    s = case.subject
    need(goal.quantity == "lambda" and goal.upper and s.matrices is None, "nonexpansive proves upper bounds of lambda for an optimiser")
    need(not s.unbounded and not s.momentum, "nonexpansive needs bounded step sizes without momentum")
    goal.require([], strictly=True)
    eta = s.ends[-1]
    room = (2 - eta * s.decay) * s.batch / eta  # a step contracts if M^(1/2) K M^(1/2) < room, M the multiplicities
    if s.batch == 1 and s.outputs == 1:
        need(all(s.k(i, i) + s.radius < room for i in case.samples), "some eta (omega + K_ii) >= 2")
        return
    gram, cap = s.block(case.samples), s.batch if s.replacement else 1
    if semidefinite(combine(identity(len(gram)), room / cap, gram, Fraction(-1)), definite=True):
        return  # all M <= cap I
    for m, p in s.batches(case.samples):
        support = [(i, e) for i, e in zip(s.rows(list(range(len(m)))), (e for e in m for _ in range(s.outputs)), strict=True) if e and p]
        bound = [[room / e * (i == j) - gram[i][j] for j, _ in support] for i, e in support]
        need(not support or semidefinite(bound, definite=True), f"the batch {m} has a direction that it does not contract")


def prove_equal_norms(case: Case, _: dict[str, Any], goal: Goal) -> None:
    """E7: all c_i = c. c < 2: nonexpansive; c = 2: reflections, isometries of span{g_i}; c > 2: determinant."""
    s = case.subject
    size = s.norm(case.samples[0])
    need(goal.quantity == "lambda" and size > 0 and all(s.norm(i) == size for i in case.samples), "the diagonal entries K_ii are not equal")
    low, high = s.ends[0] * size, None if s.unbounded else s.ends[-1] * size
    if low == high == 2:
        goal.require([])
    else:
        need(high is not None and high < 2 if goal.upper else low > 2, "equal norms give another sign, or do not decide the whole range")
        goal.require([], strictly=True)


def prove_orthogonal(case: Case, _: dict[str, Any], goal: Goal) -> None:
    """E3: K diagonal, lambda is the largest of the exponents of the coordinates."""
    s, proved = case.subject, False
    need(goal.quantity == "lambda" and s.plain, "orthogonal proves lambda, for a plain optimiser")
    gram = s.block(case.samples)
    need(not any(x for i, row in enumerate(gram) for j, x in enumerate(row) if i != j), "K is not diagonal")
    for i, row in zip(case.samples, gram, strict=True):
        value = row[case.samples.index(i)]
        if value:
            try:
                goal.require([(p, abs(1 - s.eta * e * value / s.batch)) for (e,), p in s.batches([i])])
                proved = True
            except Rejected:
                if goal.upper:
                    raise
    need(proved, "no coordinate reaches the claimed bound")


def prove_boundary(case: Case, _: dict[str, Any], goal: Goal) -> None:
    """E5': all c_i <= 2. A component with some c_i < 2 is contracted, one with all c_i = 2 is a group of isometries."""
    s, isometric = case.subject, False
    need(goal.quantity == "lambda" and all(s.c(i) <= 2 for i in case.samples), "some c_i > 2")
    left = [i for i in case.samples if s.c(i)]
    need(left and len(left) <= MAX_SAMPLES, "no gradient, or too many")
    while left:
        component, front = [], [left.pop()]
        while front:
            i = front.pop()
            component.append(i)
            front += [j for j in left if s.k(i, j)]
            left = [j for j in left if j not in front]
        isometric = isometric or all(s.c(i) == 2 for i in component)
    need(goal.upper or isometric, "lambda is negative, or not bounded below by this fact")
    goal.require([], strictly=goal.upper and not isometric)


def prove_components(case: Case, proof: dict[str, Any], goal: Goal) -> None:
    """E1: lambda is the maximum over the components, every component run with its own samples and the identity otherwise."""
    s, covered, proved = case.subject, set[int](), False
    need(goal.quantity == "lambda" and s.matrices is None, "components need an optimiser and lambda")
    gram, q = s.block(case.samples), s.outputs
    place = {i: a for a, i in enumerate(case.samples)}
    for part in items(proof["parts"], "parts"):
        fields(part, "part", "component proof")
        component = [index(i, s.n, "sample") for i in items(part["component"], "component")]
        need(component == sorted(set(component)) and set(component) <= set(case.samples), "a component is not an increasing list of samples")
        inside = set(component)
        own, others = ([place[i] * q + a for i in case.samples if (i in inside) == mine for a in range(q)] for mine in (True, False))
        need(not any(gram[a][b] for a in own for b in others), "a component has an edge to the rest")
        covered |= inside
        spend(10_000 + 10 * len(own) * len(gram))
        try:
            prove(Case(s, component), part["proof"], goal)
            proved = True
        except Rejected:
            if goal.upper:
                raise
    rest = [i for i in case.samples if i not in covered and any(s.k(a, a) for a in s.rows([i]))]
    need(proved and not (goal.upper and rest), f"no part proves the bound, or none covers the samples {rest[:5]}")


def form_product(a: list[Rows], b: list[Rows]) -> list[Rows]:
    """Product of two matrices whose entries are forms in the weights of the two ends of a range; a single matrix is a form of degree 0."""
    size = range(len(a) + len(b) - 1)
    pairs = [[(i, k - i) for i in range(len(a)) if 0 <= k - i < len(b)] for k in size]
    return [reduce(lambda s, t: combine(s, Fraction(1), t, Fraction(1)), (times(a[i], b[j]) for i, j in pair)) for pair in pairs]


def prove_words(case: Case, proof: dict[str, Any], goal: Goal) -> None:
    """lambda <= (1/2n) E log ||A_w||^2 in the Frobenius norm of the scalar product Q (Fekete). Over a range: Bernstein coefficients."""
    f, n = case.families[0], index(proof["length"], 65, "length")
    need(goal.quantity == "lambda" and goal.upper and n >= 1 and (len(f.p) + 1) ** n <= MAX_WORDS, "words prove upper bounds of lambda, at most 20000 of them")
    q = matrix(proof["norm"], "norm", f.d)
    need(semidefinite(q, definite=True), "norm is not positive definite")
    q_inverse = inverse(q)
    terms: Terms = []
    steps = [([g.steps[s] for g in case.families], p) for s, p in enumerate(f.p)]
    steps += [([identity(f.d)] * len(case.families), 1 - sum(f.p, start=Fraction(0)))] if sum(f.p) < 1 else []
    for word in product(steps, repeat=n):
        a = word[0][0]
        for step, _ in word[1:]:
            a = form_product(a, step)
        square = form_product([times(q_inverse, transpose(x)) for x in a], [times(q, x) for x in a])
        spend(40 * n * len(square), n * max(p.denominator.bit_length() for _, p in word))
        traces = [sum((x[i][i] for i in range(f.d)), start=Fraction(0)) for x in square]
        largest_trace = max(x / math.comb(len(traces) - 1, k) for k, x in enumerate(traces))
        terms.append((Fraction(math.prod(p for _, p in word)) / (2 * n), max(largest_trace, Fraction(0))))
    goal.require(terms)


def prove_mean_square(case: Case, proof: dict[str, Any], goal: Goal) -> None:
    """E11: T(S) = E[A S A^T] preserves the cone of positive semidefinite matrices; T*(S) <= R S with S > 0 bounds rho(T) above, T(S) >= R S below.

    T*(S) is a convex function of the step size, so the upper bound holds between two step sizes where it holds.
    """
    radius = number(proof["radius"], "radius")
    need(goal.upper or not case.subject.swept, "mean-square needs one step size for a lower bound")
    s = matrix(proof["matrix"], "matrix", case.families[0].d)
    need(radius > 0 and semidefinite(s, definite=goal.upper) and any(map(any, s)), "matrix is not positive (semi)definite, or the radius not positive")
    need(goal.quantity == "ms" or (goal.quantity == "lambda" and goal.upper), "mean-square proves ms, or upper bounds of lambda")
    strictly = True
    for f in case.families:
        image = combine(s, 1 - sum(f.p, start=Fraction(0)), s, Fraction(0))
        for a, p in zip(f.steps, f.p, strict=True):
            left, right = (transpose(a), a) if goal.upper else (a, transpose(a))
            image = combine(image, Fraction(1), times(times(left, s), right), p)
        sign = Fraction(1 if goal.upper else -1)
        definite = semidefinite(difference := combine(s, sign * radius, image, -sign), definite=True)
        need(definite or semidefinite(difference), "the inequality of the matrix fails")
        strictly = strictly and definite
    goal.require([(Fraction(1, 2), radius)], strictly)


def prove_weighted_mean_square(case: Case, proof: dict[str, Any], goal: Goal) -> None:
    """S7: sum_w p_w t_w A_w^T Q A_w <= Q over all words of length n gives lambda <= -(1/2n) sum_w p_w log t_w (weighted AM-GM).

    For n = 1 the left side is a convex function of the step size, so the bound holds between two step sizes where it holds.
    """
    f, n = case.families[0], index(proof["length"], 65, "length")
    need(goal.quantity == "lambda" and goal.upper and n >= 1 and (len(f.p) + 1) ** n <= MAX_WORDS, "upper bounds of lambda, at most 20000 words")
    need(n == 1 or len(case.families) == 1, "needs one step size for words of more than one letter")
    q, p = matrix(proof["norm"], "norm", f.d), [*f.p, *([1 - sum(f.p, start=Fraction(0))] if sum(f.p) < 1 else [])]
    t = [number(x, "multiplier") for x in items(proof["multipliers"], "multipliers", len(p) ** n)]
    need(all(x > 0 for x in t) and semidefinite(q, definite=True), "norm is not positive definite, or a multiplier not positive")
    strictly = True
    for family in case.families:
        steps = [*family.steps, *([identity(f.d)] if len(p) > len(f.p) else [])]
        forms = [combine(q, x, q, Fraction(0)) for x in t]
        for _ in range(n):  # sum over the first letter, the outermost factor of A_w^T Q A_w and the most significant digit of the word's number
            tails = len(forms) // len(p)
            parts = [[times(times(transpose(a), forms[s * tails + j]), a) for s, a in enumerate(steps)] for j in range(tails)]
            forms = [weighted_sum(part, p) for part in parts]
        definite = semidefinite(difference := combine(q, Fraction(1), forms[0], Fraction(-1)), definite=True)
        need(definite or semidefinite(difference), "the inequality of the matrix fails")
        strictly = strictly and definite
    weights = [Fraction(1)]
    for _ in range(n):
        spend(20 * len(weights) * len(p), n * max(x.denominator.bit_length() for x in p))
        weights = [w * x for w in weights for x in p]
    goal.require([(w / (2 * n), 1 / x) for w, x in zip(weights, t, strict=True)], strictly)


def prove_renewal(case: Case, proof: dict[str, Any], goal: Goal) -> None:
    """E8: A = a b^T, b.B^k a = alpha + beta x^k; the growth between visits of A is log |b.B^k a|, and k is geometric."""
    f, n = case.family, index(proof["terms"], 10_001, "terms")
    need(goal.quantity == "lambda" and len(f.steps) == 2 and f.d <= 8 and n >= 1, "renewal proves lambda of exactly two distinct steps")
    pairs = [(i, j) for i in range(f.d) for j in range(i)]

    def jump_rate(a: Rows, b: Rows) -> Fraction | None:
        """x, if a has rank at most one and b satisfies (b - I)(b - xI) = 0."""
        x = sum((b[i][i] for i in range(f.d)), start=Fraction(0)) - (f.d - 1)
        quadratic = times(*(combine(b, Fraction(1), identity(f.d), -y) for y in (Fraction(1), x)))
        rank_one = all(a[i][k] * a[j][m] == a[i][m] * a[j][k] for i, j in pairs for k, m in pairs)
        return x if rank_one and x != 1 and not any(map(any, quadratic)) else None

    one = next((s for s in (0, 1) if jump_rate(f.steps[s], f.steps[1 - s]) is not None), -1)
    need(one >= 0, "no step of rank one whose partner B satisfies (B - I)(B - xI) = 0")
    a, b, p, q = f.steps[one], f.steps[1 - one], f.p[one], f.p[1 - one]
    x = jump_rate(a, b)
    assert x is not None
    start, after = (sum((m[i][i] for i in range(f.d)), start=Fraction(0)) for m in (a, times(b, a)))  # b.a and b.Ba are traces
    beta = (start - after) / (1 - x)
    alpha, mass, p, q = start - beta, p + q, p / (p + q), q / (p + q)
    size = max(v.bit_length() for y in (x, q) for v in (y.numerator, y.denominator))
    need(n * size <= MAX_BITS, "too many terms for numbers of this size")
    terms = [(mass * p * p * q**k, abs(alpha + beta * x**k)) for k in range(n)]
    # The tail: |alpha + beta x^k| = |x|^(gk) u_k with u_k between the bounds below for every k >= n.
    grows, far = abs(x) > 1, (abs(alpha) / abs(x) ** n if abs(x) > 1 else abs(beta) * abs(x) ** n)
    main = abs(beta) if grows else abs(alpha)
    u = main + far if goal.upper else main - far
    if x == -1:
        u = (max if goal.upper else min)(abs(alpha + beta), abs(alpha - beta))
    need(u > 0 or any(t == 0 for _, t in terms), "more terms are needed for the tail")
    if u > 0:
        terms += [(mass * p * q**n, u)] + ([(mass * q**n * (n * p + q), abs(x))] if grows else [])
    goal.require(terms)


def pieces(tree: Any, d: int) -> Iterator[tuple[list[list[int]], list[Any]]]:
    """The leaves of a cone's tree: generators in the coordinates of the cone, and the leaf's data."""
    stack = [[[int(i == j) for i in range(d)] for j in range(d)]]
    for node in items(tree, "tree"):
        need(isinstance(node, list) and node and stack, "the tree has a node too many, or one that is no list")
        piece = stack.pop()
        if node[0] == "/":
            _, i, j, a, b = items(node, "cut", 5)
            i, j, a, b = index(i, d, "edge end"), index(j, d, "edge end"), integer(a), integer(b)
            need(i != j and a > 0 and b > 0, "a cut needs two different rays and positive weights")
            ray = [a * x + b * y for x, y in zip(piece[i], piece[j])]  # noqa: B905 (a hot loop over vectors of length d)
            need(max(ray).bit_length() <= MAX_BITS, "the cuts are too deep")
            stack += [[ray if r == i else e for r, e in enumerate(piece)], [ray if r == j else e for r, e in enumerate(piece)]]
        else:
            need(node[0] == "=", "a node is neither a cut nor a leaf")
            yield piece, node[1:]
    need(not stack, "the tree ends early")


@dataclass(frozen=True)
class Piece:
    """A piece of cone k: its generators in the coordinates of the cone; per step the image cone, the generators' images in its coordinates at each end of the
    range of step sizes, moved by what the radius allows (outwards for an upper bound, inwards for a lower one), and their common scale."""

    cone: int
    generators: list[list[int]]
    images: list[tuple[int, list[list[list[int]]], int]]
    extra: list[Any]
    size: int  # bits of the images and their scales


def mapped_pieces(case: Case, proof: dict[str, Any], values: int, upper: bool) -> tuple[list[list[int]], Iterator[Piece]]:
    """The forms (`values` positive integers per cone) and the pieces, with A_s(piece) inside cone k_s or its negative checked (S2), for a whole range (S6)."""
    families, d = case.families, case.families[0].d
    count = len(families[0].steps)
    need(count, "there is no step")
    # Step s moves with K along column s only, as batch 1 with K > 0 makes it (no two steps equal, none the identity); every row of it by at most eta radius.
    need(not case.subject.radius or count == d, "a family with a radius needs one step for each sample")
    cones = [[[integer(x) for x in items(e, "ray", d)] for e in items(cone, "cone", d)] for cone in items(proof["cones"], "cones")]
    forms = [[integer(x) for x in items(form, "form", values)] for form in items(proof["forms"], "forms", len(cones))]
    need(all(x > 0 for form in forms for x in form), "a form has a value that is not positive")
    slacks = [case.subject.radius * eta for eta in case.subject.ends]
    scales = [common_denominator([x for f in families for row in f.steps[step] for x in row] + slacks) for step in range(count)]
    steps = [[[[int(x * scale) for x in row] for row in f.steps[step]] for f in families] for step, scale in enumerate(scales)]

    def coordinates(cone: list[list[int]]) -> tuple[Integers, int]:
        if d == 2:
            (a, c), (b, e) = cone
            det = a * e - b * c
            need(det, "a cone's generators are dependent")
            return ([[e, -b], [-c, a]], det) if det > 0 else ([[-e, b], [c, -a]], -det)
        return scaled(inverse([[Fraction(e[i]) for e in cone] for i in range(d)]))

    def apply(a: Integers, v: list[int]) -> list[int]:
        return [sum(map(int.__mul__, row, v)) for row in a]

    def product_of(a: Integers, b: Integers) -> Integers:
        columns = list(zip(*b, strict=True))
        return [[sum(map(int.__mul__, row, column)) for column in columns] for row in a]

    inverses = [coordinates(cone) for cone in cones]
    spread = [[sum(map(abs, row)) for row in to] for to, _ in inverses]  # how far the coordinates move if every entry of a vector moves by one

    def landed(moved: list[Integers], column: list[int], step: int, target: int, generators: list[list[int]]) -> list[list[list[int]]] | None:
        """The images at each end, all in the target cone or all in its negative; None if they are in neither."""
        ends = []
        for a, slack in zip(moved, slacks, strict=True):
            image = [[sum(map(int.__mul__, row, g)) for row in a] for g in generators]
            room = int(slack * scales[step]) if slack else 0
            margins = [[room * abs(sum(map(int.__mul__, column, g))) * x for x in spread[target]] for g in generators] if room else None
            ends.append((image, margins))
        for sign in (1, -1):
            found = []
            for image, margins in ends:
                signed = image if sign > 0 else [[-x for x in w] for w in image]
                inner = signed if margins is None else [[x - y for x, y in zip(w, m, strict=True)] for w, m in zip(signed, margins, strict=True)]
                if min(map(min, inner)) < 0:
                    break
                outer = signed if margins is None else [[x + y for x, y in zip(w, m, strict=True)] for w, m in zip(signed, margins, strict=True)]
                found.append(outer if upper else inner)
            else:
                return found
        return None

    longest = max(scales).bit_length() + max(scale for _, scale in inverses).bit_length()

    def walk() -> Iterator[Piece]:
        for k, tree in enumerate(items(proof["trees"], "trees", len(cones))):
            moved = [[[apply(cones[k], row) for row in a] for a in ends] for ends in steps]  # A_s G_k, G_k with the generators as columns, up to the scale
            columns = [[e[step % d] for e in cones[k]] for step in range(count)]
            composed: dict[tuple[int, int], list[Integers]] = {}  # the same in the coordinates of a target
            for generators, leaf in pieces(tree, d):
                spend(100 + 4 * count * len(families) * d**3, max(map(max, generators)).bit_length())
                need(len(leaf) >= count, "a leaf names too few cones")
                images = []
                for step in range(count):
                    target = index(leaf[step], len(cones), "label")
                    if (step, target) not in composed:
                        spend(2 * len(families) * d**3, bits(inverses[target][0][0]))
                        composed[step, target] = [product_of(inverses[target][0], a) for a in moved[step]]
                    image = landed(composed[step, target], columns[step], step, target, generators)
                    if image is None:
                        raise Rejected(f"a piece of cone {k} is not mapped into cone {target}")
                    images.append((target, image, scales[step] * inverses[target][1]))
                size = max(max(map(max, end)).bit_length() for _, ends, _ in images for end in ends) + longest
                spend(4 * d * d * count * len(families), size)
                yield Piece(k, generators, images, leaf[count:], size)

    return forms, walk()


def prove_linear_cones(case: Case, proof: dict[str, Any], goal: Goal) -> None:
    """S4. Lower bounds: concavity, vertices only. Upper bounds: weighted AM-GM with the multipliers, linear, so vertices only. At both ends of a range (S6)."""
    need(goal.quantity == "lambda", "linear-cones proves lambda")
    f = case.families[0]
    need(f.d <= 8, "linear-cones needs dimension at most 8")
    forms, leaves = mapped_pieces(case, proof, f.d, goal.upper)
    total, product_goal = sum(f.p), goal.product(f.p)
    for piece in leaves:
        size = piece.size + bits(forms[piece.cone])
        spend(20 * f.d * len(f.p) * len(case.families), size)
        here = [sum(map(int.__mul__, forms[piece.cone], g)) for g in piece.generators]
        t: list[Fraction] = []
        if goal.upper or piece.extra:
            t = [number(x, "multiplier") for x in items(piece.extra, "multipliers", len(f.p))]
            need(all(x > 0 for x in t), "a multiplier is not positive")
        if goal.upper and not (product_goal and product_goal.reached([x.numerator for x in t], [x.denominator for x in t], upside_down=True)):
            goal.require([(p, 1 / x) for p, x in zip(f.p, t, strict=True)])
        scales = [scale for _, _, scale in piece.images]
        factors, common = integers([p * x / scale for p, x, scale in zip(f.p, t, scales, strict=True)]) if goal.upper else ([], 1)
        for end in range(len(case.families)):
            there = [[sum(map(int.__mul__, forms[k], w)) for w in ends[end]] for k, ends, _ in piece.images]
            for h, row in zip(here, zip(*there, strict=True), strict=True):
                if goal.upper:
                    if sum(map(int.__mul__, factors, row)) * total.denominator > total.numerator * common * h:
                        raise Rejected(f"the AM-GM inequality fails on cone {piece.cone}")
                elif not (product_goal and min(row) > 0 and product_goal.reached(list(row), [h * scale for scale in scales])):
                    spend(200 * len(row), size)
                    goal.require([(p, Fraction(x, scale * h)) for p, x, scale in zip(f.p, row, scales, strict=True)])


class Exterior(Case):
    """The family of the k-th exterior powers (compound matrices) of the steps, in the basis e_I, I increasing in lexicographic order."""

    def __init__(self, case: Case, power: int) -> None:
        super().__init__(case.subject, case.samples)
        f = case.family
        subsets = list(combinations(range(f.d), power))
        need(1 <= power < f.d and len(subsets) <= 8, "the exterior power is not between 1 and d - 1, or has more than 8 dimensions")
        spend(50 * len(f.steps) * len(subsets) ** 2 * power**3)
        minors = [[[determinant([[a[i][j] for j in columns] for i in rows]) for columns in subsets] for rows in subsets] for a in f.steps]
        self.__dict__["family"] = Family(minors, f.p, len(subsets))
        self.__dict__["families"] = [self.family]


def prove_exterior(case: Case, proof: dict[str, Any], goal: Goal) -> None:
    """E20: the exponent of the k-th exterior powers is at most k lambda."""
    power = index(proof["power"], 9, "power")
    need(goal.quantity == "lambda" and not goal.upper, "exterior proves lower bounds of lambda")
    inner = proof["proof"]
    need(isinstance(inner, dict) and inner.get("kind") == "linear-cones", "the proof for an exterior power is of kind linear-cones")
    fields(inner, "proof linear-cones", f"kind {KINDS['linear-cones'][1]}")
    prove_linear_cones(Exterior(case, power), inner, Goal("lambda", False, goal.value * power, goal.strict))


def bits(a: list[int]) -> int:
    return max(map(int.bit_length, a))


def multiply(a: list[int], b: list[int]) -> list[int]:
    spend(len(a) * len(b), bits(a) + bits(b))
    c = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            c[i + j] += x * y
    return c


def compose(form: list[int], image: list[list[int]]) -> list[int]:
    """F(x_0(t), x_1(t)) for the ray (1, t) of the piece: coefficients in t (Horner's scheme in two variables)."""
    (a0, a1), (b0, b1) = image
    spend(3 * len(form) ** 2, bits(form) + len(form) * max(bits(image[0]), bits(image[1])))
    total, power = [form[-1]], [1]
    for c in form[-2::-1]:
        power = [a0 * x + b0 * y for x, y in zip([*power, 0], [0, *power])]  # noqa: B905 (a hot loop)
        total = [a1 * x + b1 * y + c * z for x, y, z in zip([*total, 0], [0, *total], power)]  # noqa: B905
    return total


def raised(a: list[int], exponent: int) -> list[int]:
    result = a
    for _ in range(exponent - 1):
        result = multiply(result, a)
    return result


def has_sign(c: list[int], strict: bool, depth: int) -> bool:
    """The binary form with coefficients c is >= 0 (strict: > 0) on the closed quadrant: coefficient signs, else bisection at the diagonal."""
    if c[0] < 0 or c[-1] < 0 or (strict and not (c[0] and c[-1])):
        return False
    if min(c) >= 0:
        return True
    spend(len(c) ** 2, bits(c))
    return depth > 0 and all(has_sign(half, strict, depth - 1) for half in (shifted(c), shifted(c[::-1])))


def shifted(c: list[int]) -> list[int]:
    """c(1 + t)."""
    c = list(c)
    for i in range(len(c) - 1):
        for j in range(len(c) - 2, i - 1, -1):
            c[j] += c[j + 1]
    return c


Grid = list[list[int]]  # a form in two pairs of variables: row i holds the coefficients of the i-th power in the first pair


def grid_product(a: Grid, b: Grid) -> Grid:
    rows = [[0] * (len(a[0]) + len(b[0]) - 1) for _ in range(len(a) + len(b) - 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            rows[i + j] = list(map(int.__add__, rows[i + j], multiply(x, y)))
    return rows


def composed_grid(form: list[int], ends: list[list[list[int]]]) -> Grid:
    """F at the image of the ray (1, t), which is affine in the step size: images at the two ends times its homogeneous coordinates."""
    x, y = ([[a[i], b[i]] for a, b in ends] for i in (0, 1))
    total, power = [[form[-1]]], [[1]]
    for c in form[-2::-1]:
        power = grid_product(power, x)
        raised_total = grid_product(total, y)
        total = [[u + c * v for u, v in zip(row, other, strict=True)] for row, other in zip(raised_total, power, strict=True)]
    return total


def grid_sign(g: Grid, strict: bool, depth: int) -> bool:
    """As `has_sign`, for a form that is homogeneous in two pairs of variables: the pairs are bisected in turn."""
    if min(corners := (g[0][0], g[0][-1], g[-1][0], g[-1][-1])) < 0 or (strict and not all(corners)):
        return False
    if min(map(min, g)) >= 0:
        return True
    spend(len(g) * len(g[0]) ** 2, max(map(bits, g)))
    halves = ([shifted(row) for row in g], [shifted(row[::-1]) for row in g]) if depth > 0 else ()
    return depth > 0 and all(grid_sign([list(column) for column in zip(*half, strict=True)], strict, depth - 1) for half in halves)


def prove_planar_forms(case: Case, proof: dict[str, Any], goal: Goal) -> None:
    """S5: prod F_{k_s}(A_s v)^{P_s} - rho F_k(v)^{sum P_s} has one sign on every piece: lambda <=, >= log(rho)/(qP). For a range, a form in v and eta."""
    need(goal.quantity == "lambda", "planar-forms proves lambda")
    f, q, rho = case.families[0], index(proof["degree"], MAX_DEGREE + 1, "degree"), number(proof["rho"], "rho")
    common = common_denominator(f.p)
    powers = [int(p * common) for p in f.p]
    degree = q * sum(powers)
    need(f.d == 2 and f.steps, "planar-forms needs the plane")
    need(q >= 1 and rho > 0 and degree <= MAX_DEGREE, f"degree or rho not positive, or q times the weights above {MAX_DEGREE}")
    bound: Terms = [(Fraction(1, q * common), rho)]
    strict = goal.strict and goal.sign(bound) == 0
    goal.require(bound, strictly=True)
    forms, leaves = mapped_pieces(case, proof, q + 1, goal.upper)
    sign = -1 if goal.upper else 1
    for piece in leaves:
        need(not piece.extra, "a leaf has the wrong length")
        here = raised(compose(forms[piece.cone], piece.generators), sum(powers))
        size = sum(q * power * image_scale.bit_length() for power, (_, _, image_scale) in zip(powers, piece.images, strict=True))
        need(size <= MAX_BITS, "the scales of the images are too large for this degree")
        scale = math.prod(image_scale ** (q * power) for power, (_, _, image_scale) in zip(powers, piece.images, strict=True))
        spend(4 * (degree + 1) * (degree + 1 if len(case.families) > 1 else 1), size + bits(here))
        if len(case.families) == 1:
            there = [1]
            for power, (k, (image,), _) in zip(powers, piece.images, strict=True):
                factor = raised(compose(forms[k], image), power)
                there = multiply(there, factor) if len(there) > 1 else factor
            fine = has_sign([sign * (rho.denominator * x - rho.numerator * scale * y) for x, y in zip(there, here, strict=True)], strict, 16)
        else:
            grid = [[1]]
            for power, (k, ends, _) in zip(powers, piece.images, strict=True):
                factor_grid = composed_grid(forms[k], ends)
                for _ in range(power):
                    grid = grid_product(grid, factor_grid)
            below = [[math.comb(degree, i) * rho.numerator * scale * y for y in here] for i in range(degree + 1)]  # homogeneous in the step size too
            fine = grid_sign([[sign * (rho.denominator * x - y) for x, y in zip(*rows, strict=True)] for rows in zip(grid, below, strict=True)], strict, 16)
        if not fine:
            raise Rejected(f"the inequality fails on a piece of cone {piece.cone}")


Prover = Callable[[Case, dict[str, Any], Goal], None]
RANGES, BOXES = True, True
KINDS: dict[str, tuple[Prover, str, bool, bool]] = {  # prover, further keys, and whether it knows what to do with a range of step sizes, with a box of kernels
    "gd": (prove_gd, "radius", RANGES, False),
    "determinant": (prove_determinant, "", RANGES, BOXES),
    "nonexpansive": (prove_nonexpansive, "", RANGES, BOXES),
    "equal-norms": (prove_equal_norms, "", RANGES, False),
    "orthogonal": (prove_orthogonal, "", False, False),
    "boundary": (prove_boundary, "", False, False),
    "components": (prove_components, "parts", RANGES, False),
    "words": (prove_words, "length norm", RANGES, False),
    "mean-square": (prove_mean_square, "matrix radius", RANGES, False),
    "weighted-mean-square": (prove_weighted_mean_square, "length norm multipliers", RANGES, False),
    "exterior": (prove_exterior, "power proof", False, False),
    "renewal": (prove_renewal, "terms", False, False),
    "linear-cones": (prove_linear_cones, "cones forms trees", RANGES, BOXES),
    "planar-forms": (prove_planar_forms, "degree rho cones forms trees", RANGES, BOXES),
}


def prove(case: Case, proof: Any, goal: Goal) -> None:
    need(isinstance(proof, dict) and isinstance(proof.get("kind"), str) and proof["kind"] in KINDS, "the proof is of no known kind")
    prover, keys, ranges, boxes = KINDS[proof["kind"]]
    need(ranges or not case.subject.swept, f"{proof['kind']} proves nothing about a range of step sizes")
    need(boxes or not case.subject.radius, f"{proof['kind']} proves nothing about a box of kernels")
    prover(case, fields(proof, f"proof {proof['kind']}", f"kind {keys}"), goal)


# --- claims ------------------------------------------------------------------------------------------------------------------------------------

RELATIONS = {"<": [(True, True)], "<=": [(True, False)], "=": [(True, False), (False, False)], ">=": [(False, False)], ">": [(False, True)]}


@dataclass(frozen=True)
class Statement:
    """A proved statement about the subject number `subject` of the certificate."""

    subject: int
    quantity: str
    relation: str
    value: Fraction

    @property
    def sign(self) -> str | None:
        """"negative", "zero", "positive", or None where the statement leaves the sign open."""
        if self.relation in ("<", "<=") and (self.value < 0 or (self.value == 0 and self.relation == "<")):
            return "negative"
        if self.relation in (">", ">=") and (self.value > 0 or (self.value == 0 and self.relation == ">")):
            return "positive"
        return ("zero" if not self.value else "positive" if self.value > 0 else "negative") if self.relation == "=" else None


def check(certificate: Any) -> list[Statement]:
    """The statements that the certificate proves; raises `Rejected` with the reason if it does not prove every one of its claims."""
    try:
        text = json.dumps(certificate, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise Rejected(f"not a JSON object: {shown(str(error))}") from None
    return check_text(text.encode("ascii"))


def check_text(text: bytes) -> list[Statement]:
    """As `check`, for the bytes of a certificate file."""
    certificate = fields(read(text), "certificate", "format version claim proof id")
    need(certificate["format"] == FORMAT, f"format is not {FORMAT}")
    known = type(certificate["version"]) is int and certificate["version"] in VERSIONS
    need(known, f"version {shown(certificate['version'])} is not known to this checker, which knows {VERSIONS[0]} to {VERSIONS[-1]}")
    body = json.dumps({k: v for k, v in certificate.items() if k != "id"}, sort_keys=True, separators=(",", ":"))
    need(certificate["id"] == "sha256:" + hashlib.sha256(body.encode()).hexdigest(), "the id does not match the content")
    token = WORK_LEFT.set([MAX_WORK])
    try:
        return prove_claims(certificate["claim"], certificate["proof"], certificate["version"])
    except RecursionError:
        raise Rejected("nested too deeply") from None
    finally:
        WORK_LEFT.reset(token)


def prove_claims(claim: Any, proof: Any, version: int) -> list[Statement]:
    conjunction = isinstance(claim, dict) and "all" in claim
    if conjunction:
        claims = items(fields(claim, "claim", "all")["all"], "claims")
        need(isinstance(proof, dict) and proof.get("kind") == "conjunction", "an all-claim needs a conjunction")
        proofs = items(fields(proof, "proof", "kind parts")["parts"], "parts", len(claims))
    else:
        claims, proofs = [claim], [proof]
    need(len(claims) <= 1000, "more than 1000 claims")
    statements: list[Statement] = []
    subjects: list[Subject] = []
    for position, (one, its_proof) in enumerate(zip(claims, proofs, strict=True)):
        fields(one, "claim", "subject quantity relation value")
        number_of = index(one["subject"], position, "earlier claim") if type(one["subject"]) is int else position
        owner = statements[number_of].subject if number_of < position else position
        subjects.append(subjects[owner] if owner < position else Subject(one["subject"], version))
        need(one["quantity"] in ("lambda", "mu", "ms") and one["relation"] in tuple(RELATIONS), "quantity or relation is not known")
        value = number(one["value"], "value")
        for upper, strict in RELATIONS[one["relation"]]:
            per_step = value if one["quantity"] == "mu" else value * subjects[-1].period  # an epoch is one step of its family
            prove(Case(subjects[-1], list(range(subjects[-1].n))), its_proof, Goal(one["quantity"], upper, per_step, strict))
        statements.append(Statement(owner, one["quantity"], one["relation"], value))
    return statements


def read(text: bytes) -> Any:
    """JSON without duplicate keys, floats or constants such as NaN."""
    need(len(text) <= MAX_BYTES, f"more than {MAX_BYTES} bytes")

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len({k for k, _ in found}) == len(found), "an object has a duplicate key")
        return dict(found)

    def refuse(token: str) -> Any:
        raise Rejected(f"{shown(token)} is not allowed: numbers are strings such as \"1/3\", indices are integers")

    def small(token: str) -> int:
        need(len(token) <= 9, f"the index {shown(token)} is too large")
        return int(token)

    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=pairs, parse_float=refuse, parse_constant=refuse, parse_int=small)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Rejected(f"not JSON: {str(error)!a}") from None
    except RecursionError:
        raise Rejected("nested too deeply") from None


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -I check.py CERT.json", file=sys.stderr)
        return 2
    try:
        with open(arguments[0], "rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        print(f"cannot read {arguments[0]}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        statements = check_text(text)
    except Rejected as reason:
        print(f"rejected: {reason}")
        return 1
    print("accepted: " + ", ".join(f"{s.quantity} {s.relation} {s.value}" + (f" (subject {s.subject})" if s.subject else "") for s in statements))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Spaces of small rational cases: exact enumeration by size, random cases in floating point, and the small rationals near a case in floating point.

A case has positive definite Gram matrices (N x N) and step sizes, from which `build` makes the problem (or several problems, for statements that compare two).
Its size is the largest numerator or denominator in it, then their sum.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError, Matrix
from ..optimiser import SGD
from ..problem import Problem
from .batch import Batch

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Build = Callable[[Sequence[Matrix], Sequence[Fraction]], Any]
MAX_POINTS = 6
# Beyond this many cases a shell is not enumerated: the search goes on at random.
MAX_SHELL = 60_000
DIGITS = 99


def one_problem(grams: Sequence[Matrix], steps: Sequence[Fraction]) -> Problem:
    """SGD with batch 1."""
    return Problem.from_gram(grams[0], SGD(steps[0]))


@dataclass(frozen=True)
class Candidates:
    """P exact cases: K = integers / denominators (P, g, N, N), eta = numerators / divisors (P, s)."""

    integers: Integers
    denominators: Integers
    numerators: Integers
    divisors: Integers

    def __len__(self) -> int:
        return len(self.denominators)

    def chosen(self, rows: Any) -> Candidates:
        return Candidates(self.integers[rows], self.denominators[rows], self.numerators[rows], self.divisors[rows])

    def batch(self) -> Batch:
        """The cases in floating point."""
        return Batch(self.integers / self.denominators[:, None, None, None], self.numerators / self.divisors)

    def exact(self, row: int) -> tuple[list[Matrix], list[Fraction]]:
        """One case as rational matrices and step sizes."""
        q = int(self.denominators[row])
        grams = [tuple(tuple(Fraction(int(x), q) for x in line) for line in gram) for gram in self.integers[row]]
        return grams, [Fraction(int(p), int(d)) for p, d in zip(self.numerators[row], self.divisors[row], strict=True)]

    def order(self) -> NDArray[np.intp]:
        """Row numbers, smallest case first; of two cases of one size the one with fewer negative entries."""
        if not len(self):
            return np.empty(0, dtype=np.intp)
        entries = np.abs(self.integers).reshape(len(self), -1)
        negative = (self.integers < 0).reshape(len(self), -1).sum(axis=1)
        parts = [entries, self.numerators, self.divisors, self.denominators[:, None]]
        largest = np.max([part.max(axis=1) for part in parts], axis=0)
        total = np.sum([part.sum(axis=1) for part in parts], axis=0)
        return np.lexsort((negative, total, largest))


@dataclass(frozen=True)
class RationalSpace:
    """Cases with `grams` definite Gram matrices of N = `points` data points and `steps` step sizes (ascending).

    `scale_free`: only eta K matters, so that K may be taken integer. `symmetric`: neither the order of the data points nor the signs of the gradients matter.
    `batches` and so on are up to `build`, which gets exact matrices and step sizes.
    """

    points: int
    grams: int = 1
    steps: int = 1
    build: Build = one_problem
    scale_free: bool = True
    symmetric: bool = True

    def __post_init__(self) -> None:
        for name, limit in (("points", MAX_POINTS), ("grams", 3), ("steps", 4)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= limit:
                raise InputError(f"{name} = {value!r} is not an integer from 1 to {limit}, which is what is searched")

    def shells(self) -> Iterator[Candidates]:
        """All cases with integer K, smallest first: shell m has m as its largest number. Ends where a shell is too large to enumerate."""
        for m in range(1, DIGITS + 1):
            matrices = [_definite(self.points, k, self.symmetric) for k in (m, m - 1)]
            steps = [sorted(set(_fractions(k))) for k in (m, m - 1)]
            combinations = [math.comb(len(s), self.steps) for s in steps]
            if len(matrices[0]) ** self.grams * combinations[0] > MAX_SHELL:
                return
            yield self._shell(m, matrices[0], steps[0])

    def _shell(self, m: int, matrices: list[Any], fractions: list[Fraction]) -> Candidates:
        rows, numbers = [], []
        for grams in itertools.product(matrices, repeat=self.grams):
            large = any(np.abs(gram).max() == m for gram in grams)
            # Scale-free: K and t K with eta / t are one case; the primitive one is enumerated.
            if self.scale_free and math.gcd(*(int(x) for gram in grams for x in gram.flat)) > 1:
                continue
            for steps in itertools.combinations(fractions, self.steps):
                if large or any(max(x.numerator, x.denominator) == m for x in steps):
                    rows.append(grams)
                    numbers.append([(x.numerator, x.denominator) for x in steps])
        shape = (len(rows), self.grams, self.points, self.points)
        parts = np.array(numbers, dtype=np.int64).reshape(len(rows), self.steps, 2)
        return Candidates(np.array(rows, dtype=np.int64).reshape(shape), np.ones(len(rows), dtype=np.int64), parts[..., 0], parts[..., 1])

    def random(self, rng: np.random.Generator, count: int) -> Floats:
        """Parameters of random cases: Cholesky factors (logarithms on the diagonal) and logarithms of step sizes relative to 2 / max K_ii.

        In every second case one c_i is close to 1: near singular steps lambda dips (E8), and many counterexamples live there.
        """
        n, triangle = self.points, self.points * (self.points - 1) // 2
        grams = [np.concatenate([rng.normal(0, 0.6, (count, n)), rng.normal(0, 1.2, (count, triangle))], axis=1) for _ in range(self.grams)]
        found = np.concatenate([*grams, rng.uniform(-1.2, 1.5, (count, self.steps))], axis=1)
        diagonal = np.einsum("pgii->pgi", self.decoded(found).grams).reshape(count, -1)
        resonant = np.flatnonzero(rng.random(count) < 0.5)
        sample, which = rng.integers(0, diagonal.shape[1], len(resonant)), rng.integers(0, self.steps, len(resonant))
        off = rng.choice([-1.0, 1.0], len(resonant)) * np.exp(rng.uniform(math.log(1e-3), math.log(0.1), len(resonant)))
        found[resonant, found.shape[1] - self.steps + which] = np.log((1 + off) * diagonal[resonant].max(axis=1) / (2 * diagonal[resonant, sample]))
        return found

    def decoded(self, parameters: Floats) -> Batch:
        """The cases that the parameters stand for; step sizes ascending."""
        n, width = self.points, self.points * (self.points + 1) // 2
        grams = []
        for g in range(self.grams):
            part = np.clip(parameters[:, g * width : (g + 1) * width], -5, 5)
            lower = np.zeros((len(part), n, n))
            lower[:, range(n), range(n)] = np.exp(part[:, :n])
            rows, columns = np.tril_indices(n, -1)
            lower[:, rows, columns] = part[:, n:]
            grams.append(lower @ lower.transpose(0, 2, 1))
        stacked = np.stack(grams, axis=1)
        largest = np.einsum("pgii->pgi", stacked).reshape(len(parameters), -1).max(axis=1)
        steps = np.sort(np.exp(np.clip(parameters[:, self.grams * width :], -6, 6)), axis=1) * 2 / largest[:, None]
        return Batch(stacked, steps)

    def matrices_near(self, gram: Floats, rng: np.random.Generator, largest: int) -> tuple[Integers, Integers]:
        """(integers, denominators): matrices close to K, or to a multiple of it where only eta K matters, with entries up to `largest`, smallest first."""
        free = [(g, i, j) for g in range(self.grams) for i in range(self.points) for j in range(i + 1)]
        if len(free) <= 3:
            shifts = np.array(list(itertools.product((0, -1, 1), repeat=len(free))))
        else:
            shifts = np.vstack([np.zeros(len(free), int), rng.integers(-1, 2, (30, len(free)))])
        top = float(np.abs(gram).max())
        factors = np.arange(1, largest + 1) / (top if self.scale_free else 1.0)
        base = np.rint(gram[None] * factors[:, None, None, None]).astype(np.int64)
        moves = np.zeros((len(shifts), *gram.shape), dtype=np.int64)
        for k, (g, i, j) in enumerate(free):
            moves[:, g, i, j] = moves[:, g, j, i] = shifts[:, k]
        integers = (base[:, None] + moves[None]).reshape(-1, *gram.shape)
        denominators = np.repeat(np.ones(largest, dtype=np.int64) if self.scale_free else np.arange(1, largest + 1), len(shifts))
        small = np.abs(integers).reshape(len(integers), -1).max(axis=1) <= largest
        integers, denominators = integers[small], denominators[small]
        _, first = np.unique(np.concatenate([integers.reshape(len(integers), math.prod(gram.shape)), denominators[:, None]], axis=1), axis=0, return_index=True)
        integers, denominators = integers[first], denominators[first]
        definite = np.linalg.eigvalsh(integers.astype(float)).min(axis=(1, 2), initial=math.inf) > 1e-9
        order = np.lexsort((np.abs(integers).reshape(len(integers), math.prod(gram.shape)).sum(axis=1), np.abs(integers).max(axis=(1, 2, 3), initial=0)))
        chosen = order[definite[order]]
        return integers[chosen], denominators[chosen]


def fractions_by_size(largest: int) -> list[Fraction]:
    """All positive fractions with terms up to `largest`, those with small terms first."""
    return sorted(set(_fractions(largest)), key=lambda x: (max(x.numerator, x.denominator), x.numerator + x.denominator))


def _fractions(m: int) -> Iterator[Fraction]:
    return (Fraction(p, q) for p in range(1, m + 1) for q in range(1, m + 1))


def _definite(points: int, m: int, symmetric: bool) -> list[Any]:
    """Positive definite integer matrices with entries up to m; `symmetric`: ascending diagonal and a nonnegative first row."""
    found: list[Any] = []
    if m < 1 or m ** (points * (points + 1) // 2) > 40 * MAX_SHELL:
        return [None] * (MAX_SHELL + 1) if m >= 1 else []
    pairs = [(i, j) for i in range(points) for j in range(i)]
    diagonals = itertools.combinations_with_replacement(range(1, m + 1), points) if symmetric else itertools.product(range(1, m + 1), repeat=points)
    for diagonal in diagonals:
        largest = [math.isqrt(diagonal[i] * diagonal[j] - 1) for i, j in pairs]
        ranges = [range(0 if symmetric and j == 0 else -x, x + 1) for (_, j), x in zip(pairs, largest, strict=True)]
        for entries in itertools.product(*ranges):
            gram = np.diag(np.array(diagonal, dtype=np.int64))
            for (i, j), x in zip(pairs, entries, strict=True):
                gram[i, j] = gram[j, i] = x
            if points <= 2 or np.linalg.eigvalsh(gram.astype(float))[0] > 1e-9:
                found.append(gram)
    return found

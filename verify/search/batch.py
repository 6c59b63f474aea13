"""Many small problems at once in floating point: the cheap stand-ins for lambda, mu and ms that a search climbs. Nothing here is proved.

A `Batch` holds P cases; each has one or more positive definite Gram matrices (N x N) and one or more step sizes. lambda is a Monte Carlo estimate with random
numbers shared by all cases, so that margins vary smoothly from case to case. Units: nats per step.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..optimiser import multiplicities

Floats = NDArray[np.float64]
# Multiples of the kernel's spacing.
BURN, STEPS, CHAINS = 64, 704, 16
WORKERS = min(2, os.cpu_count() or 1)
TINY = 1e-300


@dataclass
class Batch:
    """P cases: `grams` (P, g, N, N) and `steps` (P, s). Every method names which Gram matrix and which step size of the case it is about."""

    grams: Floats
    steps: Floats
    length: int = STEPS
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False, init=False)

    @property
    def size(self) -> int:
        """P, the number of cases."""
        return len(self.steps)

    @property
    def points(self) -> int:
        """N, the number of data points."""
        return int(self.grams.shape[-1])

    def rows(self, chosen: NDArray[np.intp]) -> Batch:
        """Some of the cases."""
        return Batch(self.grams[chosen], self.steps[chosen], self.length)

    def c(self, gram: int = 0, step: int = 0) -> Floats:
        """c_i = eta K_ii, shape (P, N)."""
        return np.asarray(self.steps[:, step, None] * np.einsum("pii->pi", self.grams[:, gram]))

    def kappa(self, gram: int = 0) -> Floats:
        """Eigenvalues of K, ascending, shape (P, N)."""
        kept: Floats = self._once(("kappa", gram), lambda: np.linalg.eigvalsh(self.grams[:, gram]))
        return kept

    def mu(self, gram: int = 0, step: int = 0) -> Floats:
        """mu = max_j log |1 - eta kappa_j / N|."""
        factors = np.abs(1 - self.steps[:, step, None] * self.kappa(gram) / self.points)
        return np.asarray(np.log(factors.max(axis=1) + TINY))

    def mean_square(self, gram: int = 0, step: int = 0, batch: int = 1, replacement: bool = True) -> Floats:
        """log rho(E[A (x) A]), twice the mean-square exponent."""

        def compute() -> Floats:
            p, found = _probabilities(self.points, batch, replacement), 0.0
            for q, a in zip(p, self.family(gram, step, batch, replacement), strict=True):
                found = found + q * np.einsum("pij,pkl->pikjl", a, a)
            n = self.points
            return np.asarray(np.log(np.abs(np.linalg.eigvals(np.asarray(found).reshape(self.size, n * n, n * n))).max(axis=1) + TINY))

        kept: Floats = self._once(("ms", gram, step, batch, replacement), compute)
        return kept

    def bounds(self, gram: int = 0, step: int = 0, batch: int = 1, replacement: bool = True) -> tuple[Floats, Floats]:
        """(lower, upper): cheap bounds on lambda from E4, E5, E7 and E11, up to round-off."""
        p = _probabilities(self.points, batch, replacement)
        determinants = [np.abs(np.linalg.det(a)) for a in self.family(gram, step, batch, replacement)]
        low = sum((q * np.log(d + TINY) for q, d in zip(p, determinants, strict=True)), start=np.zeros(self.size)) / self.points
        high = self.mean_square(gram, step, batch, replacement) / 2
        if batch == 1:
            c = self.c(gram, step)
            high = np.where(c.max(axis=1) <= 2 + 1e-12, np.minimum(high, 0.0), high)
            low = np.where(c.min(axis=1) >= 2 - 1e-12, np.maximum(low, 0.0), low)
        return np.minimum(low, high), high

    def lyapunov(self, gram: int = 0, step: int = 0, batch: int = 1, replacement: bool = True) -> tuple[Floats, Floats]:
        """(lambda, standard error) by Monte Carlo; about -690 where a product vanishes."""

        def compute() -> tuple[Floats, Floats]:
            if batch == self.points and not replacement:
                mu = self.mu(gram, step)
                return mu, np.full(self.size, 1e-9)
            family = self.family(gram, step, batch, replacement)
            p = _probabilities(self.points, batch, replacement)
            return _growth(family, p, self.length)

        kept: tuple[Floats, Floats] = self._once(("lambda", gram, step, batch, replacement), compute)
        return kept

    def family(self, gram: int = 0, step: int = 0, batch: int = 1, replacement: bool = True) -> Floats:
        """The steps A_m = I - (eta/B) K diag(m), shape (m, P, N, N)."""

        def compute() -> Floats:
            eta_k = self.steps[:, step, None, None] * self.grams[:, gram] / batch
            return np.array([np.eye(self.points) - eta_k * np.array(m, dtype=float) for m in _multiplicities(self.points, batch, replacement)])

        kept: Floats = self._once(("family", gram, step, batch, replacement), compute)
        return kept

    def _once(self, key: Any, compute: Any) -> Any:
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]


def _multiplicities(points: int, batch: int, replacement: bool) -> list[tuple[int, ...]]:
    return list(multiplicities(points, batch, batch if replacement else 1, 0))


def _probabilities(points: int, batch: int, replacement: bool) -> list[float]:
    found = _multiplicities(points, batch, replacement)
    if not replacement:
        return [1 / len(found)] * len(found)
    return [math.factorial(batch) / math.prod(map(math.factorial, m)) / points**batch for m in found]


def _growth(family: Floats, p: list[float], length: int) -> tuple[Floats, Floats]:
    """Mean log growth per step and its standard error over independent chains; the same draws for every case."""
    from .growth import grow, grow_planar

    rng = np.random.default_rng(0)
    size, n = family.shape[1], family.shape[2]
    draws = rng.choice(len(p), size=(BURN + length, CHAINS), p=p)
    start = rng.normal(size=(CHAINS, n))
    growth = np.empty((size, CHAINS))
    steps = np.ascontiguousarray(family.transpose(1, 0, 2, 3))
    kernel = grow_planar if n == 2 else grow
    cuts = np.linspace(0, size, (WORKERS if size >= 64 else 1) + 1).astype(int)
    with ThreadPoolExecutor(WORKERS) as pool:  # the kernel releases the interpreter's lock
        list(pool.map(lambda i: kernel(steps[cuts[i] : cuts[i + 1]], draws, start, BURN, growth[cuts[i] : cuts[i + 1]]), range(len(cuts) - 1)))
    return growth.mean(axis=1), growth.std(axis=1, ddof=1) / math.sqrt(CHAINS) + 1e-9

"""A slow numeric reference for the tests, sharing no code with the package: families from eigenvectors of K, exponents by sampling or eigenvalues."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ZERO_PRODUCT = -math.inf


def floats(rows: Any) -> Floats:
    return np.array([[float(Fraction(x)) for x in row] for row in rows])


def gram_of(subject: dict[str, Any]) -> Floats:
    if "gram" in subject:
        return floats(subject["gram"])
    x = floats(subject["features"])
    return np.asarray(x @ x.T)


def draws(subject: dict[str, Any], n: int) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every ordered or unordered batch as a list of samples, with its probability."""
    if subject["optimiser"] == "gd":
        yield tuple(range(n)), 1.0
        return
    weights = np.array([float(Fraction(w)) for w in subject.get("weights", ["1"] * n)])
    weights = weights / weights.sum()
    if subject["replacement"] or subject["batch"] == 1:
        for batch in itertools.product(range(n), repeat=subject["batch"]):
            yield batch, float(math.prod(weights[i] for i in batch))
    else:
        sets = list(itertools.combinations(range(n), subject["batch"]))
        for batch in sets:
            yield batch, 1 / len(sets)


def family(subject: dict[str, Any]) -> tuple[Floats, Floats]:
    """(steps, probabilities): I - (eta/B) sum g_i g_i^T on span{g_i} in an orthonormal basis, or the matrices as given."""
    if "matrices" in subject:
        weights = np.array([float(Fraction(w)) for w in subject["weights"]])
        return np.array([floats(a) for a in subject["matrices"]]), weights / weights.sum()
    gram = gram_of(subject)
    values, vectors = np.linalg.eigh(gram)
    keep = values > 1e-9 * values.max()
    gradients = vectors[:, keep] * np.sqrt(values[keep])
    eta, d = float(Fraction(subject["step_size"])), int(keep.sum())
    steps, chances = [], []
    for batch, p in draws(subject, len(gram)):
        steps.append(np.eye(d) - eta / len(batch) * sum(np.outer(gradients[i], gradients[i]) for i in batch))
        chances.append(p)
    return np.array(steps), np.array(chances)


def mu(subject: dict[str, Any]) -> float:
    gram = gram_of(subject)
    values = np.linalg.eigvalsh(gram)
    kappa = values[values > 1e-9 * values.max()]
    growth = np.abs(1 - float(Fraction(subject["step_size"])) * kappa / len(gram)).max()
    return math.log(growth) if growth > 1e-12 else ZERO_PRODUCT


def mean_square(subject: dict[str, Any]) -> float:
    steps, p = family(subject)
    rho = np.abs(np.linalg.eigvals(sum(q * np.kron(a, a) for q, a in zip(p, steps, strict=True)))).max()
    return math.log(rho) / 2 if rho > 1e-12 else ZERO_PRODUCT


def lyapunov(subject: dict[str, Any], chains: int = 400, steps: int = 1200, seed: int = 0) -> tuple[float, float]:
    """(estimate, generous tolerance), (-inf, 0) where products vanish, (0, inf) where floats cannot tell. Long products of independent chains."""
    matrices, p = family(subject)
    d, largest = matrices.shape[1], np.abs(matrices).max(axis=(1, 2))
    scattered = "matrices" in subject and bool((np.abs(matrices[matrices != 0]) < 1e-6 * largest.max()).any())
    rare_death = bool((np.abs(np.linalg.det(matrices[p < 0.01])) < 1e-9).any())  # decisive, and too rare to be seen
    if scattered or rare_death or not 1e-9 < largest.max() < 1e9:
        return 0.0, math.inf
    if d == 1:
        sizes = np.abs(matrices[:, 0, 0])
        return (ZERO_PRODUCT, 0.0) if (sizes[p > 0] < 1e-12).any() else (float(p @ np.log(sizes)), 1e-9)
    rng = np.random.default_rng(seed)
    v = rng.standard_normal((chains, d))
    total, burn = np.zeros(chains), steps // 5
    picks = rng.choice(len(p), size=(steps, chains), p=p / p.sum())
    for t in range(steps):
        v = np.einsum("cij,cj->ci", matrices[picks[t]], v)
        size = np.linalg.norm(v, axis=1)
        if (size <= 1e-11 * largest[picks[t]]).any():
            return ZERO_PRODUCT, 0.0
        v /= size[:, None]
        total += np.log(size) * (t >= burn)
    rates = total / (steps - burn)
    return float(rates.mean()), float(0.02 + 8 * rates.std() / math.sqrt(chains) + 10 / steps)


@lru_cache(maxsize=4096)
def _value(subject: str, quantity: str) -> tuple[float, float]:
    data = json.loads(subject)
    if quantity == "lambda":
        return lyapunov(data)
    value = mu(data) if quantity == "mu" else mean_square(data)
    return value, 1e-6


def value(subject: dict[str, Any], quantity: str) -> tuple[float, float]:
    """(value, tolerance) of the quantity."""
    return _value(json.dumps(subject, sort_keys=True), quantity)


def contradicts(subject: dict[str, Any], quantity: str, relation: str, bound: Fraction) -> bool:
    """Whether the numbers say, beyond noise, that `quantity relation bound` is false."""
    centre, slack = value(subject, quantity)
    bound_ = float(max(min(bound, Fraction(10**9)), Fraction(-(10**9))))
    too_low = centre > bound_ + slack  # the statement bounds above, the value is above
    too_high = centre < bound_ - slack
    return (too_low and relation in ("<", "<=", "=")) or (too_high and relation in (">", ">=", "="))

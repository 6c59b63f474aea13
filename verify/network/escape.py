"""Between mean-square stability and lambda = 0: SGD converges although the second moment explodes, and leaves with a probability that is a power of the start.

While lambda < 0 < L(p) for some p, runs from the distance r leave a fixed neighbourhood with a probability of order r^alpha, L(alpha) = 0 (E11; a theorem for
the linearised steps, strongly irreducible, proximal and non-arithmetic; a heuristic for the model itself). alpha < 2 exactly where the second moment explodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exact import InputError
from ..moments import Bounds, escape_exponent
from ..optimiser import Optimiser
from ..simulate.ladder import Rung
from .architectures import mlp
from .data import digit
from .levenberg_marquardt import teacher
from .loss import Loss
from .minimum import NetworkMinimum
from .model import Network


@dataclass(frozen=True)
class PowerLaw:
    """P(not near) = exp(constant) radius^exponent, with the standard error of the exponent; `rungs` that entered."""

    exponent: float
    error: float
    constant: float
    rungs: int


def power_law(rungs: Sequence[Rung]) -> PowerLaw:
    """The maximum-likelihood power law of the fraction of runs that did not end near, through the rungs where that is at most one half.

    Raises `InputError` where fewer than two rungs are left or fewer than ten runs left in all.
    """
    from scipy.optimize import minimize

    used = [r for r in rungs if 2 * r.near >= r.starts and not r.unsettled]
    left = np.array([r.starts - r.near for r in used], dtype=float)
    if len(used) < 2 or left.sum() < 10:
        raise InputError(f"{len(used)} rungs with at most half of the runs gone, {int(left.sum())} runs gone in all: give two rungs and ten runs at least")
    x, n = np.log([r.radius for r in used]), np.array([r.starts for r in used], dtype=float)
    middle = float(np.average(x, weights=left))

    def unlikely(theta: Any) -> float:
        log = np.minimum(theta[0] + theta[1] * (x - middle), -1e-9)
        return float(-(left * log + (n - left) * np.log(-np.expm1(log))).sum())

    at = minimize(unlikely, [float(np.log(left.sum() / n.sum())), 1.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000}).x
    p = np.exp(np.minimum(at[0] + at[1] * (x - middle), -1e-9))
    weight = n * p / (1 - p)  # Fisher's information of log P
    information = np.array([[weight.sum(), (weight * (x - middle)).sum()], [(weight * (x - middle)).sum(), (weight * (x - middle) ** 2).sum()]])
    return PowerLaw(float(at[1]), float(np.sqrt(np.linalg.inv(information)[1, 1])), float(at[0] - at[1] * middle), len(used))


def escape_exponent_of(minimum: NetworkMinimum, optimiser: Optimiser, spacing: Any = "1e-6", **options: Any) -> Bounds:
    """alpha for K rounded to a rational grid of `spacing` (exact bounds for that K only); options as for `verify.escape_exponent`."""
    return escape_exponent(minimum.problem(optimiser).rationalised(spacing), **options)


def scaled_copies(scales: Sequence[float] = (2.0, 0.7, 0.7), noise: float = 0.2, seed: int = 0, loss: Loss | str = "half_squared") -> NetworkMinimum:
    """A minimum with a wide gap between eta_ms and eta*: an MLP on noisy copies of one digit, scaled by `scales`, with teacher labels at a random w.

    Nearly parallel gradients of different lengths make the logarithm of a step much smaller on average than its square suggests.
    """
    rng = np.random.default_rng(seed)
    inputs = np.array([s * (digit() + noise * rng.standard_normal((8, 8))) for s in scales])
    made = mlp(8)
    network = Network(made.function, made.initialise(rng, (8, 8), 1), inputs)
    w = network.start / 2
    return NetworkMinimum.of(network, w, teacher(network, w), loss)

"""T2' on networks: lambda of the optimiser at the points where its real runs end (for gradient descent this is mu). Estimates, with their confidence.

T2' holds under H1-H3 for regular limits, almost surely over the random start. H1 is a property of the activations; H2 and regularity are not examined at the
limits and H3 is assumed (`analyse_minimum` of a limit says more). For batches, momentum and several outputs T2' is an extension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..optimiser import Optimiser
from ..simulate.ladder import Limit
from .levenberg_marquardt import interpolate
from .minimum import NetworkMinimum
from .model import Floats


@dataclass(frozen=True)
class LimitPoint(Limit):
    """Polished onto M by Gauss-Newton steps of minimal norm: `moved` by these, and the `residual` that is left."""

    residual: float
    moved: float


def limit_points(
    minimum: NetworkMinimum,
    optimiser: Optimiser,
    ends: Floats,
    radii: Sequence[float] | Floats,
    *,
    confidence: float = 0.99,
    time_limit: float = 2.0,
    seed: int = 0,
) -> tuple[LimitPoint, ...]:
    """lambda at the ends (runs, D) of runs that started at the distances `radii` from the minimum.

    All intervals hold together with the given confidence (Bonferroni). Each is narrowed until lambda has a sign or its time is up.
    """
    found = []
    for end, radius in zip(ends, radii, strict=True):
        fit = interpolate(minimum.network, minimum.targets, end, damping=0.0)
        here = minimum.at(fit.w)
        share = 1 - (1 - confidence) / len(ends)
        exponent = here.problem(optimiser).lyapunov(time_limit=time_limit, confidence=share, seed=seed)
        distance = float(np.linalg.norm(fit.w - minimum.w))
        found.append(LimitPoint(tuple(fit.w.tolist()), distance, float(radius), exponent, fit.residual, fit.moved))
    return tuple(found)

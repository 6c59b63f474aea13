"""Monte Carlo as the last resort of the engine: an `Estimate` with its confidence, never a proof."""

from __future__ import annotations

import math
from typing import Any

from ..family import MatrixFamily
from ..minimum import MeasuredMinimum, Minimum
from ..optimiser import GradientDescent, Optimiser
from ..result import Attempt, Estimate, as_float


def estimated(
    minimum: Minimum | MeasuredMinimum | None,
    optimiser: Optimiser | None,
    matrices: MatrixFamily | None,
    *,
    reason: str,
    tried: list[Attempt],
    half_width: float | None = None,
    time_limit: float = 5.0,
    confidence: float = 0.99,
    seed: int = 0,
) -> Estimate:
    """lambda by simulation, until the half-width or the time limit is reached."""
    from . import montecarlo

    options: dict[str, Any] = {"target_half_width": half_width, "time_limit": time_limit, "confidence": confidence, "seed": seed}
    if matrices is not None:
        import numpy as np

        if not matrices.matrices:
            return Estimate("every step is the identity", reason, 0.0, 0.0, confidence, tried=tuple(tried))
        steps, p = matrices.as_floats()
        if p.sum() < 1:
            steps, p = np.concatenate([steps, np.eye(matrices.dimension)[None]]), np.append(p, 1 - p.sum())
        growth = montecarlo.family_growth(steps, p, **options)
    else:
        assert minimum is not None
        assert optimiser is not None
        gram = minimum.gram_floats() if isinstance(minimum, Minimum) else minimum.gram
        if isinstance(optimiser, GradientDescent):
            scheme: dict[str, Any] = {"batch": minimum.size, "replacement": False}
        else:
            weights = None if optimiser.weights is None else [as_float(w) for w in optimiser.weights]
            scheme = {"batch": optimiser.batch, "replacement": optimiser.replacement, "weights": weights}
        growth = montecarlo.sgd_growth(gram, as_float(optimiser.step_size), **scheme, **options)
    value = growth.value if math.isfinite(growth.value) else -math.inf
    return Estimate("Monte Carlo", reason, value, growth.half_width, growth.confidence, tried=tuple(tried))


def estimated_mu(minimum: MeasuredMinimum, optimiser: Optimiser) -> Estimate:
    """mu from the floating-point eigenvalues of a measured K (relative accuracy about 1e-12, stated as the half-width)."""
    import numpy as np

    kappa = np.linalg.eigvalsh(minimum.gram)
    kappa = kappa[kappa > 1e-12 * kappa[-1]]
    with np.errstate(divide="ignore"):
        value = float(np.log(np.abs(1 - as_float(optimiser.step_size) * kappa / minimum.size).max()))
    if math.isinf(value):  # zero up to round-off
        value = -30.0
        return Estimate("floating-point eigenvalues", "mu is below this value", value, 10.0, 0.99)
    return Estimate("floating-point eigenvalues", "K is measured, not exact", value, 1e-9 * (1 + abs(value)), 1.0)

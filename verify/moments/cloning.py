"""L(p) for any number of samples, by cloning (population dynamics); statistical.

M vectors move independently; after each step a vector that grew by the factor f is copied or dropped in proportion to f^p, and L(p) is the mean logarithm of
the mean of f^p. This samples the law of the steps tilted by |A^n v|^p, under which large p are no rare events. The direction forgets its start during the
first quarter of the run, which is left out. The interval is Student's over independent populations, widened by what the mean changes when M is divided by 4
(the bias is of order 1/M) and by the change from the first to the second half of the run, each beyond two of its own standard errors. Not covered: several
directions that one population cannot exchange within a run. p < 0 gives the growth of E|A^n v|^p for a typical v. Sources: P. Grassberger, Go with the
winners, Comput. Phys. Commun. 147, 2002; C. Giardina, J. Kurchan, L. Peliti, Phys. Rev. Lett. 96, 2006.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from ..exact import InputError, rational
from ..problem import Problem
from .blocks import Sampler, sampler
from .result import Bounds, statistical, unknown

if TYPE_CHECKING:
    import numpy as np

POPULATIONS, CLONES, STEPS = 16, 1024, 1000
METHOD = "cloning"


def cloned_moment(problem: Problem, p: Any, *, confidence: float = 0.99, time_limit: float = 20.0, seed: int = 0, steps: int = STEPS) -> Bounds:
    """A confidence interval of L(p), p rational (exact: "1/2", 3). A function of its arguments unless the time runs out."""
    import numpy as np
    from scipy.special import stdtrit

    exponent = rational(p, "p")
    if not 0 < confidence < 1 or not time_limit > 0 or steps < 40:
        raise InputError(f"confidence = {confidence} must be in (0, 1), time_limit = {time_limit} positive and steps = {steps} at least 40")
    quantity = f"L({exponent})"
    steps_of = sampler(problem)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        fine = _run(steps_of, float(exponent), CLONES, steps, 0.8 * time_limit, seed)
        coarse = _run(steps_of, float(exponent), CLONES // 4, len(fine), 0.2 * time_limit + 60, seed + 1)
    if not (np.isfinite(fine).all() and np.isfinite(coarse).all()):
        return unknown(quantity, METHOD, "whole populations died, or grew beyond floating point")
    fine, coarse = fine / steps_of.period, coarse / steps_of.period
    rate, half = fine.mean(axis=0), len(fine) // 2
    value, error = _mean(rate)
    bias, bias_error = value - float(coarse.mean()), math.hypot(error, _mean(coarse.mean(axis=0))[1])
    drift, drift_error = _mean(fine[half:].mean(axis=0) - fine[:half].mean(axis=0))
    spread = float(stdtrit(len(rate) - 1, (1 + confidence) / 2)) * error
    widened = spread + max(0.0, abs(bias) - 2 * bias_error) + max(0.0, abs(drift) - 2 * drift_error) + 1e-12 * (1 + abs(value))
    return statistical(quantity, value, widened, confidence, METHOD, f"{POPULATIONS} populations of {CLONES}, {len(fine)} steps")


def _mean(values: np.ndarray) -> tuple[float, float]:
    """(mean, its standard error)."""
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))


def _run(steps_of: Sampler, p: float, clones: int, steps: int, time_limit: float, seed: int) -> np.ndarray:
    """log of the mean weight, (steps after the first quarter, populations)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    state = rng.standard_normal((POPULATIONS * clones, steps_of.dimension, 1))
    state /= np.linalg.norm(state, axis=1, keepdims=True)
    first = np.arange(POPULATIONS)[:, None] * clones
    deadline, logs = time.monotonic() + time_limit, []
    for _ in range(steps):
        state = steps_of.move(state, rng)
        size = np.linalg.norm(state, axis=1, keepdims=True)
        growth = p * np.log(size).reshape(POPULATIONS, clones)
        top = growth.max(axis=1, keepdims=True)
        edges = np.cumsum(np.exp(growth - top), axis=1)
        logs.append(top[:, 0] + np.log(edges[:, -1] / clones))
        if not np.isfinite(logs[-1]).all():
            break
        # Systematic resampling: one uniform number per population.
        marks = (np.arange(clones) + rng.random((POPULATIONS, 1))) * (edges[:, -1:] / clones)
        picks = np.stack([np.minimum(np.searchsorted(row, mark), clones - 1) for row, mark in zip(edges, marks, strict=True)])
        chosen = (first + picks).ravel()
        state = state[chosen] / size[chosen]
        if time.monotonic() > deadline and len(logs) >= 40:
            break
    return np.array(logs[len(logs) // 4 :])


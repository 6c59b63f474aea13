"""The linear runs that real ones are compared with: the same samples, in residual coordinates, with no floor because the vector is renormalised."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..optimiser import Optimiser
from ..result import as_float
from .draws import Indices
from .model import Floats


def linear_course(
    gram: Floats,
    optimiser: Optimiser,
    residuals: Floats,
    indices: Indices,
    every: int,
    *,
    outputs: int = 1,
    nesterov: bool = False,
    scale: Floats | None = None,
) -> Floats:
    """log rms of r_n after 0, every, 2 every, ... steps: (steps/every + 1, runs), nats. `residuals` (runs, N q) are r_0 = r_(-1), `indices` (steps, runs, B).

    The optimiser is in the theory's convention (see `Loss.in_theory`). r <- (1 - eta omega) y - (eta/B) sum_(i in S) K E_i E_i^T y + [beta (r - r_previous)],
    with y = r, or with Nesterov's momentum y = r + beta (r - r_previous) and without the bracket.
    """
    steps, _, b = indices.shape
    factors = np.ones(steps) if scale is None else np.asarray(scale, dtype=float)
    eta, beta, decay = (as_float(x) for x in (optimiser.step_size, optimiser.momentum, optimiser.weight_decay))
    start = np.ascontiguousarray(np.asarray(residuals, dtype=float).reshape(indices.shape[1], -1))
    return np.asarray(_kernel()(np.ascontiguousarray(gram), start, np.ascontiguousarray(indices), eta * factors, b, outputs, beta, decay, nesterov, every))


@cache
def _kernel() -> Any:
    from numba import njit

    @njit(nogil=True, cache=True)
    def run(k: Any, start: Any, indices: Any, etas: Any, b: int, q: int, beta: float, decay: float, nesterov: bool, every: int) -> Any:
        steps, runs, n = indices.shape[0], indices.shape[1], len(k)
        out = np.empty((steps // every + 1, runs))
        for s in range(runs):
            r = start[s].copy()
            p = r.copy()
            y = r.copy()
            log = 0.5 * np.log((r * r).mean())
            out[0, s] = log
            size = np.sqrt((r * r).mean())
            if size > 0:
                r /= size
                p /= size
            for t in range(steps):
                eta = etas[t]
                for j in range(n):
                    y[j] = r[j] + beta * (r[j] - p[j]) if nesterov else r[j]
                for j in range(n):
                    new = (1 - eta * decay) * y[j] + (0.0 if nesterov else beta * (r[j] - p[j]))
                    p[j] = r[j]
                    r[j] = new
                for c in range(b):
                    i = indices[t, s, c]
                    for a in range(i * q, (i + 1) * q):
                        pull = eta / b * y[a]
                        for j in range(n):
                            r[j] -= pull * k[a, j]
                if (t + 1) % every == 0:
                    size = np.sqrt((r * r).mean())
                    log += np.log(size)
                    out[(t + 1) // every, s] = log
                    if size > 0:
                        r /= size
                        p /= size
        return out

    return run

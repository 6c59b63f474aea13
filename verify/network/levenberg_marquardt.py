"""Levenberg-Marquardt in the dual form: (K + damping) s = F - z, w <- w - J^T s. The system has N q unknowns however many parameters there are.

J is never stored beyond one block: K comes from `Network.gram`, J^T s from one backward pass. Beyond `DENSE` outputs K is not formed either and the system is
solved by conjugate gradients with products J (J^T u).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..exact import InputError
from .model import Floats, Network

DENSE = 3000
LARGEST_DAMPING = 1e8
TINY = 1e-14


@dataclass(frozen=True)
class Fit:
    """Where the search ended: parameters w (D,), the largest |F - z|, its course, and whether it is below the tolerance."""

    w: Floats
    residual: float
    course: tuple[float, ...]
    reached: bool


def interpolate(network: Network, targets: Floats, start: Floats | None = None, *, tolerance: float = TINY, steps: int = 200) -> Fit:
    """Find w with max |F(w) - z| <= `tolerance`, from `start` (default: the network's parameters); targets z are (N, q) or (N,).

    The last steps are Gauss-Newton steps of minimal norm. Raises `InputError` for targets of the wrong shape. A search that stalls is no error: see `reached`.
    """
    z = checked_targets(network, targets)
    w = np.array(network.start if start is None else start, dtype=float)
    r = network.values(w) - z
    course, damping = [float(np.abs(r).max())], 1.0
    while len(course) <= steps and course[-1] > tolerance:
        solve = _Damped(network, w)
        while damping <= LARGEST_DAMPING:
            new = w - network.pull(w, solve(r, damping))
            error = network.values(new) - z
            if np.linalg.norm(error) < np.linalg.norm(r):
                break
            damping = 4 * damping + 1e-12
        else:
            break
        w, r = new, error
        damping = damping / 10 if damping > 1e-10 else 0.0
        course.append(float(np.abs(r).max()))
    return Fit(w, course[-1], tuple(course), course[-1] <= tolerance)


def teacher(network: Network, w: Floats) -> Floats:
    """z_i = F(w, y_i), (N, q): labels for which w is a minimum exactly (up to the rounding of F itself)."""
    return network.values(w)


def checked_targets(network: Network, targets: Floats) -> Floats:
    """Targets as (N, q). Raises `InputError`."""
    try:
        z = np.asarray(targets, dtype=float)
    except (TypeError, ValueError):
        raise InputError("targets is not an array of numbers; give an (N, q) array") from None
    shape = (network.size, network.outputs)
    if z.shape != shape and not (network.outputs == 1 and z.shape == shape[:1]):
        raise InputError(f"targets has shape {z.shape}; the model has N = {network.size} inputs and q = {network.outputs} outputs, so it must be {shape}")
    if not np.isfinite(z).all():
        raise InputError("targets has entries that are not finite; give finite numbers")
    return z.reshape(shape)


class _Damped:
    """s with (K + damping * mean K_ii) s = r, for several values of the damping at one w."""

    def __init__(self, network: Network, w: Floats) -> None:
        self.network, self.w = network, w
        self.rows = network.size * network.outputs
        self.k = network.gram(w) if self.rows <= DENSE else None

    def __call__(self, r: Floats, damping: float) -> Floats:
        if self.k is not None:
            k = self.k + damping * np.trace(self.k) / self.rows * np.eye(self.rows)
            try:
                return np.linalg.solve(k, r.ravel()).reshape(r.shape)
            except np.linalg.LinAlgError:
                return np.full(r.shape, np.inf)  # no progress: more damping
        from scipy.sparse.linalg import LinearOperator, cg

        probe = np.random.default_rng(0).choice([-1.0, 1.0], self.w.shape)
        scale = float(np.square(self.network.push(self.w, probe)).mean())  # Hutchinson: E |J e|^2 = trace K
        apply = lambda u: self.network.push(self.w, self.network.pull(self.w, u.reshape(r.shape))).ravel() + damping * scale * u  # noqa: E731
        return np.asarray(cg(LinearOperator((r.size, r.size), matvec=apply), r.ravel(), rtol=1e-10, maxiter=500)[0]).reshape(r.shape)

"""Levenberg-Marquardt in the dual form: (K + damping * mean K_ii) s = F - z, w <- w - J^T s. The system has N q unknowns however many parameters there are.

J is kept where it fits into memory; otherwise K comes from `Network.gram` in blocks and J^T s from one backward pass. Beyond `DENSE` outputs K is not formed
either: then scipy.optimize.least_squares does the search (trust region, LSMR) with products J v and J^T u alone.

Why not always that: it works in the D >= N q parameters. Where K is small it reaches the same residuals but takes longer (`benchmarks/network.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exact import InputError
from .model import MEMORY, Floats, Network, checked_network

DENSE = 3000
LARGEST_DAMPING = 1e8
TINY = 1e-14


@dataclass(frozen=True)
class Fit:
    """Where the search ended: parameters w (D,), the largest |F - z|, its course, whether it is below the tolerance, and why not; |w - start|."""

    w: Floats
    residual: float
    course: tuple[float, ...]
    reached: bool
    reason: str = ""
    moved: float = 0.0


def interpolate(
    network: Network,
    targets: Floats,
    start: Any = None,
    *,
    tolerance: float = TINY,
    steps: int = 200,
    damping: float = 1.0,
    dense: int | None = None,
) -> Fit:
    """Find w with max |F(w) - z| <= `tolerance`, from `start`, flat or a pytree (default: the network's parameters); targets z are (N, q) or (N,).

    A step that does not lower |F - z|, or overflows, is tried again with more damping. The last steps are Gauss-Newton steps of minimal norm; from
    `damping` = 0 on all are, as far as they succeed. K is formed up to `dense` (default `DENSE`) outputs. Raises `InputError` for arguments that do not
    fit, or where the model is not finite. A search that stalls is no error: see `reached` and `reason`.
    """
    z = checked_targets(checked_network(network), targets)
    for name, value, least in (("tolerance", tolerance, 0), ("steps", steps, 1), ("damping", damping, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value < np.inf:
            raise InputError(f"{name} = {value!r} is not a finite number from {least} on; leave it out for the default")
    w = network.flat(network.start if start is None else start, "start")
    r = network.values(w) - z
    if not np.isfinite(r).all():
        raise InputError("start gives model outputs that are not finite; start from smaller parameters")
    small = network.size * network.outputs <= (DENSE if dense is None else dense)
    end, course, reason = _dual(network, z, w, r, tolerance, steps, damping) if small else _matrix_free(network, z, w, tolerance, steps)
    return Fit(end, course[-1], tuple(course), not reason, reason, float(np.linalg.norm(end - w)))


def teacher(network: Network, w: Any) -> Floats:
    """z_i = F(w, y_i), (N, q): labels for which w is a minimum exactly (up to the rounding of F itself). Raises `InputError` where they are not finite."""
    z = checked_network(network).values(network.flat(w, "w"))
    if not np.isfinite(z).all():
        raise InputError("w gives model outputs that are not finite; take smaller parameters")
    return z


def checked_targets(network: Network, targets: Any) -> Floats:
    """Targets as (N, q). Raises `InputError`."""
    try:
        z = np.asarray(targets)
        if z.dtype.kind not in "fiubO":
            raise TypeError
        z = z.astype(float)
    except (TypeError, ValueError):
        raise InputError("targets is not an array of real numbers; give an (N, q) array") from None
    shape = (network.size, network.outputs)
    if z.shape != shape and not (network.outputs == 1 and z.shape == shape[:1]):
        raise InputError(f"targets has shape {z.shape}; the model has N = {network.size} inputs and q = {network.outputs} outputs, so it must be {shape}")
    if not np.isfinite(z).all():
        raise InputError("targets has entries that are not finite; give finite numbers")
    return z.reshape(shape)


Search = tuple[Floats, list[float], str]  # w, the largest |F - z| along the way, why the tolerance was not reached


def _dual(network: Network, z: Floats, w: Floats, r: Floats, tolerance: float, steps: int, damping: float) -> Search:
    course = [_largest(r)]
    while course[-1] > tolerance:
        if len(course) > steps:
            return w, course, f"{steps} steps were not enough"
        propose = _Step(network, w)
        while damping <= LARGEST_DAMPING:
            with np.errstate(all="ignore"):  # overflowing trials are refused
                new = w - propose(r, damping)
                error = network.values(new) - z
                better = np.linalg.norm(error) < np.linalg.norm(r)
            if better:
                break
            damping = 4 * damping + 1e-12
        else:
            return w, course, _stalled(course[-1])
        w, r = new, error
        damping = damping / 10 if damping > 1e-10 else 0.0
        course.append(_largest(r))
    return w, course, ""


class _Step:
    """J^T s with (K + damping * mean K_ii) s = r, for several values of the damping at one w."""

    def __init__(self, network: Network, w: Floats) -> None:
        self.network, self.w = network, w
        fits = 8 * network.size * network.outputs * network.parameters <= MEMORY
        self.rows = network.jacobian(w) if fits else None
        self.k = network.gram(w) if self.rows is None else self.rows @ self.rows.T

    def __call__(self, r: Floats, damping: float) -> Floats:
        try:
            s = np.linalg.solve(self.k + damping * np.diag(self.k).mean() * np.eye(len(self.k)), r.ravel())
        except np.linalg.LinAlgError:
            return np.full(self.w.shape, np.inf)  # refused: more damping
        return np.asarray(s @ self.rows) if self.rows is not None else self.network.pull(self.w, s.reshape(r.shape))


class _Reached(Exception):
    """Ends SciPy's search at the tolerance."""


def _matrix_free(network: Network, z: Floats, start: Floats, tolerance: float, steps: int) -> Search:
    from scipy.optimize import least_squares
    from scipy.sparse.linalg import LinearOperator

    best, course = start, [np.inf]

    def residuals(w: Floats) -> Floats:
        nonlocal best
        r = network.values(w) - z
        if _largest(r) < course[-1]:
            best = w.copy()
            course.append(_largest(r))
        if course[-1] <= tolerance:
            raise _Reached
        return r.ravel()

    def jacobian(w: Floats) -> LinearOperator:
        return LinearOperator(
            (z.size, w.size),
            dtype=float,
            matvec=lambda v: network.push(w, np.asarray(v, dtype=float).ravel()).ravel(),
            rmatvec=lambda u: network.pull(w, np.asarray(u, dtype=float).reshape(z.shape)),
        )

    finest = np.finfo(float).eps
    try:
        found = least_squares(residuals, start, jac=jacobian, method="trf", tr_solver="lsmr", xtol=finest, ftol=finest, gtol=finest, max_nfev=steps)
    except _Reached:
        return best, course[1:], ""
    return best, course[1:], f"{steps} steps were not enough" if found.status == 0 else _stalled(course[-1])


def _largest(r: Floats) -> float:
    return float(np.abs(r).max())


def _stalled(residual: float) -> str:
    return f"no step lowers the residual {residual:.2g}: it is at the rounding of F, or at a local minimum"

"""Plain SGD and gradient descent from given starts down to interpolation, and the minimum beside the end point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError
from ..optimiser import epoch_length
from .descent import Descent
from .draws import draws
from .levenberg_marquardt import TINY, Fit, interpolate
from .model import Floats, Network
from .schedules import Schedule


@dataclass(frozen=True)
class Trained:
    """Where each run ended: w (runs, D), the largest |F - z| there, the steps made until then, and why it did not reach the tolerance ("" if it did).

    `logs` (records, runs) is log rms of the residuals after each `every` steps of all runs, also beyond the end of those that ended earlier.
    """

    w: Floats
    residuals: Floats
    steps: NDArray[np.int64]
    reasons: tuple[str, ...]
    logs: Floats
    every: int

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Which runs reached the tolerance."""
        return np.array([not reason for reason in self.reasons])


def train(
    descent: Descent,
    starts: Floats,
    *,
    steps: int = 20_000,
    tolerance: float = 1e-10,
    every: int = 100,
    piece: int = 1000,
    seed: int = 0,
    schedule: Schedule | None = None,
    watch: Callable[[int, Floats, Floats], Any] | None = None,
) -> Trained:
    """Run the optimiser from `starts` (runs, D) until max |F - z| <= `tolerance`, at most `steps` steps, the same number of samples for every run.

    Looks are made after every `piece` steps (rounded up to whole records of `every`, those to whole epochs): a run ends at the first look that finds it at the
    tolerance or not finite. `schedule` multiplies the step size at each step number (see `schedules`). `watch` is shown the number of steps, the runs and their
    largest |F - z| (NaN for those that have ended) at the start and at each look. A run that fails to reach the tolerance is no error: `reasons` says why.
    Raises `InputError` for bad arguments.
    """
    w = np.array(starts, dtype=float)
    if w.ndim != 2 or w.shape[1] != descent.network.parameters or not len(w) or not np.isfinite(w).all():
        raise InputError(f"starts has shape {w.shape} or entries that are not finite; it must be (runs, D) with D = {descent.network.parameters}")
    for name, value in (("steps", steps), ("every", every), ("piece", piece)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} = {value!r} is not a positive integer; write for example 1000")
    if not 0 <= tolerance < np.inf:
        raise InputError(f"tolerance = {tolerance!r} is not a nonnegative number; write for example 1e-10")
    runs, epoch = len(w), epoch_length(descent.optimiser, descent.network.size)
    every = -(-every // epoch) * epoch
    piece = -(-piece // every) * every
    rng, state, made = np.random.default_rng(seed), descent.start(w), 0
    ends, ended, logs = w.copy(), np.zeros(runs, dtype=np.int64), []
    sizes, reasons = np.abs(descent.residuals(w)).max((1, 2)), ["not finite at the start"] * runs
    open_runs = np.isfinite(sizes)
    if watch:
        watch(0, w, sizes)
    while True:
        done = open_runs & (sizes <= tolerance)
        for i in np.flatnonzero(done):
            reasons[i] = ""
        open_runs &= ~done
        if made >= steps or not open_runs.any():
            break
        scale = None if schedule is None else np.broadcast_to(schedule(np.arange(made, made + piece)), (piece,))
        state, more = descent.moved(state, draws(descent.optimiser, descent.network.size, piece, runs, rng), every, scale)
        made += piece
        logs.append(more)
        w = np.asarray(state.w)
        now = np.abs(descent.residuals(w)).max((1, 2))
        ends[open_runs], ended[open_runs], sizes[open_runs] = w[open_runs], made, now[open_runs]
        for i in np.flatnonzero(open_runs):
            reasons[i] = f"the residual is {now[i]:.2g} after {made} steps" if np.isfinite(now[i]) else f"it diverged within {made} steps"
        if watch:
            watch(made, w, np.where(open_runs, now, np.nan))
        open_runs &= np.isfinite(now) & np.isfinite(w).all(1)
    return Trained(ends, sizes, ended, tuple(reasons), np.concatenate(logs) if logs else np.empty((0, runs)), every)


def polished(network: Network, targets: Floats, w: Floats, tolerance: float = TINY) -> Fit:
    """A minimum next to w by Gauss-Newton steps of minimal norm, orthogonal to the minima up to second order; `moved` is its distance from w.

    The limit of a run that ended at w is another minimum, at a distance of the same order: K there differs from K here by O(moved).
    """
    return interpolate(network, targets, w, tolerance=tolerance, damping=0.0)

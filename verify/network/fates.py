"""Where real runs end: at a minimum, far away, or nowhere yet. Round-off decides nothing.

In doubles a run whose residuals fall to about 1e-16 |w| stays there, even where lambda > 0 and the true run would leave. So a run goes on with carried
residuals (`descent`) once their rms is below `FREE`. It has ended when that is below `ENDED`, and returns to plain doubles when it is above `BACK` again.
Residuals that doubles have swallowed altogether go on from the size `SWALLOWED` in a random direction. All sizes are relative to 1 + max |z|.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError
from ..optimiser import epoch_length
from .descent import Descent, State
from .draws import draws
from .model import Floats

FREE, BACK, SWALLOWED, ENDED = 1e-12, 1e-10, 1e-15, 1e-18
FAR = 1e8
PIECE = 20
FEW, MANY = 8, 64  # once fewer than 1 / FEW of at least MANY runs are under way, they are run in a narrower program
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Fates:
    """Final w (runs, D) and two masks (runs,): ended at a minimum, ran away (not finite, or |w| > 1e8). The others had not ended after so many `steps`.

    `released` counts how often plain doubles would have held a run that carried residuals then left.
    """

    w: Floats
    ended: Mask
    away: Mask
    released: int
    steps: int


def run_to_end(descent: Descent, starts: Floats, steps: int, seed: int = 0, progress: Callable[[str], None] | None = None) -> Fates:
    """Move runs from `starts` (runs, D) until each has ended or run away, for at most `steps` steps. A function of its arguments.

    Raises `InputError` for starts of the wrong shape.
    """
    if starts.ndim != 2 or starts.shape[1] != descent.network.parameters or not len(starts):
        raise InputError(f"starts has shape {starts.shape}; give one row of D = {descent.network.parameters} parameters for each run")
    size, runs = descent.network.size, len(starts)
    scale = 1 + float(np.abs(descent.targets).max())
    free, back, swallowed, ended_at = (float(np.log(x * scale)) for x in (FREE, BACK, SWALLOWED, ENDED))
    rng = np.random.default_rng([seed, 19])
    length = epoch_length(descent.optimiser, size)
    piece = -(-PIECE // length) * length
    w, displacement = np.array(starts, dtype=float), np.zeros_like(starts)
    carried = np.zeros((runs, size, descent.network.outputs))
    plain, floating, ended, away = np.ones(runs, bool), np.zeros(runs, bool), np.zeros(runs, bool), np.zeros(runs, bool)
    released = made = 0
    while made < steps and (plain | floating).any():
        for own, without_floor in ((np.flatnonzero(plain), False), (np.flatnonzero(floating), True)):
            if not own.size:
                continue
            width = runs if runs < MANY or FEW * own.size > runs else -(-runs // FEW)  # a program is compiled for each shape
            padded = np.resize(own, width)
            state = State(w[padded], displacement[padded], carried[padded] if without_floor else None)
            state, logs = descent.moved(state, draws(descent.optimiser, size, piece, width, rng), piece)
            first = slice(own.size)
            w[own], displacement[own], log = np.asarray(state.w)[first], np.asarray(state.displacement)[first], logs[0, first]
            if without_floor:
                carried[own] = np.asarray(state.carried)[first]
                ended[own], floating[own], plain[own] = log < ended_at, (log >= ended_at) & (log <= back), log > back
                released += int((log > back).sum())
            else:
                floating[own] = log < free
                plain[own] = log >= free
                carried[own] = _carried(descent, w[padded], log, swallowed, rng)[first] if (log < free).any() else 0
            gone = ~(np.linalg.norm(w[own], axis=1) < FAR) | np.isnan(log)
            away[own] = gone
            for mask in (plain, floating, ended):
                mask[own] &= ~gone
        made += piece
        if progress:
            progress(f"step {made} of {steps}: {int((plain | floating).sum())} of {runs} runs are under way")
    return Fates(w, ended, away, released, made)


def _carried(descent: Descent, w: Floats, log: Floats, swallowed: float, rng: np.random.Generator) -> Any:
    """Residuals to go on with (runs, N, q)."""
    residuals = descent.residuals(w)
    lost = np.resize(log < swallowed, len(w))
    return np.where(lost[:, None, None], np.exp(swallowed) * rng.standard_normal(residuals.shape), residuals)

"""Step sizes that change along a run, as multiples of the one they end with: arrays over the steps, for `scale` of `Descent.moved` and `linear_course`.

Every schedule here ends constant, so that lambda at the final step size decides. Plain functions of the step number: a schedule of optax is one too, as
`lambda n: numpy.asarray(schedule(n), dtype=float) / final`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .model import Floats

Schedule = Callable[[NDArray[np.int64]], Floats]


def first(length: int, factor: float) -> Schedule:
    """`factor` for `length` steps, then 1."""
    return lambda n: np.where(n < length, factor, 1.0)


def warm_up(length: int) -> Schedule:
    """Linearly from 1/length to 1."""
    return lambda n: np.minimum((n + 1) / length, 1.0)


def cosine(length: int, start: float) -> Schedule:
    """From `start` to 1 along half a cosine."""
    return lambda n: 1 + (start - 1) * (1 + np.cos(np.pi * np.minimum(n / length, 1.0))) / 2


def warm_up_cosine(length: int, start: float) -> Schedule:
    """A warm-up to `start` over a tenth of `length`, then `cosine` over the rest."""
    up = max(1, length // 10)
    rise, fall = warm_up(up), cosine(length - up, start)
    return lambda n: np.where(n < up, start * rise(n), fall(np.maximum(n - up, 0)))

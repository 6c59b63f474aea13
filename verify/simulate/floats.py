"""Replicas in double precision: compiled steps, norms taken out on the way, logarithms accumulated."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from .dynamics import Part
from .evidence import Growth

Floats = NDArray[np.float64]
BLOCK = 2048  # replicas between two chances to interrupt


def replicate(part: Part, replicas: int, horizon: int, seed: int) -> Growth:
    """Growth of independent replicas from uniform directions (see `evidence`)."""
    return _replicate(part, replicas, horizon, seed, False)


def coarse(part: Part, replicas: int, horizon: int, seed: int) -> Growth:
    """The same replicas, their states rounded to single precision after every step."""
    return _replicate(part, replicas, horizon, seed, True)


def _replicate(part: Part, replicas: int, horizon: int, seed: int, single: bool) -> Growth:
    marks = [horizon // 4, horizon // 2, horizon]
    blocks = [np.stack(list(_growth(part, min(BLOCK, replicas - at), marks, seed + at, single))) for at in range(0, replicas, BLOCK)]
    quarter, half, whole = np.concatenate(blocks, axis=1)
    with np.errstate(invalid="ignore"):
        return Growth(whole / horizon, (half - quarter) / (marks[1] - marks[0]), (whole - half) / (horizon - marks[1]))


def courses(part: Part, replicas: int, marks: list[int], seed: int) -> Floats:
    """log|x_n| - log|x_0| of each replica at the steps `marks`: (replicas, len(marks))."""
    return np.stack(list(_growth(part, replicas, marks, seed)), axis=1)


def _growth(part: Part, replicas: int, marks: list[int], seed: int, single: bool = False) -> Iterator[Floats]:
    move = mover(part, replicas, seed, single)
    growth, at = np.zeros(replicas), 0
    for mark in marks:
        move(mark - at, growth)
        at = mark
        yield growth.copy()


def mover(part: Part, replicas: int, seed: int, single: bool = False) -> Callable[[int, Floats], None]:
    """A function (steps, growth) that moves all replicas and adds to their growth."""
    from ..exponent.kernels import splitmix
    from . import kernels

    state = np.random.default_rng(seed & ((1 << 64) - 1)).standard_normal((replicas, part.dimension))
    state /= np.linalg.norm(state, axis=1, keepdims=True)
    state = state.astype(np.float32) if single else state
    rng = splitmix(seed, replicas)
    gap = spacing(part, 40.0 if single else 300.0)
    if part.matrices is not None:
        run = functools.partial(kernels.products, part.matrices, part.cumulative, state, rng)
    else:
        assert part.slot is not None
        order = np.tile(np.arange(len(part.slot)), (1 if part.replacement else replicas, 1))
        run = functools.partial(kernels.sgd, part.rows, part.slot, part.cumulative, part.uniform, part.batch, part.replacement, order, state, rng)

    def move(steps: int, growth: Floats) -> None:
        run(steps, gap, growth)

    return move


def spacing(part: Part, reach: float) -> int:
    """Steps between two norms so that a vector of norm 1 stays within e^(+-reach); by round-off alone a step leaves at least e^-37 of it."""
    return max(1, min(64, int(reach / max(part.high, min(37.0, -part.low), 1e-9))))

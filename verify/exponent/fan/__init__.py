"""Rigorous bounds for the exponent of a family in three and more dimensions: the residual sandwich with conewise linear forms (S1, S2, S4 of
`theorems/THEORY.md`).

The search is in floating point and is never trusted: what it returns are proofs in the certificate format, for the independent checker to accept or reject.
Memory: at most 0.5 GB, about 160 MB for the pieces of one level.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ...family import MatrixFamily

__all__ = ["FanBound", "FanResult", "fan_sandwich"]


@dataclass(frozen=True)
class FanBound:
    """lambda <= value, or lambda >= value (nats per step), with a proof of kind `linear-cones` for the checker."""

    value: Fraction
    proof: dict[str, Any]


@dataclass(frozen=True)
class FanResult:
    """Both sides (None where there is none), the float value of lambda, and `reason`: empty, or why the goal was not reached."""

    lower: FanBound | None
    upper: FanBound | None
    estimate: float
    reason: str
    cones: int
    pieces: int


def fan_sandwich(
    family: MatrixFamily,
    *,
    width: Fraction | None = None,
    time_limit: float = 20.0,
    sides: tuple[str, ...] = ("lower", "upper"),
    progress: Callable[[str], None] | None = None,
) -> FanResult:
    """Bounds y with lambda <= y or lambda >= y for a family of d x d matrices, each with an exact proof (S4).

    With `width` the two bounds are brought that close together; without, the search ends as soon as one of the `sides` decides the sign. `time_limit` in
    seconds. A search that ends early says why in `reason`, and returns what it has. Nothing here is trusted: pass the proofs to the checker. Deterministic.
    """
    import numpy as np

    if family.dimension < 2 or not family.matrices:
        return FanResult(None, None, math.nan, "needs matrices of dimension at least 2 and a step other than the identity", 0, 0)
    from ._search import Search

    _compiled()
    with np.errstate(all="ignore"):
        try:
            search = Search(family, None if width is None else float(width), sides, time.monotonic() + time_limit, progress)
            search.run()
        except (ArithmeticError, np.linalg.LinAlgError) as error:
            return FanResult(None, None, math.nan, str(error), 0, 0)
        found = {side: FanBound(*search.proved(side)) for side in search.best}
    last = next(iter(search.best.values()), None)
    sizes = (len(last.pieces.cells), len(last.pieces.low)) if last else (0, 0)
    return FanResult(found.get("lower"), found.get("upper"), last.growth if last else math.nan, search.reason, *sizes)


@functools.cache
def _compiled() -> None:
    """Compile the inner loops, or load them from the cache, before any clock runs."""
    from ._search import Search

    tiny = MatrixFamily.from_matrices([[["1/2", 0], [0, "1/3"]], [["1/3", "1/9"], [0, "1/2"]]], [1, 1])
    for sides in (("lower",), ("upper",)):
        Search(tiny, None, sides, 0.0, None).run()

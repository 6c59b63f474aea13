"""Rigorous bounds for the exponent of a planar family: the residual sandwich with conewise forms (S1, S2, S4, S5 of `theorems/THEORY.md`).

The search is in floating point and is never trusted: what it returns are proofs in the certificate format, for the independent checker to accept or reject.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from ...family import MatrixFamily
from ...result import as_float

__all__ = ["PlanarBound", "PlanarResult", "planar_sandwich", "small_sign_certificate"]


@dataclass(frozen=True)
class PlanarBound:
    """lambda <= value, or lambda >= value (nats per step), with a proof of kind `planar-forms` or `linear-cones` for the checker."""

    value: Fraction
    proof: dict[str, Any]


@dataclass(frozen=True)
class PlanarResult:
    """Both sides (None where there is none), the float value of lambda, and `reason`: empty, or why a side or the width was not reached."""

    lower: PlanarBound | None
    upper: PlanarBound | None
    estimate: float
    reason: str
    cones: int
    pieces: int


def planar_sandwich(
    family: MatrixFamily,
    *,
    width: Fraction | None = None,
    time_limit: float = 20.0,
    sides: tuple[str, ...] = ("lower", "upper"),
    progress: Callable[[str], None] | None = None,
    linear: bool = False,
) -> PlanarResult:
    """Bounds y with lambda <= y or lambda >= y for a family of 2 x 2 matrices, each with an exact proof (S5, or S4 for weights with a large denominator).

    With `width` the two bounds are brought that close together; without, the goal is the sign of lambda. `time_limit` is in seconds; a search that ends
    early says why in `reason` and returns what it proved. `linear` asks for conewise linear certificates (S4) throughout.
    Nothing here is trusted: pass the proofs to the checker. Deterministic; no global state.
    """
    import numpy as np

    from ._search import NUMERICAL, Outcome, Search

    outcome = Outcome()
    if family.dimension != 2 or not family.matrices:
        return PlanarResult(None, None, math.nan, "the planar search needs 2 x 2 matrices and a step other than the identity", 0, 0)
    search = Search(family, None if width is None else min(as_float(width), 1e300), sides, time.monotonic() + time_limit, progress, outcome, linear)
    reason = ""
    with np.errstate(all="ignore"):
        try:
            search.run()
        except NUMERICAL as error:
            reason = str(error) or type(error).__name__
    if not reason and not search.reached():
        reason = outcome.reason or ("the width was not reached" if width is not None else "the sign was not decided")
    bounds = [PlanarBound(side.value, side.proof) if side else None for side in (outcome.lower, outcome.upper)]
    return PlanarResult(bounds[0], bounds[1], outcome.estimate, reason, outcome.cones, outcome.pieces)


def small_sign_certificate(
    family: MatrixFamily, *, max_cones: int = 3, max_digits: int = 3, time_limit: float = 30.0
) -> tuple[Literal["<", ">"], dict[str, Any]] | None:
    """A proof of lambda < 0 ("<") or lambda > 0 (">") for readers: `planar-forms` with rho = 1 and strict signs, at most `max_cones` cones, every integer of
    at most `max_digits` digits. None where the search finds none in time. E6' of `theorems/THEORY.md` is the example: one cone, h = 7 s + 8 t.
    """
    import numpy as np

    from ._search import NUMERICAL
    from ._small import search_small

    if family.dimension != 2 or not family.matrices:
        return None
    with np.errstate(all="ignore"):
        try:
            return search_small(family, max_cones, max_digits, time_limit)
        except NUMERICAL:
            return None

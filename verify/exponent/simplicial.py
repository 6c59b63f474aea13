"""The residual sandwich with conewise linear forms (S4) as a method of the engine: three and more dimensions, any batch scheme."""

from __future__ import annotations

import math

from ..exact import InputError
from .question import Bound, Finding, Question

MAX_STEPS = 64
MAX_DIMENSION = 6
LOOK_SECONDS = 0.5


def simplicial(question: Question) -> Finding:
    """Bounds on lambda in three (and, for families with few directions, up to six) dimensions, searched in floating point and proved by simplicial cones.

    For the sign alone a short simulation says which side is worth the effort. Pieces for d = 3: thousands where |lambda| >= 1e-2; d = 4 needs
    about a thousand times as many, unless the steps contract towards few directions.
    """
    if not 3 <= question.dimension <= MAX_DIMENSION:
        return Finding(f"the steps act on {question.dimension} dimensions, not 3 to {MAX_DIMENSION}")
    if question.why_no_family:
        return Finding(question.why_no_family)
    family = question.family
    if not family.matrices or len(family.matrices) > MAX_STEPS:
        return Finding(f"{len(family.matrices)} different steps: the search needs 1 to {MAX_STEPS}")
    from .fan import fan_sandwich

    sides = ("lower", "upper") if question.width is not None else _likely_sides(question)
    seconds = max(0.1, question.seconds_left)
    result = fan_sandwich(family, width=question.width, time_limit=seconds, sides=sides, progress=question.progress)
    lower, upper = (Bound(side.value, side.proof) if side else None for side in (result.lower, result.upper))
    found = Finding(result.reason, lower, upper)
    # A large proof that does not decide would only cost time.
    return found if question.width is not None or found.decides_sign else Finding(result.reason or "the sign was not decided")


def _likely_sides(question: Question) -> tuple[str, ...]:
    """The side whose proof would decide the sign, as a short simulation has it; both where it cannot tell."""
    from .montecarlo import family_growth

    try:
        growth = family_growth(*question.family.as_floats(), time_limit=min(LOOK_SECONDS, max(0.05, question.seconds_left / 10)), seed=question.seed)
    except InputError:  # entries beyond floating point
        return ("lower", "upper")
    if growth.value == -math.inf:
        return ("upper",)
    return {1: ("lower",), -1: ("upper",)}.get(growth.sign, ("lower", "upper"))

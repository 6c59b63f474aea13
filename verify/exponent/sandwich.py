"""The planar sandwich (S4, S5) as a method of the engine: d = 2, any batch scheme."""

from __future__ import annotations

from dataclasses import replace

from .question import Bound, Finding, Question

MAX_STEPS = 64


def planar(question: Question) -> Finding:
    """Two-sided bounds on lambda in two dimensions, searched in floating point and proved by cones with integer forms."""
    if question.dimension != 2:
        return Finding(f"the steps act on {question.dimension} dimensions, not 2")
    if question.why_no_family:
        return Finding(question.why_no_family)
    if len(question.family.matrices) > MAX_STEPS:
        return Finding(f"{len(question.family.matrices)} different steps are too many for the search")
    from .planar import planar_sandwich

    result = planar_sandwich(question.family, width=question.width, time_limit=max(0.1, question.seconds_left), progress=question.progress)
    lower, upper = (Bound(side.value, side.proof) if side else None for side in (result.lower, result.upper))
    finding = Finding(result.reason, lower, upper)
    if question.width is not None and not finding.decides_sign and question.seconds_left > 0 and not result.reason:
        return planar(replace(question, width=None))  # zero lies inside an enclosure of that width: the sign needs a finer one
    return finding

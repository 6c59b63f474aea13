"""The exponents along step sizes: one `Point` for each, and the CSV table of `sgd-verify sweep`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from ..exact import InputError, positive
from ..problem import Problem
from ..result import Estimate, Exponent, as_float, outward_float
from .point import Point, evaluate

MAX_POINTS = 100_000
COLUMNS = (
    "step_size",
    *(f"{name}_{part}" for name in ("mu", "lambda", "ms") for part in ("kind", "sign", "lo", "hi")),
    *("number_kind", "number_lo", "number_hi"),
    "step_size_decimal",
    *(f"{name}_{end}_decimal" for name in ("mu", "lambda", "ms", "number") for end in ("lo", "hi")),
)


def step_sizes(start: Any, stop: Any, count: int) -> tuple[Fraction, ...]:
    """`count` equally spaced exact step sizes from `start` to `stop`, both included."""
    first, last = positive(start, "from"), positive(stop, "to")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_POINTS:
        raise InputError(f"steps = {count!r} is not an integer from 1 to {MAX_POINTS}")
    if first > last:
        raise InputError(f"from = {first} is above to = {last}; exchange them")
    if count == 1 and first != last:
        raise InputError("steps = 1 needs equal ends; write steps = 2 or more")
    return tuple(first + (last - first) * Fraction(k, max(1, count - 1)) for k in range(count))


def sweep(problem: Problem, etas: Sequence[Fraction], progress: Callable[[str], None] | None = None, **options: Any) -> Iterator[Point]:
    """The points of a problem at the step sizes; options as for `evaluate`. Raises `InputError` for bare matrices, which have no step size."""
    problems = [problem.at(eta) for eta in etas]
    for k, one in enumerate(problems):
        if progress:
            progress(f"step size {k + 1} of {len(problems)}")
        yield evaluate(one, **options)


def table(points: Sequence[Point]) -> str:
    """The CSV text, one row per step size.

    For mu, lambda and ms: kind, sign, lo, hi (exact; blank where infinite or not known). `lambda_` is what is proved, or an estimate; `number_` is a two-sided
    value where the proof leaves one side open, else the same again. `..._decimal` are doubles rounded outwards.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in points:
        writer.writerow(row(point))
    return text.getvalue()


def row(point: Point) -> list[Any]:
    """The cells of a point in the order of `COLUMNS`."""
    assert point.step_size is not None
    named = (point.mu, point.lambda_, point.mean_square)
    cells: list[Any] = [point.step_size]
    for exponent in named:
        cells += [exponent.kind, exponent.sign.value, *exponent.ends] if exponent is not None else [None] * 4
    cells += [point.number.kind, *point.number.ends] if point.number is not None else [None] * 3
    cells.append(as_float(point.step_size))
    for exponent in (*named, point.number):
        cells += _decimals(exponent)
    return ["" if cell is None else cell for cell in cells]


def _decimals(exponent: Exponent | None) -> list[float | None]:
    if exponent is None:
        return [None, None]
    if isinstance(exponent, Estimate) and exponent.ends == (None, None):
        return [None, None]
    lo, hi = exponent.ends
    return [outward_float(lo, False), outward_float(hi, True)]

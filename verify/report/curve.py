"""The exponents as a function of the step size, prepared for drawing: marks, thresholds, ranges. `plot` and `terminal_plot` draw it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from ..result import Estimate, Exponent, Sign, as_float
from .point import Point
from .sweep import sweep

if TYPE_CHECKING:
    from .analysis import Analysis

POINTS = 24
VALUE_WIDTH = Fraction(1, 200)
SECONDS = 2.0
ESTIMATE_SECONDS = 0.3
SPECTRUM_LIMIT = 16

Proof = Literal["enclosure", "sign", "none"]


@dataclass(frozen=True)
class Mark:
    """One exponent at one step size in floating point: value between lo and hi; what is proved (the enclosure, the sign only, nothing); the proved sign."""

    eta: float
    value: float
    lo: float
    hi: float
    proof: Proof
    sign: Sign


@dataclass(frozen=True)
class Line:
    """A step size between lo and hi at which something changes; `certified` tells a proved bracket from an estimate."""

    lo: float
    hi: float
    name: str
    certified: bool

    @property
    def eta(self) -> float:
        """The middle of the bracket, where it is drawn."""
        return (self.lo + self.hi) / 2

    @property
    def label(self) -> str:
        """Name and place: a number where the bracket is narrow, both ends where it is not."""
        place = f"{self.eta:.6g}" if self.hi - self.lo <= 2e-3 * self.eta else f"{self.lo:.4g} to {self.hi:.4g}"
        return f"{self.name}: {place}{'' if self.certified else ' (estimate)'}"


@dataclass(frozen=True)
class Curve:
    """Everything that a picture shows."""

    title: str
    lambdas: tuple[Mark, ...]
    mus: tuple[Mark, ...]
    lines: tuple[Line, ...]
    step_size: float
    end: float

    @property
    def vertical_range(self) -> tuple[float, float]:
        """A range that shows the sign changes: deep dips, where a step nearly annihilates a direction, are cut off."""
        values = [mark.value for mark in (*self.lambdas, *self.mus) if math.isfinite(mark.value)] or [-1.0, 1.0]
        top = max(0.0, *values)
        middle = sorted(abs(value) for value in values)[len(values) // 2]
        bottom = max(min(0.0, *values), -2.5 * max(top, middle, 1e-12))
        margin = 0.08 * max(top - bottom, 1e-12)
        return bottom - margin, top + margin


def curve(analysis: Analysis, progress: Callable[[str], None] | None = None, points: int = POINTS) -> Curve:
    """Evaluate the exponents from near zero to beyond every threshold. The problem's own point is taken from the analysis."""
    problem, own = analysis.problem, analysis.point.step_size
    assert own is not None
    lines = threshold_lines(analysis)
    last = max([line.eta for line in lines], default=2 * as_float(own))
    # The problem's own step size is shown too, unless it is so large that the thresholds would be squeezed together.
    last = max(last, as_float(own)) if as_float(own) < 4 * last else last
    end = _short(1.2 * last)
    etas = sorted({_short(end * (k + 1) / points) for k in range(points)} - {as_float(own)})
    exact = [Fraction(repr(eta)) for eta in etas]
    found = list(
        sweep(
            problem,
            exact,
            progress,
            value_width=VALUE_WIDTH,
            time_limit=SECONDS,
            estimate_seconds=ESTIMATE_SECONDS,
            spectrum_limit=SPECTRUM_LIMIT,
            second_moment=False,
        )
    )
    found += [analysis.point] if as_float(own) <= end else []
    found.sort(key=lambda point: point.step_size or 0)
    lambdas = tuple(mark for mark in (_mark(point, point.number, point.lambda_.sign) for point in found) if mark is not None)
    mus = tuple(mark for mark in (_mark(point, point.mu, point.mu.sign) for point in found if point.mu) if mark is not None)
    return Curve(_title(analysis), lambdas, mus, lines, as_float(own), end)


def threshold_lines(analysis: Analysis) -> tuple[Line, ...]:
    """The thresholds in the order of the step sizes."""
    found, lines = analysis.thresholds, list[Line]()
    if found.bracket is not None:
        lines.append(_line((found.bracket.lower, found.bracket.lower), "2/max K_ii", True))
        lines.append(_line(found.bracket.upper, "eta_det", True))
    if found.mean_square is not None:
        lines.append(_line((found.mean_square.lo, found.mean_square.hi), "eta_ms, mean square", found.mean_square.certified))
    if found.sgd is not None:
        lines.append(_line((found.sgd.lo, found.sgd.hi), "SGD, lambda = 0", found.sgd.certified))
    if found.gd is not None:
        lines.append(_line(found.gd, "GD, 2N/kappa_max", True))
    finite = [line for line in lines if math.isfinite(line.eta) and line.eta > 0]
    return tuple(sorted(finite, key=lambda line: line.eta))


def _line(ends: tuple[Fraction, Fraction], name: str, certified: bool) -> Line:
    return Line(as_float(ends[0]), as_float(ends[1]), name, certified)


def _mark(point: Point, number: Exponent | None, sign: Sign) -> Mark | None:
    if number is None or point.step_size is None:
        return None
    lo, hi = number.ends
    if lo is None or hi is None:
        return None
    low, high = as_float(lo), as_float(hi)
    proof: Proof = "enclosure" if not isinstance(number, Estimate) else "none" if sign is Sign.UNDECIDED else "sign"
    value = (low + high) / 2
    return Mark(as_float(point.step_size), value, low, high, proof, sign) if math.isfinite(value) else None


def _short(number: float) -> float:
    """Three significant digits, so that step sizes are exact short decimals."""
    return float(f"{number:.3g}")


def _title(analysis: Analysis) -> str:
    from .text import headline

    return headline(analysis.problem).replace(f", step size {analysis.point.step_size}", "")

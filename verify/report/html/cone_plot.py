"""The projective picture of a certificate: the plane with cones, the curve h = 1 and the images of the cones; and the residual against the direction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...result import decimal
from ..plot import BLUE, GREY, VERMILION
from ..simulation_plot import GREEN
from .cones import Drawing, Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEP_COLOURS = (VERMILION, GREEN, "#AA4499", "#117733", "#882255", "#44AA99")
MAX_RINGS, MAX_GRADIENTS, MANY = 6, 6, 12
INNER, RING = 1.12, 0.085  # radius of the first ring of images, and the distance between rings


def plane(drawing: Drawing) -> Figure:
    """All directions as rays from the origin: cones shaded up to the curve h = constant, opposite rays alike; outside, a ring for each step with the images."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    steps = min(len(drawing.arcs[0].images), MAX_RINGS)
    drawn, axes = _empty((5.2, 5.2), (0.01, 0.06, 0.98, 0.93))
    axes.set_axis_off()
    axes.set_aspect("equal")
    reach = INNER + RING * steps
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    for i, g in list(zip(drawing.samples, drawing.gradients, strict=True))[:MAX_GRADIENTS]:
        _named(axes, g / (np.linalg.norm(g) or 1.0), f"$g_{{{i + 1}}}$")
    if not drawing.samples:
        _named(axes, np.array([1.0, 0.0]), "first coordinate")
        _named(axes, np.array([0.0, 1.0]), "second")
    least = min(float(arc.log_h.min()) for arc in drawing.arcs)
    curves = [(arc.cone, side * arc.v * np.exp(least - arc.log_h)[:, None]) for side in (1, -1) for arc in drawing.arcs]
    for odd in (0, 1):
        fans = [np.vstack([[0.0, 0.0], curve, [0.0, 0.0]]) for cone, curve in curves if cone % 2 == odd]
        if fans:
            axes.add_patch(PathPatch(Path.make_compound_path(*map(Path, fans)), facecolor=BLUE, alpha=0.18 + 0.12 * odd, linewidth=0, zorder=2))
    axes.plot(*_joined(curve for _, curve in curves).T, color=BLUE, linewidth=1.8, zorder=4)
    edges = (np.array([-1.06 * e, 1.06 * e]) for e in drawing.cones.reshape(-1, 2))
    axes.plot(*_joined(edges).T, color=BLUE, linewidth=0.7 if len(drawing.cones) <= MANY else 0.25, zorder=3)
    for s in range(steps):
        spans = [_span(arc.images[s]) for arc in drawing.arcs]
        bows = (_bow(INNER + RING * s, low + turn, high + turn) for turn in (0.0, math.pi) for low, high in spans)
        label = f"images under $A_{{{s + 1}}}$"
        axes.plot(*_joined(bows).T, color=STEP_COLOURS[s], linewidth=4, solid_capstyle="butt", zorder=5, label=label)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, -0.055), ncol=min(3, steps), frameon=False, borderaxespad=0.1, handlelength=1.2, columnspacing=1.2)
    return drawn


def residuals(found: Sequence[Drawing]) -> Figure:
    """r against the direction, 0 to 180 degrees, with the bounds that it does not cross."""
    drawn, axes = _empty((5.2, 5.2), (0.2, 0.11, 0.77, 0.66))
    curves = []
    for drawing in found:
        colour, word = (BLUE, "upper") if drawing.upper else (GREEN, "lower")
        curve = _joined(part for arc in drawing.arcs for part in _unrolled(arc.v, arc.residual))
        curves.append(curve[np.isfinite(curve[:, 1]), 1])
        axes.plot(*curve.T, color=colour, linewidth=1.7, zorder=4, label=f"residual of the {word} bound")
        sign = drawing.relation.replace("<=", "\N{LESS-THAN OR EQUAL TO}").replace(">=", "\N{GREATER-THAN OR EQUAL TO}")
        text = f"\N{GREEK SMALL LETTER LAMDA} {sign} {decimal(drawing.value, drawing.upper, 6)}".replace("-", "\N{MINUS SIGN}")
        axes.axhline(float(drawing.value), color=colour, linestyle="--", linewidth=1.2, zorder=3, label=text)
    values = np.concatenate(curves)
    bounds = [float(drawing.value) for drawing in found]
    low, high = min(float(np.quantile(values, 0.02)), *bounds), max(float(np.quantile(values, 0.98)), *bounds)  # spikes are cut off
    if max(abs(low), abs(high)) < 4 * (high - low):
        low, high = min(low, 0.0), max(high, 0.0)
    room = 0.06 * max(high - low, 1e-9)
    axes.set_ylim(low - room, high + room)
    axes.axhline(0, color="black", linewidth=0.8, zorder=2)
    axes.ticklabel_format(useOffset=False)
    axes.set_xlim(0, 180)
    axes.set_xticks(range(0, 181, 30))
    origin = f"$g_{{{found[0].samples[0] + 1}}}$" if found[0].samples else "the first axis"
    axes.set_xlabel(f"direction of v, degrees from {origin}")
    axes.set_title("residual r(v), nats per step", loc="left", fontsize=10)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.06), frameon=False, fontsize=9, borderaxespad=0)
    return drawn


def _empty(size: tuple[float, float], place: tuple[float, float, float, float]) -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=size)
    FigureCanvasAgg(drawn)
    return drawn, drawn.add_axes(place)


def _named(axes: Any, v: Floats, name: str) -> None:
    """A direction with its name: dashes from the origin to the rings."""
    axes.plot([0, 1.06 * v[0]], [0, 1.06 * v[1]], color=GREY, linewidth=1.0, linestyle="--", zorder=4.5)
    box = {"boxstyle": "square,pad=0.08", "facecolor": "white", "edgecolor": "none"}
    axes.text(0.93 * v[0], 0.93 * v[1], name, color=GREY, ha="center", va="center", fontsize=11, bbox=box, zorder=6)


def _span(ends: Floats) -> tuple[float, float]:
    """First and last angle of the image of a piece: ends up to a common sign, less than half a turn apart; a point where the step has rank one."""
    first = math.atan2(ends[0][1], ends[0][0])
    turn = math.atan2(ends[0][0] * ends[1][1] - ends[0][1] * ends[1][0], ends[0] @ ends[1])
    return (first, first + turn) if turn >= 0 else (first + turn, first)


def _bow(radius: float, low: float, high: float) -> Floats:
    """An arc of a circle; long enough to be seen where the image is a point."""
    angles = np.linspace(low, high, max(2, int((high - low) / 0.03))) if high - low > 0.015 else np.array([low - 0.008, high + 0.008])
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _unrolled(v: Floats, y: Floats) -> Iterator[Floats]:
    """(angle in [0, 180), value), cut where the angle wraps around."""
    x = np.degrees(np.unwrap(2 * np.arctan2(v[:, 1], v[:, 0])) / 2)
    turns = np.floor(x / 180 + 1e-12)
    for turn in np.unique(turns):
        yield np.stack([x - 180 * turn, y], axis=1)[turns == turn]


def _joined(curves: Iterable[Floats]) -> Floats:
    """Curves (n, 2) as one, with gaps: one path in the SVG in place of thousands."""
    gap = np.full((1, 2), np.nan)
    return np.concatenate([part for curve in curves for part in (curve, gap)])

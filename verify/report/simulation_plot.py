"""The figure of `simulate --figure`: log |r_n| of real runs with the line of slope lambda, certified or estimated, and the floor of double precision."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..certificate.format import write_text
from ..result import Enclosure, Exponent, as_float
from ..simulate.simulation import Simulation, replica_courses
from .plot import BLUE, GREY, STYLE, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPLICAS = 12
GREEN = "#009E73"


@dataclass(frozen=True)
class Slope:
    """The slope that is drawn: lambda between lo and hi, proved or not, and what the legend says."""

    lo: float
    hi: float
    certified: bool
    label: str


def slope(simulation: Simulation, exponent: Exponent | None) -> Slope | None:
    """A certified enclosure where it is at most a fifth of the estimate wide, else the estimate of the runs; None where there is no finite number."""
    if isinstance(exponent, Enclosure) and exponent.certificate is not None and exponent.lo is not None and exponent.hi is not None:
        lo, hi = as_float(exponent.lo), as_float(exponent.hi)
        if math.isfinite(hi - lo) and hi - lo <= 0.2 * max(abs(lo), abs(hi)):
            return Slope(lo, hi, True, f"slope lambda, certified:\n[{lo:.6g}, {hi:.6g}]")
    if math.isfinite(simulation.rate) and math.isfinite(simulation.rate_half_width):
        lo, hi = simulation.rate - simulation.rate_half_width, simulation.rate + simulation.rate_half_width
        value = f"{simulation.rate:.6g} \N{PLUS-MINUS SIGN} {simulation.rate_half_width:.1g}"
        return Slope(lo, hi, False, f"slope lambda, estimated ({100 * simulation.confidence:g} %):\n{value}")
    return None


def write_figure(simulation: Simulation, exponent: Exponent | None, path: str | Path) -> None:
    """Write the SVG file, whole or not at all."""
    write_text(path, rendered(simulation, exponent, "svg").decode())


def rendered(simulation: Simulation, exponent: Exponent | None, kind: str) -> bytes:
    """The figure as bytes of the given kind, "svg" or "png"; a function of its arguments."""
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        stream = io.BytesIO()
        metadata = {"Date": None, "Creator": "sgd-verify"} if kind == "svg" else {"Software": "sgd-verify"}
        figure(simulation, exponent).savefig(stream, format=kind, metadata=metadata)
    return stream.getvalue()


def figure(simulation: Simulation, exponent: Exponent | None) -> Figure:
    """The figure as a matplotlib object."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    seen = simulation.course
    points = seen.points
    drawn = Figure(figsize=(10.0, 6.0))
    FigureCanvasAgg(drawn)
    axes: Any = drawn.add_axes((0.09, 0.10, 0.62, 0.76))
    title = f"{simulation.problem.name}: {simulation.verdict}"
    drawn.text(0.09, 0.955, title, ha="left", va="center", fontsize=11, fontweight="bold", parse_math=False)
    drawn.text(0.09, 0.905, _subtitle(simulation), ha="left", va="center", fontsize=9, color=GREY)
    origin = float(points[0, 1]) if len(points) else 0.0
    marks, logs = replica_courses(simulation, REPLICAS, seen.steps)
    for k, row in enumerate(logs):
        alive = row > -math.inf
        label = f"{len(logs)} independent replicas\n(norms taken out)" if k == 0 else None
        axes.plot([0, *marks[alive]], [origin, *(origin + row[alive])], color=GREY, linewidth=0.6, alpha=0.45, zorder=1, label=label)
    line = slope(simulation, exponent)
    if line is not None:
        colour, style = (GREEN, "-") if line.certified else (GREEN, "--")
        n = seen.steps
        axes.fill_between([0, n], [origin, origin + line.lo * n], [origin, origin + line.hi * n], color=GREEN, alpha=0.25, linewidth=0, zorder=2)
        axes.plot([0, n], [origin, origin + (line.lo + line.hi) / 2 * n], color=colour, linestyle=style, linewidth=1.6, zorder=3, label=line.label)
    name = {"exact": "exact rational", "arb": f"{seen.digits} digits", "float": "double precision"}[seen.arithmetic]
    axes.plot(points[:, 0], points[:, 1], color=BLUE, linewidth=1.6, zorder=5, label=f"one run, {name}")
    if seen.arithmetic != "float":
        shown = [max(v, seen.floor.value) for v in seen.plain[:, 1]]
        label = "the same run,\ndouble precision"
        axes.plot(seen.plain[:, 0], shown, color=VERMILION, linewidth=1.1, linestyle=(0, (4, 2)), zorder=6, label=label)
    bottom, top = axes.get_ylim()
    if bottom < seen.floor.value:
        label = f"floor of double precision:\n{seen.floor.value:.4g}{', hit' if seen.floor.hit else ''}"
        axes.axhline(seen.floor.value, color=VERMILION, linewidth=0.9, linestyle=":", zorder=4, label=label)
    axes.set_xlim(0, seen.steps)
    axes.set_ylim(bottom, top)
    axes.set_xlabel("step n")
    axes.set_ylabel("log |r_n| (nats)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=9, borderaxespad=0, labelspacing=0.9)
    return drawn


def _subtitle(simulation: Simulation) -> str:
    error = simulation.error_probability
    wrong = "nothing is claimed" if error is None else "seen in exact arithmetic" if error == 0 else f"wrong with probability at most {error:g}"
    return f"{simulation.course.coordinates}; {wrong}; seed {simulation.seed}"

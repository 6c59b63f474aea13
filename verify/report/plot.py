"""The figure of `analyse --figure`: lambda and mu against the step size, thresholds marked, proofs told from estimates. No display and no global state.

The SVG is a function of the curve: no dates, and identifiers from a fixed salt.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..certificate.format import write_text
from ..exact import InputError
from ..result import Sign
from .curve import Curve, Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which stays distinct for colour-blind readers; shapes and fills differ as well.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#555555"
DASHES = ("-", "--", "-.", ":", (0, (6, 2, 1, 2, 1, 2)))
STYLE = {
    "svg.hashsalt": "sgd-verify",
    "svg.fonttype": "path",
    "font.size": 10.0,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 100.0,
    "savefig.dpi": 100.0,
}
LABELS = {
    "enclosure": "lambda: proved enclosure",
    "sign": "lambda: estimate (99 %),\nits sign is proved",
    "none": "lambda: estimate (99 %)",
}
FILL = {"enclosure": "full", "sign": "bottom", "none": "none"}


def check_format(path: Path) -> None:
    """Raise `InputError` unless the file name says that it is an SVG."""
    if path.suffix.lower() != ".svg":
        raise InputError(f"--figure {path.name} does not end in .svg; figures are written as SVG")


def write_figure(curve: Curve, path: str | Path) -> None:
    """Write the SVG file, whole or not at all."""
    write_text(path, svg(curve))


def svg(curve: Curve) -> str:
    """The figure as SVG text."""
    return rendered(curve, "svg").decode()


def rendered(curve: Curve, kind: str) -> bytes:
    """The figure as bytes of the given kind, "svg" or "png"."""
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        stream = io.BytesIO()
        metadata = {"Date": None, "Creator": "sgd-verify"} if kind == "svg" else {"Software": "sgd-verify"}
        figure(curve).savefig(stream, format=kind, metadata=metadata)
    return stream.getvalue()


def figure(curve: Curve) -> Figure:
    """The figure as a matplotlib object: a strip with the names of the thresholds above the axes with the curves."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(10.0, 6.0))
    FigureCanvasAgg(drawn)
    lines = len(curve.lines) + 1
    strip_height = 0.042 * lines
    axes: Axes = drawn.add_axes((0.09, 0.10, 0.62, 0.80 - strip_height))
    strip: Axes = drawn.add_axes((0.09, 0.905 - strip_height, 0.62, strip_height), sharex=axes)
    drawn.text(0.09, 0.955, curve.title, ha="left", va="center", fontsize=11, fontweight="bold", parse_math=False)
    _curves(axes, curve)
    _names(strip, axes, curve)
    bottom, top = curve.vertical_range
    axes.set_xlim(0, 1.02 * curve.end)
    axes.set_ylim(bottom, top + 0.06 * (top - bottom))
    _signs(axes, curve)
    axes.set_xlabel("step size eta")
    axes.set_ylabel("exponent (nats per step)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 0.75), frameon=False, fontsize=9, borderaxespad=0)
    return drawn


def _curves(axes: Axes, curve: Curve) -> None:
    axes.axhline(0, color="black", linewidth=0.8, zorder=1)
    proved = all(mark.proof == "enclosure" for mark in curve.mus)
    _marks(axes, curve.mus, "s", VERMILION, 4.0, "full" if proved else "none", "mu: proved enclosure" if proved else "mu: estimate", zorder=3)
    axes.plot([m.eta for m in curve.lambdas], [m.value for m in curve.lambdas], color=BLUE, linewidth=0.8, alpha=0.5, zorder=2)
    axes.plot([m.eta for m in curve.mus], [m.value for m in curve.mus], color=VERMILION, linewidth=0.8, alpha=0.5, zorder=2)
    for proof, label in LABELS.items():
        chosen = tuple(mark for mark in curve.lambdas if mark.proof == proof)
        _marks(axes, chosen, "o", BLUE, 6.0, FILL[proof], label, zorder=4)


def _marks(axes: Axes, marks: tuple[Mark, ...], shape: str, colour: str, size: float, fill: Any, label: str, zorder: float) -> None:
    if not marks:
        return
    x, y = [m.eta for m in marks], [m.value for m in marks]
    errors = [[m.value - m.lo for m in marks], [m.hi - m.value for m in marks]]
    style: dict[str, Any] = {"marker": shape, "markersize": size, "fillstyle": fill, "markerfacecolor": colour, "markerfacecoloralt": "white"}
    if fill == "none":
        style = {"marker": shape, "markersize": size, "markerfacecolor": "white"}
    axes.errorbar(x, y, yerr=errors, linestyle="none", color=colour, ecolor=colour, elinewidth=1.0, capsize=2.5, label=label, zorder=zorder, **style)


def _signs(axes: Axes, curve: Curve) -> None:
    """A row below the upper edge: the proved sign of lambda at each step size."""
    place = axes.get_xaxis_transform()
    glyphs = {Sign.NEGATIVE: "\N{MINUS SIGN}", Sign.ZERO: "0", Sign.POSITIVE: "+", Sign.UNDECIDED: "?"}
    box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
    for mark in curve.lambdas:
        colour = GREY if mark.sign is Sign.UNDECIDED else BLUE
        axes.text(mark.eta, 0.97, glyphs[mark.sign], transform=place, ha="center", va="center", fontsize=8, color=colour, fontweight="bold", bbox=box, zorder=5)
    axes.text(1.02, 0.97, "proved sign of lambda (? none)", transform=axes.transAxes, ha="left", va="center", fontsize=9)


def _names(strip: Axes, axes: Axes, curve: Curve) -> None:
    """Each threshold has a row of the strip of its own, the leftmost the highest, and its name to the right: no line crosses a name."""
    strip.set_axis_off()
    own = [(curve.step_size, f"this problem: {curve.step_size:.6g}", True)] if curve.step_size <= curve.end else []
    named = sorted([(line.eta, line.label, False) for line in curve.lines] + own)
    count = len(curve.lines) + 1
    strip.set_ylim(0, count)
    for line in curve.lines:
        if line.hi - line.lo > 2e-3 * line.eta:  # a bracket that is wide enough to be seen
            axes.axvspan(line.lo, line.hi, color=GREY, alpha=0.15, linewidth=0, zorder=0.5)
    dashes = iter(DASHES * 2)
    for k, (eta, text, is_own) in enumerate(named):
        height = count - k - 0.5
        colour, style = ("black", "-") if is_own else (GREY, next(dashes))
        width = 1.8 if is_own else 1.0
        axes.axvline(eta, color=colour, linestyle=style, linewidth=width, zorder=1.5)
        strip.plot([eta, eta], [0, height], color=colour, linestyle=style, linewidth=width, clip_on=False)
        strip.text(eta + 0.008 * curve.end, height, text, ha="left", va="center", fontsize=9, color=colour, fontweight="bold" if is_own else "normal")

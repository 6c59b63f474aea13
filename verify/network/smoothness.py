"""What is known of H1 (w -> F(w, y_i) is C^2) for a model: its kinks, and how far they are from w*. Filled in by the adapters of JAX and PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .kernel import Hypothesis, Status
from .model import Floats

Bools = NDArray[np.bool_]
SCALES = (0.5, 1e-2, 1e-4, 1e-6, 1e-8)  # parts of the kink radius (or of |w|) at which arguments are looked at again
CAUSES = "look for stop_gradient (detach), a custom gradient, a kink or a jump"
SIDE = 1e-12  # a kink nearer to w* than this part of |w*| cannot be told from one at w*


@dataclass(frozen=True)
class Kinks:
    """An operation with a kink (or jump, or singularity) where an argument m(w, y_i) is 0, `count` arguments for each sample.

    `distance` is min |m| / |grad_w m| over arguments and samples, to first order the distance from w* to the kink; None where it was not computed. `units`:
    for ReLU-like operations the arguments, `dead` of them on the flat side for every sample; 0 elsewhere. `ties`: arguments with grad_w m = 0 that were not
    seen to change near w* (say, behind inactive units); they count as constant.
    """

    name: str
    count: int
    distance: float | None = None
    units: int = 0
    dead: int = 0
    ties: int = 0

    def measured(self, margins: Floats, norms: Floats, flat_below: bool | None) -> Kinks:
        """With the distance from m and |grad_w m|, both (N, count)."""
        return self.placed(margins, first_order(margins, norms), np.zeros(margins.shape, dtype=bool), flat_below)

    def placed(self, margins: Floats, distances: Floats, still: Bools, flat_below: bool | None) -> Kinks:
        """With what is known of the arguments: m, the distance of each (nan: unknown), and which are `ties`; all (N, count)."""
        smallest = float(distances.min(initial=math.inf))  # nan where one is
        distance = 0.0 if (distances == 0).any() else None if math.isnan(smallest) else smallest
        flat = margins <= 0 if flat_below else margins >= 0
        dead = int(flat.all(0).sum()) if flat_below is not None else 0
        units = margins.shape[1] if flat_below is not None else 0
        return replace(self, distance=distance, units=units, dead=dead, ties=int(still.sum()))

    def __str__(self) -> str:
        where = "distance not known" if self.distance is None else f"distance {self.distance:.3g}"
        dead = f", {self.dead} of {self.units} inactive for every sample" if self.dead else ""
        return f"{self.name} (x {self.count}{dead}; {where})"


@dataclass(frozen=True)
class Smoothness:
    """Kinks that the values of the model can meet, operations about which nothing is known, and the size |w*|.

    `mismatch`: why the gradients that were used are not those of F (empty: they agree). `basis` says how it was looked at; `given`: H1 is the caller's word.
    """

    basis: str
    kinks: tuple[Kinks, ...] = ()
    unknown: tuple[str, ...] = ()
    size: float = 0.0
    mismatch: str = ""
    given: bool = False

    @property
    def radius(self) -> float | None:
        """To first order every sample stays on one smooth piece within this distance of w* (infinite without kinks); None: not known."""
        if self.unknown or any(kink.distance is None for kink in self.kinks):
            return None
        return min((kink.distance for kink in self.kinks if kink.distance is not None), default=math.inf)

    @property
    def on_a_kink(self) -> bool:
        """Whether w* is on a kink, or too near to tell."""
        return any(kink.distance is not None and kink.distance <= SIDE * max(self.size, 1.0) for kink in self.kinks)

    @property
    def dead(self) -> tuple[Kinks, ...]:
        """Activations of which every unit is inactive for every sample: the layers before them have no gradient."""
        return tuple(kink for kink in self.kinks if kink.units and kink.dead == kink.units)

    def hypothesis(self) -> Hypothesis:
        """H1."""
        kinks = "; ".join(map(str, self.kinks[:4])) + ("; ..." if len(self.kinks) > 4 else "")
        if self.mismatch:
            return Hypothesis("H1", Status.FAILS, self.mismatch)
        if self.given:
            return Hypothesis("H1", Status.ASSUMED, "F is smooth by the caller's word" + (f", against what was seen: {kinks}" if kinks else ""))
        if self.unknown:
            return Hypothesis("H1", Status.UNDECIDED, f"smoothness is not known of {', '.join(self.unknown[:4])}")
        if not self.kinks:
            return Hypothesis("H1", Status.HOLDS, self.basis)
        if self.on_a_kink:
            return Hypothesis("H1", Status.UNDECIDED, f"w* is on a kink, or too near to tell: {kinks}")
        radius = self.radius
        if radius is None:
            return Hypothesis("H1", Status.FAILS, f"F has kinks, and how far they are is not known: {kinks}")
        ties = sum(kink.ties for kink in self.kinks)
        tied = f"; {ties} arguments that were not seen to change near w* are left out, which is not proved" if ties else ""
        return Hypothesis("H1", Status.KINKS, f"F has kinks; the nearest is {radius:.3g} from w*, to first order, an estimate: {kinks}{tied}")


def first_order(margins: Floats, norms: Floats) -> Floats:
    """|m| / |grad_w m|, the distance from m = 0 to first order: 0 where m is; nan (unknown) where m is not and the gradient is zero or not a number."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(margins == 0, 0.0, np.where(norms > 0, np.abs(margins) / norms, np.nan))


def around(
    margins: Callable[[Floats], Floats], w: Floats, here: Floats, distance: Floats, still: Bools, rng: np.random.Generator
) -> tuple[Floats, Bools]:
    """First-order distances of m = `here` corrected by m at points around w, at several scales below the smallest of them, and which arguments are constant.

    An argument with gradient zero (`still`) counts as constant, and its kink as out of reach, only if it was the same number at every point. Where m changes
    its sign, the distance is at most the last scale at which it did not.
    """
    nearest = float(np.nanmin(np.where(still, np.inf, distance), initial=np.inf))
    size = min(nearest, float(np.linalg.norm(w)) or 1.0)
    for scale, smaller in zip(SCALES, (*SCALES[1:], 0.0), strict=True):
        for v in rng.standard_normal((2, len(w))):
            for step in (v, -v):
                there = margins(w + scale * size / np.linalg.norm(v) * step)
                still = still & (there == here)
                crossed = (np.abs(here) > 0) & ~(there * np.sign(here) > 0)
                distance = np.where(crossed, np.minimum(distance, smaller * size), distance)
    distance = np.where(still, np.inf if size == nearest else SCALES[0] * size, distance)
    return np.where(np.isinf(here), np.inf, distance), still & np.isfinite(here)


class Differentiated(Protocol):
    """A model with the gradients that are to be checked."""

    def values(self, w: Floats) -> Floats: ...

    def pull(self, w: Floats, u: Floats) -> Floats: ...


def mismatch(model: Differentiated, w: Floats, radius: float, seed: int) -> str:
    """Whether <J^T u, v> is the derivative of <u, F> along v, for random u and v, by differences inside the kink radius: a central one, and whether the second
    difference is of second order, as an even kink's is not. Empty if so (or too coarse to tell), else why K is not the Gram matrix of F."""
    rng = np.random.default_rng([seed, 1])
    v = rng.standard_normal(len(w))
    step = min(1e-5 * max(float(np.linalg.norm(w)), 1e-3), radius / 3)
    v *= step / np.linalg.norm(v)
    high, low = model.values(w + v), model.values(w - v)
    u = rng.choice([-1.0, 1.0], high.shape)
    slope, difference = float(model.pull(w, u) @ v), float((u * (high - low)).sum()) / 2
    size, rounding = float(np.abs((high - low) / 2).sum()), 1e-13 * float(np.abs(high).sum())
    if abs(difference - slope) > rounding + 1e-3 * (abs(slope) + size + step**2):
        return (f"the gradient that was used is not the derivative of F: {slope / step:.4g} along a random direction, a difference gives "
                f"{difference / step:.4g}; {CAUSES}. K is then not the Gram matrix of F")  # fmt: skip
    here = 2 * model.values(w)
    bend = float(np.abs(high + low - here - 4 * (model.values(w + v / 2) + model.values(w - v / 2) - here)).sum())
    if bend > 10 * rounding + 1e-3 * (size + step**2):
        return f"F has two different one-sided derivatives at w*, {bend / step:.3g} apart along a random direction; {CAUSES}"
    return ""


def not_examined(smooth: bool | None = None) -> Smoothness:
    """For a bare K: the caller says that F is smooth (True), or nothing is known. `False` names the kinks as not located."""
    if smooth is False:
        return Smoothness("", (Kinks("kinks, as the caller says", 1),))
    return Smoothness("", unknown=() if smooth else ("a model that is not given, only its K",), given=bool(smooth))

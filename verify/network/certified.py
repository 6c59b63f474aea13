"""A theorem about a network on its data: an exact interpolating minimum beside the stored weights, and the sign of lambda there.

Let F be the real function that the traced program denotes (its constants, the inputs y_i and the labels z_i being the binary numbers they hold). Proved, in
ball arithmetic (`ball_program`): there is a w* with F(w*, y_i) = z_i exactly for all i, |w* - w| <= `distance` for the stored weights w, and the kernel K at w*
is positive definite and within `radius` of the rational matrix `centre`, entry by entry. Then the trusted checker proves one sign of lambda for all kernels
in that box (S6). What is trusted beside the checker: JAX's tracing and its derivatives of its own operations, `ball_program` and python-flint.

The minimum is found by Krawczyk's test (S8) in the span of the rows of the Jacobian, w* = w + P^T s.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..balls import ends
from ..exact import InputError
from ..minimum import Minimum
from ..optimiser import Optimiser
from ..problem import Problem, finer_grid
from ..regularity import is_connected
from ..result import Sign, as_float
from ..threshold.box import BoxSign
from .ball_program import as_balls, ball_product, differentiated, evaluate, traced
from .minimum import NetworkMinimum
from .model import Network
from .precision import jax_module

Rows = tuple[tuple[Fraction, ...], ...]
PRECISION = 128
LARGEST = 100
INFLATION = 4.0  # of the box S over the first Newton step
TINY = 1e-30


@dataclass(frozen=True)
class EnclosedMinimum:
    """Proved: an exact interpolating minimum w* with |w* - w| <= distance for the stored weights w, and K > 0 with |K_ij - centre_ij| <= radius there."""

    centre: Rows
    radius: Fraction
    distance: Fraction

    def regular(self, step_size: Fraction) -> bool:
        """R1 and R2 at w*, proved for batch 1 in the theory's convention: no c_i = eta K_ii is 1 or 2, and nonzero entries connect the samples."""
        n, slack = len(self.centre), step_size * self.radius
        if any(abs(step_size * self.centre[i][i] - c) <= slack for i in range(n) for c in (1, 2)):
            return False
        return is_connected(tuple(tuple(x if abs(x) > self.radius else Fraction(0) for x in row) for row in self.centre))

    def __str__(self) -> str:
        near = f"an interpolating minimum w* within {as_float(self.distance):.2g} of the stored weights"
        return f"proved: {near}; K > 0 there, known to {as_float(self.radius):.2g} in every entry"


@dataclass(frozen=True)
class CertifiedSign:
    """A minimum that exists, and the sign of lambda there; `print` states the theorem."""

    minimum: EnclosedMinimum
    sign: BoxSign
    optimiser: Optimiser
    regular: bool

    @property
    def decided(self) -> bool:
        """Whether the sign is proved."""
        return self.sign.complete and self.sign.sign is not Sign.UNDECIDED

    def to_json(self) -> dict[str, Any]:
        """Stable keys: distance, radius, sign, reason, regular, theorem."""
        about = {"distance": as_float(self.minimum.distance), "radius": as_float(self.minimum.radius)}
        return about | {"sign": self.sign.sign.value, "reason": self.sign.reason, "regular": self.regular, "theorem": str(self)}

    def __str__(self) -> str:
        what = f"lambda {'<' if self.sign.sign.value == 'negative' else '>'} 0 there" if self.decided else f"lambda there: {self.sign}"
        return f"{self.minimum}; {what}, at step size {self.optimiser.step_size}; R1 and R2 {'proved' if self.regular else 'not proved'}"


def enclosed_minimum(minimum: NetworkMinimum, precision: int = PRECISION) -> EnclosedMinimum:
    """The exact minimum beside `minimum.w`. Raises `InputError` where its existence is not proved: a residual that is not small, a kink, dependent gradients.

    The residual should be near rounding error (polish w by `interpolate` first); ReLU passes where every unit is provably on one side of its kink.
    """
    from flint import ctx

    network = minimum.network
    if network.size * network.outputs > LARGEST:
        raise InputError(f"the network has N q = {network.size * network.outputs} outputs; positive definiteness is proved for at most {LARGEST}")
    values = traced(network.function, network.start, network.block(0))
    jacobian = differentiated(values, network.start, *jax_module().tree.leaves(network.block(0)))
    p = network.jacobian(minimum.w)
    with ctx.workprec(precision):
        w, z, directions = as_balls(minimum.w), as_balls(minimum.targets).ravel(), as_balls(p)
        residual = _on_all(values, network, w).ravel() - z
        inverse = as_balls(np.linalg.pinv(p @ p.T))
        newton = -(inverse @ residual)
        if not all(x.is_finite() for x in newton):
            raise InputError("F or its Jacobian is not finite at w in ball arithmetic; no minimum is proved there")
        half = INFLATION * max(float(abs(x).upper()) for x in newton) + TINY
        box = np.array([_symmetric(half)] * len(newton), dtype=object)
        at = w + box @ directions
        _on_all(values, network, at)  # refuses a program that may branch within the box, where it could jump and the mean value theorem fail
        j = _on_all(jacobian, network, at, derivative=True).reshape(len(newton), -1)
        image = newton + (as_balls(np.eye(len(newton))) - inverse @ _times(j, directions)) @ box
        if not all(abs(x) < half for x in image):
            advice = "polish w with interpolate(); if the residual is near rounding error, K is nearly singular"
            raise InputError(f"no exact minimum is proved beside w (residual {minimum.residual:.2g}): {advice}")
        distance = ends(sum((abs(x).upper() ** 2 for x in box @ directions), start=w[0] * 0).sqrt())[1]
        k = [[ends(x) for x in row] for row in _times(j, j)]
    return _rounded(k, distance)


def certified_sign(minimum: NetworkMinimum, optimiser: Optimiser, *, time_limit: float = 20.0) -> CertifiedSign:
    """The exact minimum and the sign of lambda there with its certificate (`.sign.certificate`), or undecided with the reason.

    For SGD of batch 1 without momentum and weight decay and one output: for two samples wherever |lambda| is not tiny, for more by the facts that hold for
    ranges of kernels (E4, E5, the mean square). The optimiser is in the convention of the minimum's loss.
    """
    if getattr(optimiser, "weights", None) is not None or getattr(optimiser, "kaczmarz", False):
        raise InputError("weights are not certified at a network: samples are drawn uniformly in the theorem; leave them out")
    enclosed = enclosed_minimum(minimum)
    theory = minimum.theory(optimiser)
    sign = Problem.from_gram(enclosed.centre, theory, outputs=minimum.network.outputs).sign_in_box(enclosed.radius, time_limit=time_limit)
    return CertifiedSign(enclosed, sign, optimiser, enclosed.regular(theory.step_size))


def _rounded(k: list[list[tuple[Fraction, Fraction]]], distance: Fraction) -> EnclosedMinimum:
    """A symmetric centre with short decimals, and the distance to the far ends."""
    width = max(hi - lo for row in k for lo, hi in row)
    grid = finer_grid(max(width, Fraction(1, 10**20)))
    middle = [[round((lo + hi) / 2 / grid) * grid for lo, hi in row] for row in k]
    centre = tuple(tuple(middle[max(i, j)][min(i, j)] for j in range(len(k))) for i in range(len(k)))
    radius = max(max(hi - x, x - lo) for row, mid in zip(k, centre, strict=True) for (lo, hi), x in zip(row, mid, strict=True))
    radius = max(1, (radius / grid).__ceil__()) * grid
    shifted = [[x - len(k) * radius if i == j else x for j, x in enumerate(row)] for i, row in enumerate(centre)]
    try:
        definite = Minimum.from_gram(shifted).independent  # then every symmetric matrix within the radius is positive definite
    except InputError:
        definite = False
    if not definite:
        raise InputError(f"K is enclosed to {float(radius):.2g}, and is not proved positive definite there (H2): the gradients are nearly dependent")
    return EnclosedMinimum(centre, radius, distance)


def _on_all(program: Any, network: Network, w: Any, derivative: bool = False) -> Any:
    """The program at all inputs: an array whose first axis counts the samples."""
    inputs = (jax_module().tree.leaves(network.block(i)) for i in range(network.size))
    return np.stack([evaluate(program, w, *x, derivative=derivative)[0] for x in inputs])


def _times(a: Any, b: Any) -> Any:
    """A B^T in balls."""
    return ball_product(a, b.T)


def _symmetric(half: float) -> Any:
    """A ball around [-half, half]."""
    from flint import arb

    return arb(0, half)

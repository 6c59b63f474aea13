"""SGD and gradient descent in exact rational and in ball arithmetic: the steps as they are defined, on integers with common denominators taken out.

A `System` is x <- x - (eta/B) sum_{i in S} u_i (<f_i, x> - o_i), or x <- A_s x for bare matrices. Three systems come from a problem:
    parameters   f_i = u_i = features, o_i = labels: SGD on the weights w themselves, residuals r_i = <x_i, w> - z_i;
    residuals    f_i = e_i, u_i = K e_i, o = 0: the residuals r of any model at its minimum, linearised;
    dual         f_i = K e_i, u_i = e_i, o = 0: w - w* = sum_i c_i g_i, whose length is (c^T K c)^(1/2); stays on the span when K is singular.
The numbers are python-flint's fmpq (exact) or arb (balls, so that what is printed is an enclosure for the given draws), or floats for comparison. The radius
of a ball grows with the absolute values of the entries, so that digits are lost step by step: `digits_for` measures how many and adds them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from ..balls import fmpq_of
from ..exact import InputError, Matrix, Vector
from ..optimiser import SGD, GradientDescent, Optimiser
from .dynamics import chances, partial_sums

Number = Literal["exact", "arb", "float"]
Sparse = list[tuple[int, int]]
Draws = Sequence[tuple[int, ...]]
MAX_DIGITS = 50_000
START_DIGITS = 60
PROBE = 200


@dataclass(frozen=True)
class System:
    """Integers: f_i = functionals_i / scale, o_i = offsets_i / scale, u_i (eta/B) / scale = updates_i / divisor; or `steps` A_s = steps_s / divisor."""

    size: int
    functionals: list[Sparse]
    offsets: list[int]
    updates: list[Sparse]
    scale: int
    divisor: int
    steps: list[list[Sparse]] | None = None

    @classmethod
    def affine(cls, functionals: Matrix, offsets: Vector, updates: Matrix, rate: Fraction) -> System:
        """From exact rows f_i, u_i and rate = eta / B."""
        scale = math.lcm(*(x.denominator for row in functionals for x in row), *(x.denominator for x in offsets))
        scaled = [[x * rate / scale for x in row] for row in updates]
        divisor = math.lcm(*(x.denominator for row in scaled for x in row))
        return cls(
            len(functionals[0]), [_sparse(row, scale) for row in functionals], [int(x * scale) for x in offsets], [_sparse(row, divisor) for row in scaled],
            scale, divisor,
        )  # fmt: skip

    @classmethod
    def linear(cls, matrices: Sequence[Matrix]) -> System:
        """Bare matrices; the residual is x itself."""
        divisor = math.lcm(*(x.denominator for step in matrices for row in step for x in row))
        size = len(matrices[0])
        unit = [[(i, 1)] for i in range(size)]
        return cls(size, unit, [0] * size, [], 1, divisor, [[_sparse(row, divisor) for row in step] for step in matrices])

    @property
    def cost(self) -> int:
        """Multiplications of one step of batch 1, about."""
        if self.steps is not None:
            return max(sum(map(len, step)) for step in self.steps)
        return max(len(f) + len(u) for f, u in zip(self.functionals, self.updates, strict=True))

    @property
    def size_of_residuals(self) -> int:
        """Multiplications of one look at all residuals."""
        return sum(map(len, self.functionals))

    def run(self, start: Sequence[Any], draws: Draws, number: Number) -> Iterator[list[Any]]:
        """The state after each draw; numbers of the start's type, `number` says which. For arb the caller sets the precision."""
        integer = _CONVERT[number]
        x = list(start)
        divisor = integer(self.divisor)
        if self.steps is not None:
            steps = [[[(j, integer(a)) for j, a in row] for row in step] for step in self.steps]
            zero = 0.0 if number == "float" else _zero(number)  # the whole sum where a row is zero
            for (s,) in draws:
                x = [sum((a * x[j] for j, a in row), start=zero) / divisor for row in steps[s]]
                yield x
            return
        functionals = [[(j, integer(a)) for j, a in row] for row in self.functionals]
        picked = [row[0][0] if len(row) == 1 and row[0][1] == 1 and not o else -1 for row, o in zip(self.functionals, self.offsets, strict=True)]
        updates = [[(j, integer(a)) for j, a in row] for row in self.updates]
        offsets = [integer(o) for o in self.offsets]
        for batch in draws:
            if len(batch) == 1 and picked[batch[0]] >= 0:  # x_k <- (1 - u_k) x_k as one product loses fewer digits than a difference
                (i,) = batch
                k = picked[i]
                error = x[k] / divisor
                for j, a in updates[i]:
                    x[j] = error * (divisor - a) if j == k else x[j] - a * error
                yield x
                continue
            errors = []
            for i in batch:
                if picked[i] >= 0:
                    error = x[picked[i]]
                else:
                    error = -offsets[i]
                    for j, a in functionals[i]:
                        error = error + a * x[j]
                errors.append(error / divisor)
            for i, error in zip(batch, errors, strict=True):
                for j, a in updates[i]:
                    x[j] = x[j] - a * error
            yield x

    def residuals(self, x: Sequence[Any], number: Number) -> list[Any]:
        """scale times the residuals."""
        integer = _CONVERT[number]
        return [sum((integer(a) * x[j] for j, a in row), start=-integer(o)) for row, o in zip(self.functionals, self.offsets, strict=True)]


def parameters(features: Matrix, labels: Vector, optimiser: Optimiser) -> System:
    """SGD on the weights of a linear model."""
    return System.affine(features, labels, features, _rate(optimiser, len(features)))


def residuals(gram: Matrix, optimiser: Optimiser) -> System:
    """SGD on the residuals."""
    size = len(gram)
    return System.affine(_identity(size), (Fraction(0),) * size, gram, _rate(optimiser, size))


def dual(gram: Matrix, optimiser: Optimiser) -> System:
    """SGD on the coefficients of w - w* in the gradients."""
    size = len(gram)
    return System.affine(gram, (Fraction(0),) * size, _identity(size), _rate(optimiser, size))


def drawn(optimiser: Optimiser | None, size: int, steps: int, rng: np.random.Generator, weights: list[Fraction] | None = None) -> list[tuple[int, ...]]:
    """The batches of `steps` steps; for bare matrices (no optimiser) indices with the given probabilities."""
    if isinstance(optimiser, GradientDescent):
        return [tuple(range(size))] * steps
    assert optimiser is None or isinstance(optimiser, SGD)
    if optimiser is not None and not optimiser.replacement and optimiser.batch > 1:
        return [tuple(rng.permutation(size)[: optimiser.batch].tolist()) for _ in range(steps)]
    cumulative = partial_sums(weights if weights is not None else chances(_sgd(optimiser), size))
    batch = optimiser.batch if optimiser is not None else 1
    found = np.minimum(np.searchsorted(cumulative, rng.random((steps, batch)), side="right"), len(cumulative) - 1)
    return [tuple(row) for row in found.tolist()]


def log_norm(values: Sequence[Any], scale: int, number: Number) -> Any:
    """log of the Euclidean norm of values / scale: a float, or None where a ball does not show it to six digits; -inf for zero."""
    if number == "float":
        largest = max(abs(v) for v in values)
        if not largest > 0 or math.isinf(largest):
            return -math.inf if largest == 0 else math.nan
        return math.log(largest) + math.log(sum((v / largest) ** 2 for v in values)) / 2 - math.log(scale)
    return log_root(sum((v * v for v in values), start=_zero(number)), scale * scale)


def log_root(square: Any, scale: int) -> Any:
    """log (square / scale)^(1/2) of an exact number or a ball, as `log_norm`."""
    from flint import arb

    if square == 0:
        return -math.inf
    ball = arb(square)
    if not ball > 0:
        return None
    value = (ball.log() - _ball(scale).log()) / 2
    return float(value.mid()) if float(value.rad()) < 1e-6 else None


def digits_for(run: Callable[[int, int], float], steps: int) -> int:
    """Decimal digits for `steps` steps: `run(n, digits)` gives the decimals of relative accuracy that are left after n steps."""
    probe = min(steps, PROBE)
    before, after = run(probe // 2, START_DIGITS * 2), run(probe, START_DIGITS * 2)
    lost = max(0.0, (START_DIGITS * 2 - after) / probe, (before - after) / max(1, probe - probe // 2))
    return math.ceil(START_DIGITS + 1.15 * lost * steps)


def balls(x: Sequence[Any]) -> list[Any]:
    """Exact rationals as balls of the current precision."""
    from flint import arb

    return [arb(fmpq_of(v)) for v in x]


def solution(features: Matrix, labels: Vector | None) -> Vector:
    """w* with X w* = labels; without labels the vector of ones, whose values are the labels. Raises `InputError` where there is none."""
    from flint import fmpq_mat

    size = len(features[0])
    if labels is None:
        return (Fraction(1),) * size
    rows = [[fmpq_of(x) for x in (*row, z)] for row, z in zip(features, labels, strict=True)]
    echelon, rank = fmpq_mat(len(rows), size + 1, [x for row in rows for x in row]).rref()
    found = [Fraction(0)] * size
    for r in range(rank):
        pivot = next(c for c in range(size + 1) if echelon[r, c] != 0)
        if pivot == size:
            raise InputError("labels: X w = labels has no solution, so there is no interpolating minimum to simulate")
        found[pivot] = Fraction(int(echelon[r, size].p), int(echelon[r, size].q))
    return tuple(found)


def dyadic(value: float) -> Fraction:
    """The rational that a double is."""
    return Fraction(float(value))


def _sgd(optimiser: Optimiser | None) -> SGD:
    assert isinstance(optimiser, SGD)
    return optimiser


def _rate(optimiser: Optimiser, size: int) -> Fraction:
    return optimiser.step_size / (size if isinstance(optimiser, GradientDescent) else optimiser.batch)


def _identity(size: int) -> Matrix:
    return tuple(tuple(Fraction(i == j) for j in range(size)) for i in range(size))


def _sparse(row: Sequence[Fraction], scale: int) -> Sparse:
    return [(j, int(x * scale)) for j, x in enumerate(row) if x]


def _ball(n: int) -> Any:
    from flint import arb

    return arb(n)


def _zero(number: Number) -> Any:
    from flint import arb, fmpq

    return fmpq(0) if number == "exact" else arb(0)


_CONVERT: dict[str, Callable[[int], Any]] = {"exact": int, "arb": _ball, "float": float}

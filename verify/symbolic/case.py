"""What a rule sees: the samples in question, their c_i and batches, and the family of steps as symbolic matrices.

As in the numeric engine, samples outside a component act as the identity, and a rank-deficient K is handled on its range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy

from ..optimiser import multiplicities
from .algebra import all_zero, is_zero
from .assumptions import Assumptions
from .problem import Descent, Matrix, SymbolicProblem

MAX_STEPS, MAX_DIMENSION, MAX_BATCHES = 40, 6, 2000


class Refused(Exception):
    """A rule does not apply; the message says why."""


def need(condition: object, reason: str) -> None:
    """Raise `Refused` unless the condition holds."""
    if not condition:
        raise Refused(reason)


@dataclass(frozen=True)
class Family:
    """Distinct steps A_s (d x d) other than the identity with probabilities p_s; the identity has the rest.

    `dual_form` W is symmetric positive definite under `conditions`, a candidate for A W A^T = W: K in residual coordinates, I in feature coordinates.
    """

    steps: tuple[Matrix, ...]
    probabilities: tuple[Any, ...]
    dimension: int
    conditions: tuple[Any, ...] = ()
    dual_form: Matrix | None = None

    @property
    def idle(self) -> Any:
        """The probability of the identity."""
        return sympy.cancel(1 - sum(self.probabilities))


@dataclass(frozen=True)
class Case:
    """A problem restricted to some of its samples (all by default)."""

    problem: SymbolicProblem
    samples: tuple[int, ...] | None = None

    @property
    def assumptions(self) -> Assumptions:
        return self.problem.assumptions

    @property
    def optimiser(self) -> Descent:
        """The optimiser; refuses bare matrices."""
        need(self.problem.optimiser is not None, "needs an optimiser, not bare matrices")
        assert self.problem.optimiser is not None
        return self.problem.optimiser

    @property
    def indices(self) -> tuple[int, ...]:
        """The samples asked about that have a gradient; refuses problems without samples."""
        need(self.problem.size, "needs a data set or a Gram matrix")
        chosen = range(self.problem.size) if self.samples is None else self.samples
        return tuple(i for i in chosen if not is_zero(self.problem.kernel[i, i]))

    @cached_property
    def gram(self) -> Matrix:
        """K on `indices`."""
        return self.problem.kernel.extract(list(self.indices), list(self.indices))

    @property
    def full_batch(self) -> bool:
        """Every step uses every sample of the data set once (E2)."""
        o = self.optimiser
        return bool(o.kind == "gd" or (self.problem.size == 1 and o.batch == 1) or (not o.replacement and o.batch == self.problem.size and self.problem.size))

    @property
    def single_draws(self) -> bool:
        """Plain SGD with batch 1, the setting of E3 to E7."""
        o = self.problem.optimiser
        return o is not None and o.kind == "sgd" and o.batch == 1 and o.plain and not self.full_batch

    def require_single_draws(self) -> None:
        """Refuse what is not SGD with batch 1 on a data set of at least two samples."""
        need(self.indices and self.single_draws, "is a fact for SGD with batch 1 on at least two samples, without momentum or weight decay")

    @property
    def draw_probabilities(self) -> tuple[Any, ...]:
        """Probability of each of `indices` in one draw."""
        weights = self.optimiser.weights
        return tuple(sympy.Rational(1, self.problem.size) if weights is None else weights[i] for i in self.indices)

    @property
    def c(self) -> tuple[Any, ...]:
        """c_i = eta K_ii."""
        return tuple(sympy.cancel(self.optimiser.step_size * self.gram[i, i]) for i in range(self.gram.rows))

    def batches(self) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Multiplicities on `indices` with probabilities; what falls outside only counts."""
        o, inside, n = self.optimiser, len(self.indices), self.problem.size
        if self.full_batch:
            yield (1,) * inside, sympy.Integer(1)
            return
        need(o.batch.is_Integer, f"the batch size {o.batch} is not a number, so the batches cannot be listed")
        b, outside, p = int(o.batch), n - inside, self.draw_probabilities
        rest = sympy.cancel(1 - sum(p))
        spare = (b if outside else 0) if o.replacement else outside
        need(math.comb(inside + b, b) <= MAX_BATCHES if o.replacement else math.comb(n, b) <= MAX_BATCHES, "there are too many different batches to list")
        for m in multiplicities(inside, b, b if o.replacement else 1, spare):
            left = b - sum(m)
            if o.replacement or b == 1:
                ways = math.factorial(b) // math.prod(map(math.factorial, m)) // math.factorial(left)
                yield m, ways * sympy.prod([x**e for x, e in zip(p, m, strict=True)]) * rest**left
            else:
                yield m, sympy.Rational(math.comb(outside, left), math.comb(n, b))

    @cached_property
    def coordinates(self) -> tuple[list[Matrix], Matrix, tuple[Any, ...]]:
        """(G_i, W, conditions): the step of sample i is I - eta G_i on R^d, d = rank K, and W is the dual form."""
        gram, features = self.gram, self.problem.features
        rows = None if features is None else features.extract(list(self.indices), list(range(features.cols)))
        if rows is not None and rows.cols < rows.rows and not is_zero(regular := sympy.factor((rows.T * rows).det())):
            return [row.T * row for row in map(rows.row, range(rows.rows))], sympy.eye(rows.cols), self._nonzero(regular)
        basis, conditions = self.basis
        core = gram.extract(basis, basis)
        everything = list(range(gram.rows))
        expansion = sympy.eye(len(basis)) if basis == everything else (gram.extract(everything, basis) * core.inv()).applyfunc(sympy.cancel)
        pulls = [gram.extract(basis, [j]) * expansion.row(j) for j in everything]
        return [sympy.ImmutableDenseMatrix(g.applyfunc(sympy.cancel)) for g in pulls], core, conditions

    @cached_property
    def basis(self) -> tuple[list[int], tuple[Any, ...]]:
        """Positions of a greedy row basis of K, by minors that do not vanish identically, and the conditions that they stay positive."""
        chosen: list[int] = []
        for i in range(self.gram.rows):
            need(len(chosen) < MAX_DIMENSION, f"the gradients span more than {MAX_DIMENSION} dimensions")
            if not is_zero(self.gram.extract([*chosen, i], [*chosen, i]).det()):
                chosen.append(i)
        return chosen, self._nonzero(sympy.factor(self.gram.extract(chosen, chosen).det()))

    def _nonzero(self, minor: Any) -> tuple[Any, ...]:
        """The condition that a minor of K is positive, unless that is known."""
        return () if self.assumptions.sign(minor) == 1 else (sympy.StrictGreaterThan(minor, 0, evaluate=False),)

    @cached_property
    def family(self) -> Family:
        """The steps on range(K), momentum and weight decay included (heavy ball doubles the dimension)."""
        if self.problem.matrices is not None:
            steps, weights = self.problem.matrices
            return merged(zip(steps, weights, strict=True), steps[0].rows)
        need(self.problem.population is None, "the inputs are random, so there is no finite family of steps")
        o, (pulls, dual, conditions) = self.optimiser, self.coordinates
        d = dual.rows
        eta, beta = o.step_size, o.momentum

        def step(m: tuple[int, ...]) -> Matrix:
            share = self.problem.size if o.kind == "gd" else o.batch
            pull = sum((e * g for e, g in zip(m, pulls, strict=True) if e), start=sympy.zeros(d, d)) * eta / share
            a = (1 - eta * o.weight_decay + beta) * sympy.eye(d) - pull
            blocks = a if beta == 0 else sympy.Matrix(sympy.BlockMatrix([[a, -beta * sympy.eye(d)], [sympy.eye(d), sympy.zeros(d, d)]]))
            return sympy.ImmutableDenseMatrix(blocks.applyfunc(sympy.cancel))

        found = merged(((step(m), p) for m, p in self.batches()), d if beta == 0 else 2 * d)
        return Family(found.steps, found.probabilities, found.dimension, conditions, dual if o.plain else None)


def merged(steps: Any, dimension: int) -> Family:
    """Equal steps together, identities dropped (exactly those that are equal for all values of the symbols)."""
    found: list[tuple[Matrix, Any]] = []
    for step, p in steps:
        if all_zero(step - sympy.eye(dimension)):
            continue
        same = next((k for k, (other, _) in enumerate(found) if step == other or all_zero(step - other)), None)
        if same is None:
            found.append((step, p))
        else:
            found[same] = (step, found[same][1] + p)
        need(len(found) <= MAX_STEPS, f"there are more than {MAX_STEPS} different steps")
    need(found, "every step is the identity")
    return Family(tuple(a for a, _ in found), tuple(sympy.cancel(p) for _, p in found), dimension)

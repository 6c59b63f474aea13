"""Problems with symbols: a Gram matrix, features, bare matrices or a law of random inputs, and an optimiser, every entry exact or symbolic.

Rational problems are a special case: `SymbolicProblem.of(problem)`. With numbers for the symbols, `at(values)` goes back to the numeric engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from typing import Any, Literal

import sympy

from ..exact import InputError, rational
from ..minimum import MeasuredMinimum, Minimum
from ..optimiser import SGD, GradientDescent, Reshuffled
from ..problem import Problem
from .algebra import is_zero
from .assumptions import NOTHING, Assumptions, from_relations

MAX_BATCH = 1000
MAX_MINORS, MAX_BLOCKS = 6, 300  # up to this N all principal minors of order 3 are looked at, and so many different ones in all

Matrix = Any  # sympy.ImmutableDenseMatrix: SymPy has no type stubs


@dataclass(frozen=True)
class Descent:
    """The optimiser: `kind` "gd" or "sgd", step size eta, batch scheme, sampling weights (normalised), momentum beta (heavy ball), weight decay omega.

    w_{n+1} = w_n - eta (grad + omega w_n) + beta (w_n - w_{n-1}).
    """

    kind: Literal["gd", "sgd"]
    step_size: Any
    batch: Any = sympy.S.One
    replacement: bool = True
    weights: tuple[Any, ...] | None = None
    momentum: Any = sympy.S.Zero
    weight_decay: Any = sympy.S.Zero

    @property
    def plain(self) -> bool:
        """Neither momentum nor weight decay."""
        return bool(self.momentum == 0 and self.weight_decay == 0)


@dataclass(frozen=True)
class Population:
    """Fresh random inputs at every step: x = R u, u uniform on the unit sphere of R^d ("isotropic", scale R), or x ~ N(0, s^2 I_d) ("gaussian", scale s)."""

    law: Literal["isotropic", "gaussian"]
    dimension: Any
    scale: Any


@dataclass(frozen=True)
class SymbolicProblem:
    """Exactly one of `gram`, `features`, `matrices`, `population`; `assumptions` about the symbols."""

    optimiser: Descent | None
    gram: Matrix | None = None
    features: Matrix | None = None
    matrices: tuple[tuple[Matrix, ...], tuple[Any, ...]] | None = None
    population: Population | None = None
    assumptions: Assumptions = NOTHING
    name: str = "problem"

    @classmethod
    def from_gram(cls, gram: Any, step_size: Any, *, assume: Iterable[Any] | Assumptions = (), name: str = "problem", **optimiser: Any) -> SymbolicProblem:
        """K (N x N, symmetric; where its signs can be decided also positive semidefinite). Options: kind, batch, replacement, weights, momentum,
        weight_decay, and `assume`, SymPy inequalities such as k < 1."""
        k, known = _matrix(gram, "gram"), _assumptions(assume)
        if k.rows != k.cols:
            raise InputError(f"gram is {k.rows} x {k.cols}; a Gram matrix is square")
        for i in range(k.rows):
            for j in range(i):
                if not is_zero(k[i, j] - k[j, i]):
                    raise InputError(f"gram is not symmetric: gram[{i}][{j}] = {k[i, j]} but gram[{j}][{i}] = {k[j, i]}; make them equal")
        if all(is_zero(x) for x in k):
            raise InputError("gram is zero: no sample has a gradient, so there is nothing to converge; give a nonzero Gram matrix")
        _refuse_indefinite(k, known)
        return cls(_descent(step_size, k.rows, known, **optimiser), gram=k, assumptions=known, name=name)

    @classmethod
    def from_features(
        cls, features: Any, step_size: Any, *, assume: Iterable[Any] | Assumptions = (), name: str = "problem", **optimiser: Any
    ) -> SymbolicProblem:
        """A linear model with rows x_i: K = X X^T. Options as for `from_gram`."""
        x, known = _matrix(features, "features"), _assumptions(assume)
        if all(is_zero(entry) for entry in x):
            raise InputError("features are all zero, so K = 0: no sample has a gradient; give at least one nonzero row")
        return cls(_descent(step_size, x.rows, known, **optimiser), features=x, assumptions=known, name=name)

    @classmethod
    def from_matrices(
        cls, matrices: Sequence[Any], weights: Sequence[Any] | None = None, *, assume: Iterable[Any] | Assumptions = (), name: str = "problem"
    ) -> SymbolicProblem:
        """A family of square matrices with weights (default uniform)."""
        if not isinstance(matrices, Sequence) or isinstance(matrices, str) or not matrices:
            raise InputError("matrices is not a nonempty list of square matrices")
        known = _assumptions(assume)
        steps = tuple(_matrix(a, f"matrices[{s}]") for s, a in enumerate(matrices))
        for s, a in enumerate(steps):
            if a.shape != (steps[0].rows, steps[0].rows):
                raise InputError(f"matrices[{s}] is {a.rows} x {a.cols}; all matrices must be square and of one size")
        return cls(None, matrices=(steps, _weights(weights, len(steps), known)), assumptions=known, name=name)

    @classmethod
    def from_population(
        cls, law: str, dimension: Any, scale: Any, step_size: Any, *, assume: Iterable[Any] | Assumptions = (), name: str = "problem"
    ) -> SymbolicProblem:
        """SGD, batch 1, with a fresh random input at every step: law "isotropic" (x = scale u) or "gaussian" (x ~ N(0, scale^2 I))."""
        known = _assumptions(assume)
        if law not in ("isotropic", "gaussian"):
            raise InputError(f"population.law = {law!r} is not known; write \"isotropic\" or \"gaussian\"")
        d = expression(dimension, "population.dimension")
        if not (d.is_integer and (d - 1).is_nonnegative):
            raise InputError(f"population.dimension = {d} is not a positive integer; write for example 2, or declare the symbol \"positive integer\"")
        s = expression(scale, "population.scale")
        if known.sign(s) != 1:
            raise InputError(f"population.scale = {s} is not known to be positive; write a positive number, or declare the symbol \"positive\"")
        return cls(_descent(step_size, 1, known), population=Population(law, d, s), assumptions=known, name=name)  # type: ignore[arg-type]

    @classmethod
    def of(cls, problem: Problem | SymbolicProblem) -> SymbolicProblem:
        """A rational problem as a symbolic one. Raises `InputError` for a measured K."""
        if isinstance(problem, SymbolicProblem):
            return problem
        if not isinstance(problem, Problem):
            raise InputError(f"problem = {problem!r} is not a Problem or a SymbolicProblem; build one with SymbolicProblem.from_gram(gram, step_size)")
        if problem.matrices is not None:
            return cls.from_matrices(*problem.matrices, name=problem.name)
        if isinstance(problem.minimum, MeasuredMinimum):
            raise InputError("a measured K is not exact, and closed forms need exact input; use .rationalised(spacing) first")
        minimum, optimiser = problem.exact
        if isinstance(optimiser, Reshuffled) or minimum.outputs > 1:
            raise InputError("closed forms are derived for independent batches and one output; reshuffled epochs and vector outputs have numeric answers only")
        options: dict[str, Any] = {"kind": optimiser.kind, "name": problem.name, "momentum": optimiser.momentum, "weight_decay": optimiser.weight_decay}
        if isinstance(optimiser, SGD):
            options |= {"batch": optimiser.batch, "replacement": optimiser.replacement, "weights": optimiser.weights}
        build = cls.from_gram if minimum.features is None else cls.from_features
        return build(minimum.gram if minimum.features is None else minimum.features, optimiser.step_size, **options)

    @property
    def size(self) -> int:
        """N, the number of samples."""
        source = self.gram if self.gram is not None else self.features
        return 0 if source is None else int(source.rows)

    @cached_property
    def kernel(self) -> Matrix:
        """K, symbolically."""
        if self.gram is not None:
            return self.gram
        assert self.features is not None
        return (self.features * self.features.T).applyfunc(lambda x: sympy.trigsimp(sympy.expand(x)) if x.has(sympy.sin, sympy.cos) else sympy.expand(x))

    @cached_property
    def symbols(self) -> tuple[Any, ...]:
        """All symbols, by name."""
        found = set[Any]()
        for part in self._parts():
            found |= part.free_symbols
        return tuple(sorted(found, key=str))

    def _parts(self) -> list[Any]:
        parts = [part for part in (self.gram, self.features) if part is not None]
        parts += [*self.matrices[0], *self.matrices[1]] if self.matrices is not None else []
        parts += [sympy.sympify(x) for x in (self.population.dimension, self.population.scale)] if self.population is not None else []
        if self.optimiser is not None:
            o = self.optimiser
            parts += [sympy.sympify(x) for x in (o.step_size, o.batch, o.momentum, o.weight_decay, *(o.weights or ()))]
        return parts

    def at(self, values: Mapping[Any, Any]) -> SymbolicProblem:
        """The problem with exact values for symbols (by symbol or by name). Values outside the declared bounds raise `InputError`."""
        exact = assigned(self.symbols, values, self.assumptions)

        def put(x: Any) -> Any:
            return x.subs(exact) if isinstance(x, (sympy.Basic, sympy.MatrixBase)) else x

        optimiser, matrices, population = self.optimiser, self.matrices, self.population
        if optimiser is not None:
            o = optimiser
            weights = None if o.weights is None else tuple(map(put, o.weights))
            optimiser = Descent(o.kind, put(o.step_size), put(o.batch), o.replacement, weights, put(o.momentum), put(o.weight_decay))
        if matrices is not None:
            matrices = tuple(map(put, matrices[0])), tuple(map(put, matrices[1]))
        if population is not None:
            population = Population(population.law, put(population.dimension), put(population.scale))
        left = {s: bound for s, bound in self.assumptions.bounds.items() if s not in exact}
        facts = tuple(fact for fact in map(put, self.assumptions.facts) if fact.free_symbols)
        found = replace(
            self,
            optimiser=optimiser, gram=put(self.gram), features=put(self.features), matrices=matrices, population=population,
            assumptions=Assumptions(left, facts),
        )  # fmt: skip
        found._refuse_impossible()
        return found

    def _refuse_impossible(self) -> None:
        """Raise where values for symbols have made a problem that its constructor would have refused."""
        source = self.gram if self.gram is not None else self.features
        if source is not None and all(is_zero(x) for x in source):
            raise InputError("K = 0 at these values: no sample has a gradient; choose values for which some gradient is not zero")
        if self.gram is not None:
            _refuse_indefinite(self.gram, self.assumptions)
        if self.optimiser is not None:
            _refuse_scheme(self.optimiser.batch, self.optimiser.replacement, self.optimiser.momentum, self.size, self.assumptions)

    def rational(self) -> Problem | None:
        """The problem for the numeric engine: None where a number is not rational, a symbol is left, or the engine has no such optimiser."""
        if any(not x.is_Rational for part in self._parts() for x in (part if isinstance(part, sympy.MatrixBase) else (part,))):
            return None
        if self.matrices is not None:
            return Problem.from_matrices([_fractions(a) for a in self.matrices[0]], [rational(w, "weight") for w in self.matrices[1]], name=self.name)
        o = self.optimiser
        if o is None or self.population is not None:
            return None
        if o.kind == "gd":
            optimiser: SGD | GradientDescent = GradientDescent(o.step_size, o.momentum, o.weight_decay)
        else:
            weights = None if o.weights is None else [rational(w, "weight") for w in o.weights]
            optimiser = SGD(o.step_size, int(o.batch), o.replacement, weights, o.momentum, o.weight_decay)
        if self.gram is not None:
            return Problem.from_gram(_fractions(self.gram), optimiser, name=self.name)
        return Problem.from_features(_fractions(self.features), optimiser, name=self.name)


def expression(value: Any, name: str) -> Any:
    """An exact SymPy expression: numbers as `exact.rational` takes them, or a real SymPy expression without floats."""
    if isinstance(value, sympy.Basic) and not value.is_Rational:
        if value.has(sympy.Float):
            raise InputError(f"{name} = {value} contains a float, and floats are not exact; use sympy.Rational")
        if not isinstance(value, sympy.Expr) or value.is_real is False or value.has(sympy.oo, sympy.zoo, sympy.nan):
            raise InputError(f"{name} = {value} is not a finite real expression")
        return value
    number = rational(value, name)
    return sympy.Rational(number.numerator, number.denominator)


def assigned(symbols: Iterable[Any], values: Mapping[Any, Any], assumptions: Assumptions) -> dict[Any, Any]:
    """Values by symbol, each checked against what was assumed about it."""
    by_name = {str(s): s for s in symbols}
    exact: dict[Any, Any] = {}
    for key, value in values.items():
        if str(key) not in by_name:
            raise InputError(f"{key} is not a symbol of this problem; its symbols are {', '.join(by_name) or 'none'}")
        symbol, number = by_name[str(key)], expression(value, str(key))
        if number.is_number:
            known = [("positive", number.is_positive), ("nonnegative", number.is_nonnegative), ("negative", number.is_negative), ("integer", number.is_integer)]
            broken = [word for word, holds in known if getattr(symbol, f"is_{word}") and holds is False]
            bound = assumptions.bounds.get(symbol)
            broken += [str(relation) for relation in (bound.relations(symbol) if bound else []) if relation.subs(symbol, number) == False]  # noqa: E712
            if broken:
                raise InputError(f"{key} = {value} contradicts the assumption {broken[0]}")
        exact[symbol] = number
    return exact


def _fractions(a: Matrix) -> list[list[Fraction]]:
    return [[Fraction(int(x.p), int(x.q)) for x in row] for row in a.tolist()]


def _matrix(rows: Any, name: str) -> Matrix:
    rows = rows.tolist() if hasattr(rows, "tolist") else rows
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows or not all(isinstance(r, Sequence) and not isinstance(r, str) and r for r in rows):
        raise InputError(f"{name} = {rows!r} is not a nonempty list of rows; write for example [[\"1\", \"k\"], [\"k\", \"2\"]]")
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise InputError(f"{name} has ragged rows: {name}[0] has {len(rows[0])} entries, {name}[{i}] has {len(row)}; all rows need the same length")
    return sympy.ImmutableDenseMatrix([[expression(x, f"{name}[{i}][{j}]") for j, x in enumerate(row)] for i, row in enumerate(rows)])


def _assumptions(assume: Iterable[Any] | Assumptions) -> Assumptions:
    return assume if isinstance(assume, Assumptions) else from_relations(assume)


def _descent(
    step_size: Any,
    size: int,
    known: Assumptions,
    *,
    kind: str = "sgd",
    batch: Any = 1,
    replacement: bool = True,
    weights: Sequence[Any] | None = None,
    momentum: Any = 0,
    weight_decay: Any = 0,
) -> Descent:
    if kind not in ("gd", "sgd"):
        raise InputError(f"optimiser.kind = {kind!r} is not known; write \"sgd\" or \"gd\"")
    if kind == "gd" and (weights is not None or batch != 1 or replacement is not True):
        raise InputError("batch, replacement or weights are given, but gradient descent uses every sample once; leave them out or use kind = \"sgd\"")
    if not isinstance(replacement, bool):
        raise InputError(f"replacement = {replacement!r} is not a truth value; write true or false")
    eta, b = expression(step_size, "step_size"), expression(batch, "batch")
    if known.sign(eta) != 1:
        word = "positive" if eta.is_number else "known to be positive"
        raise InputError(f"step_size = {eta} is not {word}; write a number greater than 0, or declare its symbols so that it is positive")
    if not (b.is_integer and (b - 1).is_nonnegative):
        raise InputError(f"batch = {b} is not a positive integer; write for example 1, or declare the symbol \"positive integer\"")
    if weights is not None and not replacement and b != 1:
        raise InputError(f"weights with batch = {b} without replacement is not defined; use replacement = true or leave weights out")
    beta, omega = expression(momentum, "momentum"), expression(weight_decay, "weight_decay")
    for name, x in (("momentum", beta), ("weight_decay", omega)):
        if not known.nonnegative(x):
            raise InputError(f"{name} = {x} is not known to be nonnegative; write a number >= 0, or declare the symbol \"nonnegative\"")
    _refuse_scheme(b, replacement, beta, size, known)
    return Descent(kind, eta, b, replacement, None if weights is None else _weights(weights, size, known), beta, omega)  # type: ignore[arg-type]


def _refuse_scheme(batch: Any, replacement: bool, momentum: Any, size: int, known: Assumptions) -> None:
    """Raise for a batch or a momentum that is too large."""
    if not replacement and batch.is_number and size and batch > size:
        raise InputError(f"batch = {batch} is larger than the number of samples N = {size}; without replacement it is at most N")
    if batch.is_number and batch > MAX_BATCH:
        raise InputError(f"batch = {batch} is above {MAX_BATCH}, the largest batch that is supported; a symbol has no such limit")
    if known.nonnegative(momentum - 1):
        raise InputError(f"momentum = {momentum} is not below 1; heavy ball needs 0 <= momentum < 1")


def _weights(weights: Sequence[Any] | None, count: int, known: Assumptions) -> tuple[Any, ...]:
    """Weights normalised by their sum."""
    if weights is None:
        return (sympy.Rational(1, count),) * count
    if len(weights) != count:
        raise InputError(f"weights has {len(weights)} entries for {count} samples or matrices; give one weight for each")
    exact = [expression(w, f"weights[{i}]") for i, w in enumerate(weights)]
    for i, w in enumerate(exact):
        if known.sign(w) != 1:
            raise InputError(f"weights[{i}] = {w} is not known to be positive; write a positive number, or declare its symbols so that it is positive")
    total = sympy.expand(sum(exact))
    return tuple(sympy.cancel(w / total) for w in exact)


def _refuse_indefinite(gram: Matrix, known: Assumptions) -> None:
    """Raise where K is known to be indefinite: exactly for rational K, else by a principal minor of order 1 to 3 with a known negative sign."""
    if all(x.is_Rational for x in gram):
        Minimum.from_gram(_fractions(gram))
        return
    seen = set[Matrix]()  # structured K of many samples has few different minors
    for order in (1, 2) if gram.rows > MAX_MINORS else (1, 2, 3):
        for chosen in combinations(range(gram.rows), order):
            block = gram.extract(list(chosen), list(chosen))
            if block in seen or len(seen) > MAX_BLOCKS:
                continue
            seen.add(block)
            minor = block.det()
            if known.sign(minor) == -1:
                where = f"gram[{chosen[0]}][{chosen[0]}]" if order == 1 else f"the minor of samples {', '.join(map(str, chosen))}"
                raise InputError(f"gram is not positive semidefinite: {where} = {minor} is negative; a Gram matrix of gradients cannot be indefinite")

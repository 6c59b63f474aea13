"""Small nonlinear models as SymPy expressions: F(w, y) with an exact zero-loss minimum x*, gradients derived, everything that stability needs exact.

The labels are z_i = F(x*, y_i), so that x* has zero loss. Gradients come from `sympy.diff`; K_ij = <grad F(x*, y_i), grad F(x*, y_j)> is kept as an
expression, and is rational wherever SymPy can reduce the gradients to rationals (tanh(log 2) = 3/5: points such as k log 2 keep tanh networks rational).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError, rational

if TYPE_CHECKING:
    from ..optimiser import Optimiser
    from ..problem import Problem

Floats = NDArray[np.float64]
MAX_PARAMETERS = 24
# Gradients that are not rational are rounded to multiples of this; the evaluation before it has 20 digits more.
SPACING = Fraction(1, 10**30)
KINKED = ("Abs", "Max", "Min", "Piecewise", "Heaviside", "sign", "floor", "ceiling", "Mod", "frac", "DiracDelta")


@dataclass(frozen=True)
class SymbolicModel:
    """F(w, y): `expression` in the symbols `parameters` (w) and `inputs` (y), with the minimum `point` (x*) and the inputs `data` (y_1..y_N), all exact.

    Numbers: int, Fraction, exact strings ("1/3") or SymPy numbers without floats. Raises `InputError` for anything else, for symbols without a role, for
    functions with kinks (H1 fails there: T1 and T2 say nothing), and for more samples than parameters.
    """

    expression: Any
    parameters: tuple[Any, ...]
    inputs: tuple[Any, ...]
    point: tuple[Any, ...]
    data: tuple[tuple[Any, ...], ...]
    name: str = "model"
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        import sympy

        if not isinstance(self.expression, sympy.Expr):
            raise InputError(f"expression = {self.expression!r} is not a SymPy expression; build it from sympy.symbols")
        for name in ("parameters", "inputs"):
            symbols = tuple(getattr(self, name))
            if not symbols or not all(isinstance(s, sympy.Symbol) for s in symbols):
                raise InputError(f"{name} = {symbols!r} is not a nonempty tuple of SymPy symbols")
            object.__setattr__(self, name, symbols)
        known = [*self.parameters, *self.inputs]
        if len(set(known)) < len(known):
            raise InputError(f"the symbols {known} of parameters and inputs are not all different; give each one role")
        if unknown := sorted(map(str, self.expression.free_symbols - set(known))):
            raise InputError(f"expression has the symbol {unknown[0]}, which is neither a parameter nor an input; add it to one of them")
        if kinks := sorted({type(part).__name__ for part in sympy.preorder_traversal(self.expression)} & set(KINKED)):
            raise InputError(f"expression has {kinks[0]}, which has kinks: H1 fails and T1, T2 say nothing about it; use a smooth function")
        if self.expression.has(sympy.Float):
            raise InputError("expression has a floating-point number, and floats are not exact; write a SymPy rational")
        if len(self.parameters) > MAX_PARAMETERS:
            raise InputError(f"parameters: {len(self.parameters)} are more than the {MAX_PARAMETERS} that symbolic models may have")
        object.__setattr__(self, "point", _vector(self.point, len(self.parameters), "point"))
        rows: Any = self.data
        if isinstance(rows, str) or not isinstance(rows, Sequence) or not rows:
            raise InputError(f"data = {self.data!r} is not a nonempty sequence of inputs; write for example [(1,), (2,)]")
        object.__setattr__(self, "data", tuple(_vector(row, len(self.inputs), f"data[{i}]") for i, row in enumerate(rows)))
        if len(self.data) > len(self.parameters):
            raise InputError(f"data has {len(self.data)} samples for {len(self.parameters)} parameters; the setting is overparameterised: at most as many")

    @property
    def size(self) -> int:
        """N, the number of samples."""
        return len(self.data)

    @cached_property
    def labels(self) -> tuple[Any, ...]:
        """z_i = F(x*, y_i), exact."""
        return tuple(self._at(self.expression, y) for y in self.data)

    @cached_property
    def gradients(self) -> tuple[tuple[Any, ...], ...]:
        """grad F(x*, y_i), exact expressions, one row for each sample."""
        import sympy

        derivatives = [sympy.diff(self.expression, w) for w in self.parameters]
        return tuple(tuple(self._at(d, y) for d in derivatives) for y in self.data)

    @cached_property
    def gram(self) -> Any:
        """K at x* as an exact SymPy matrix."""
        import sympy

        rows = sympy.Matrix(self.gradients)
        return (rows * rows.T).applyfunc(sympy.nsimplify if self.is_rational else sympy.sympify)

    @property
    def is_rational(self) -> bool:
        """Whether every gradient at x* was reduced to rationals."""
        return all(x.is_Rational for row in self.gradients for x in row)

    def problem(self, optimiser: Optimiser) -> Problem:
        """The stability question at x*: K exactly, or the K of gradients rounded to multiples of 1e-30, with a bound of the change in the notes."""
        from ..problem import Problem

        notes: tuple[str, ...] = (f"K at the zero-loss point ({', '.join(map(str, self.point))}) of {self.expression}",)
        if self.is_rational:
            rows = [[Fraction(int(x.p), int(x.q)) for x in row] for row in self.gradients]
        else:
            rows = [[round(_digits(x) / SPACING) * SPACING for x in row] for row in self.gradients]
            largest = max(sum((abs(x) for x in row), Fraction(0)) for row in rows)
            change = 2 * largest * SPACING + len(self.parameters) * SPACING**2
            rounded = f"the gradients are not rational and were rounded to multiples of {float(SPACING):g}"
            notes += (f"{rounded}: entries of K changed by at most {float(change):.2g}",)
        gram = [[sum((x * y for x, y in zip(u, v, strict=True)), Fraction(0)) for v in rows] for u in rows]
        return Problem.from_gram(gram, optimiser, name=self.name, notes=notes)

    def problem_at(self, w: Any, optimiser: Optimiser) -> Problem:
        """The question at another point, with K measured there in double precision (estimates only)."""
        from ..problem import Problem

        rows = self.jacobian(np.asarray(w, dtype=float))
        return Problem.measured(rows @ rows.T, optimiser, name=f"{self.name} at a limit")

    @cached_property
    def start(self) -> Floats:
        """x* in double precision."""
        return np.array([float(x) for x in self.point])

    @cached_property
    def arrays(self) -> tuple[Floats, Floats]:
        """(inputs (p, N), labels (N,)) in double precision."""
        return np.array([[float(x) for x in row] for row in self.data]).T, np.array([float(z) for z in self.labels])

    def values(self, w: Floats, samples: Any) -> list[Any]:
        """[F, dF/dw_1, ..., dF/dw_D] at weights w (D, ...) on the samples with these indices, vectorised in double precision."""
        inputs, _ = self.arrays
        return list(self._compiled("numpy")(*w, *inputs[:, samples]))

    def residuals(self, w: Floats) -> Floats:
        """F(w, y_i) - z_i, shape (N, ...) for w (D, ...)."""
        shape = w.shape[1:]
        return np.stack([np.broadcast_to(self.values(w, i)[0], shape) - self.arrays[1][i] for i in range(self.size)])

    def jacobian(self, w: Floats) -> Floats:
        """Rows grad F(w, y_i), (N, D), at one point w (D,)."""
        return np.array([[float(v) for v in self.values(w, i)[1:]] for i in range(self.size)])

    def precise(self) -> Callable[..., Any]:
        """The same functions for mpmath numbers, at the precision of the caller."""
        return self._compiled("mpmath")

    def _compiled(self, modules: str) -> Callable[..., Any]:
        import sympy

        if modules not in self._cache:
            outputs = [self.expression, *(sympy.diff(self.expression, w) for w in self.parameters)]
            self._cache[modules] = sympy.lambdify([*self.parameters, *self.inputs], outputs, modules=modules, cse=True)
        found: Callable[..., Any] = self._cache[modules]
        return found

    def _at(self, expression: Any, y: tuple[Any, ...]) -> Any:
        import sympy

        value = expression.subs({**dict(zip(self.parameters, self.point, strict=True)), **dict(zip(self.inputs, y, strict=True))}, simultaneous=True)
        if value.is_Rational:
            return value
        reduced = sympy.simplify(value.rewrite(sympy.exp)) if value.has(sympy.tanh) else sympy.simplify(value)
        if not reduced.is_finite and reduced.is_finite is not None:
            raise InputError(f"point: {expression} is not finite there; choose another point")
        return reduced


def product_model(point: Any, x: Any = 1, name: str = "w1 w2 x") -> SymbolicModel:
    """F(w, x) = w1 w2 x with one sample: K = (w1^2 + w2^2) x^2, and the minima form a hyperbola along which K varies."""
    import sympy

    w1, w2, y = sympy.symbols("w1 w2 x", real=True)
    return SymbolicModel(w1 * w2 * y, (w1, w2), (y,), point, ((x,),), name)


def two_layer_linear(hidden: int, point: Any, data: Any, name: str = "two-layer linear") -> SymbolicModel:
    """F(w, y) = sum_k a_k <b_k, y>, y in R^p; parameters a_1..a_h, then b_1, ..., b_h, each with p entries."""
    import sympy

    width = _width(data)
    _hidden(hidden)
    a = sympy.symbols(f"a1:{hidden + 1}", real=True)
    b = [sympy.symbols(f"b{k + 1}_1:{width + 1}", real=True) for k in range(hidden)]
    y = sympy.symbols(f"y1:{width + 1}", real=True)
    expression = sympy.Add(*(a[k] * sum(u * v for u, v in zip(b[k], y, strict=True)) for k in range(hidden)))
    return SymbolicModel(expression, (*a, *(u for row in b for u in row)), y, point, data, name)


def tanh_network(hidden: int, point: Any, data: Any, name: str = "tanh network") -> SymbolicModel:
    """F(w, y) = sum_k a_k tanh(<b_k, y>), y in R^p, 1 to 3 hidden units; parameters as in `two_layer_linear`."""
    import sympy

    width = _width(data)
    _hidden(hidden)
    a = sympy.symbols(f"a1:{hidden + 1}", real=True)
    b = [sympy.symbols(f"b{k + 1}_1:{width + 1}", real=True) for k in range(hidden)]
    y = sympy.symbols(f"y1:{width + 1}", real=True)
    expression = sympy.Add(*(a[k] * sympy.tanh(sum(u * v for u, v in zip(b[k], y, strict=True))) for k in range(hidden)))
    return SymbolicModel(expression, (*a, *(u for row in b for u in row)), y, point, data, name)


def _hidden(hidden: Any) -> None:
    if isinstance(hidden, bool) or not isinstance(hidden, int) or not 1 <= hidden <= 3:
        raise InputError(f"hidden = {hidden!r} is not a number of hidden units from 1 to 3")


def _width(data: Any) -> int:
    try:
        return len(data[0])
    except (TypeError, IndexError, KeyError):
        raise InputError(f"data = {data!r} is not a nonempty sequence of inputs; write for example [(1,), (2,)]") from None


def _vector(values: Any, size: int, name: str) -> tuple[Any, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != size:
        raise InputError(f"{name} = {values!r} is not a sequence of {size} exact numbers")
    return tuple(_number(x, f"{name}[{i}]") for i, x in enumerate(values))


def _number(value: Any, name: str) -> Any:
    import sympy

    if isinstance(value, sympy.Expr) and not value.is_Rational:
        if value.free_symbols or value.has(sympy.Float) or value.is_finite is False or value.is_real is False:
            raise InputError(f"{name} = {value} is not an exact real number; write a rational or a SymPy number such as log(2)")
        return value
    exact = rational(value, name)
    return sympy.Rational(exact.numerator, exact.denominator)


def _digits(expression: Any) -> Fraction:
    """A rational within 1e-32 of the number, by SymPy's evaluation to 60 digits."""
    value = expression.evalf(60)
    return Fraction(str(value)) if value.is_Float or value.is_Rational else Fraction(float(value))

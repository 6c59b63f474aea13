"""What the symbolic layer answers: `Exact` with its derivation, or `Unsolved` with every rule's reason.

Units are nats per step; log 0 is -infinity throughout, so an expression that takes the logarithm of 0 at some parameters means -oo there.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeVar

import sympy

from ..exact import InputError
from ..result import Attempt, Exponent, interval
from .algebra import is_zero
from .assumptions import NOTHING
from .case import Refused
from .problem import SymbolicProblem, assigned


@dataclass(frozen=True)
class Step:
    """One line of a derivation: the fact that it uses (a number of theorems/THEORY.md), what it says here, and expressions that vanish identically."""

    fact: str
    text: str
    identities: tuple[Any, ...] = ()

    @property
    def proved(self) -> bool:
        """Whether every identity simplifies to zero."""
        return all(is_zero(identity) for identity in self.identities)


class Derived:
    """What every derived answer has: `conditions` under which it holds, and a `derivation`, the lines of its proof."""

    conditions: tuple[Any, ...]
    derivation: tuple[Step, ...]

    @property
    def unproved(self) -> str:
        """Empty, or what is not proved: the first line whose identities do not all simplify to zero, or that there is no derivation."""
        if not self.derivation:
            return "there is no derivation"
        return next((step.text for step in self.derivation if not step.proved), "")

    @property
    def proved(self) -> bool:
        """Whether every identity of the derivation simplifies to zero, and there is a derivation."""
        return not self.unproved

    def broken(self, values: Mapping[Any, Any]) -> Any | None:
        """The first condition that is not true at exact values (by symbol), or None. A condition in symbols without a value is left open."""
        found = ((condition, condition.subs(values)) for condition in self.conditions)
        return next((condition for condition, there in found if there != True and not there.free_symbols), None)  # noqa: E712 (SymPy's own true)

    def proof_json(self) -> dict[str, Any]:
        """Stable keys: conditions, derivation (fact, text, identities)."""
        return {
            "conditions": [str(condition) for condition in self.conditions],
            "derivation": [{"fact": s.fact, "text": s.text, "identities": [f"{identity} = 0" for identity in s.identities]} for s in self.derivation],
        }


Answer = TypeVar("Answer", bound=Derived)


def checked(answer: Answer) -> Answer:
    """The answer, if its derivation checks; otherwise raises `Refused`. Nothing of this layer reaches a user without passing here."""
    if answer.unproved:
        raise Refused(f"refused: its check does not simplify to zero ({answer.unproved})")
    return answer


@dataclass(frozen=True)
class Exact(Derived):
    """A closed form of `quantity` ("lambda", "mu", ...): valid under the assumptions of the problem and `conditions`, proved by `derivation`."""

    quantity: str
    expression: Any
    conditions: tuple[Any, ...]
    derivation: tuple[Step, ...] = field(repr=False)
    rule: str = ""
    problem: SymbolicProblem | None = field(default=None, repr=False, compare=False)

    @property
    def symbols(self) -> tuple[Any, ...]:
        """The symbols that may take values: those of the problem."""
        return self.problem.symbols if self.problem is not None else tuple(self.expression.free_symbols)

    def at(self, values: Mapping[Any, Any]) -> Any:
        """The expression with exact values for symbols; log 0 = -oo. Raises `InputError` for values that contradict the assumptions or the conditions."""
        exact = assigned(self.symbols, values, self.problem.assumptions if self.problem is not None else NOTHING)
        if self.problem is not None:
            self.problem.at(exact)  # refuses values that make no problem, such as an indefinite K
        if (broken := self.broken(exact)) is not None:
            shown = ", ".join(f"{symbol} = {value}" for symbol, value in exact.items())
            raise InputError(f"the condition {broken} of this formula fails at {shown}; ask for closed_form(problem.at(values)) instead")
        return substituted(self.expression, exact)

    def enclosure(self, values: Mapping[Any, Any] | None = None, digits: int = 20) -> tuple[Fraction | None, Fraction | None]:
        """Rational bounds of the value at exact parameters, proved in ball arithmetic, `digits` correct decimals; (None, None) for -infinity."""
        from .evaluate import enclose

        return enclose(self.at(values or {}), digits)

    def certified(self, values: Mapping[Any, Any] | None = None, **options: Any) -> Exponent | None:
        """What the numeric engine proves about mu or lambda at rational parameters, with a certificate; None where the engine has no such problem.

        Options as for `Problem.lyapunov`. Raises `ArithmeticError` if the two layers contradict each other.
        """
        problem = self.problem.at(values or {}).rational() if self.problem is not None and self.quantity in ("mu", "lambda") else None
        if problem is None:
            return None
        found = problem.mu(options.get("width")) if self.quantity == "mu" else problem.lyapunov(estimate=False, **options)
        lo, hi = self.enclosure(values)
        low, high = found.ends if found is not None else (None, None)
        below = low is not None and (hi is None or hi < low)
        if below or (high is not None and lo is not None and lo > high):
            formula = f"{self.quantity} = {self.expression}"
            raise ArithmeticError(f"{formula} is outside of the certified enclosure {found}: one of the layers is wrong, please report it")
        return found

    def to_json(self) -> dict[str, Any]:
        """Stable keys: expression, conditions, rule, derivation."""
        return {"expression": str(self.expression), "rule": self.rule} | self.proof_json()

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def latex(self) -> str:
        """The formula in LaTeX."""
        name = {"lambda": r"\lambda", "mu": r"\mu"}.get(self.quantity, sympy.latex(sympy.Symbol(self.quantity)))
        return f"{name} = {sympy.latex(self.expression)}"

    def __str__(self) -> str:
        return f"{self.quantity} = {self.expression}"

    def with_problem(self, problem: SymbolicProblem) -> Exact:
        """The same, tied to its problem."""
        return replace(self, problem=problem)


@dataclass(frozen=True)
class Unsolved:
    """No rule applies: what every rule said, and for rational problems what the numeric engine encloses instead."""

    quantity: str
    tried: tuple[Attempt, ...]
    enclosure: Exponent | None = None

    @property
    def reason(self) -> str:
        """Every rule and why it does not apply."""
        return "no closed form is known here: " + "; ".join(f"{attempt.method}: {attempt.outcome}" for attempt in self.tried)

    def to_json(self) -> dict[str, Any]:
        """Stable keys: expression (null), reason, tried, enclosure (as in `exponent`, or null)."""
        tried = [{"rule": attempt.method, "reason": attempt.outcome} for attempt in self.tried]
        return {"expression": None, "reason": self.reason, "tried": tried, "enclosure": None if self.enclosure is None else self.enclosure.to_json()}

    def __str__(self) -> str:
        found = "" if self.enclosure is None else f"; enclosed instead: {self.enclosure}"
        return f"{self.quantity}: no closed form is known here{found}"

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(str(self))}</code>"


@dataclass(frozen=True)
class ClosedForms:
    """Both exponents of a problem; mu is None where there is no gradient descent to speak of (bare matrices)."""

    mu: Exact | Unsolved | None
    lambda_: Exact | Unsolved

    def to_json(self) -> dict[str, Any]:
        """{"mu": ..., "lambda": ...}."""
        return {"mu": None if self.mu is None else self.mu.to_json(), "lambda": self.lambda_.to_json()}


class ExtendedLog(sympy.Function):  # type: ignore[misc]
    """log with log 0 = -oo, where SymPy has the complex infinity."""

    nargs = 1

    @classmethod
    def eval(cls, x: Any) -> Any:
        if x.is_number:
            return sympy.S.NegativeInfinity if is_zero(x) else sympy.log(x)
        return None


class PrimeLog(ExtendedLog):
    """The same with logarithms of rational numbers as sums over their primes, where equal sums look equal."""

    @classmethod
    def eval(cls, x: Any) -> Any:
        if x.is_Rational and x.is_positive:
            return sum((e * sympy.log(q) for q, e in sympy.factorrat(x).items()), start=sympy.Integer(0))
        return super().eval(x)


def substituted(expression: Any, values: Mapping[Any, Any]) -> Any:
    """The expression at exact values, with log 0 = -oo."""
    try:
        found = expression.replace(sympy.log, ExtendedLog).subs(values, simultaneous=True)
    except ValueError:  # SymPy's Max refuses a number that is zero and does not look it, such as 2 log(2) - log(4)
        found = expression.replace(sympy.log, PrimeLog).subs(values, simultaneous=True).replace(PrimeLog, sympy.log)
    return found.replace(ExtendedLog, sympy.log) if found.has(ExtendedLog) else found


def shown_enclosure(ends: tuple[Fraction | None, Fraction | None]) -> str:
    """The enclosure in decimals, rounded outwards."""
    return "-infinity" if ends == (None, None) else interval(*ends)

"""What is known about the symbols, and the three-valued sign of an expression under it.

SymPy's own assumptions (positive, real, integer) do not know "0 < k < 1". Bounds are turned into positive variables instead: k = (lo + hi t)/(1 + t),
t > 0, or k = lo + t; a polynomial in positive variables whose coefficients have one sign has that sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy

from ..exact import InputError
from .algebra import is_zero, rational_parts
from .expressions import CONSTANTS, FUNCTIONS, parse

WORDS = ("positive", "nonnegative", "negative", "real", "nonzero", "integer")
_CHAIN = re.compile(r"(?:(?P<lo>[^<>=]+?)\s*(?P<lo_op><=?))?\s*(?P<name>[A-Za-z_]\w*)\s*(?:(?P<hi_op><=?)\s*(?P<hi>[^<>=]+?))?")
_TRIGONOMETRIC = (sympy.sin, sympy.cos)


@dataclass(frozen=True)
class Bound:
    """lo (<, <=) symbol (<, <=) hi; None where there is no bound."""

    lo: Any = None
    hi: Any = None
    lo_open: bool = True
    hi_open: bool = True

    def relations(self, symbol: Any) -> list[Any]:
        """The bound as SymPy relations."""
        low = [] if self.lo is None else [symbol > self.lo if self.lo_open else symbol >= self.lo]
        return low + ([] if self.hi is None else [symbol < self.hi if self.hi_open else symbol <= self.hi])


@dataclass(frozen=True)
class Assumptions:
    """Bounds of symbols, and expressions known to be positive (`facts`)."""

    bounds: Mapping[Any, Bound]
    facts: tuple[Any, ...] = ()

    def with_facts(self, facts: Iterable[Any]) -> Assumptions:
        """The same and more expressions that are positive."""
        return Assumptions(self.bounds, (*self.facts, *facts))

    def sign(self, expression: Any) -> int | None:
        """1 or -1 where the expression has that strict sign for all allowed values, 0 where it vanishes identically, None where that is not known."""
        expression = sympy.sympify(expression)
        if is_zero(expression):
            return 0
        sign = 1
        for factor, power in _factors(expression):
            one = self._factor_sign(factor)
            if one is None:
                return None
            sign *= one if power % 2 else 1
        return sign

    def nonnegative(self, expression: Any) -> bool:
        """Whether expression >= 0 for all allowed values is proved."""
        expression = sympy.sympify(expression)
        if expression.is_nonnegative or self.sign(expression) in (0, 1):
            return True
        return self._range_sign(expression, strictly=False)[0] == 1

    def _factor_sign(self, factor: Any) -> int | None:
        if factor.is_positive or factor.is_negative:
            return 1 if factor.is_positive else -1
        for fact in self.facts:
            ratio = sympy.cancel(factor / fact) if fact.free_symbols <= factor.free_symbols else factor
            if ratio.is_number and ratio.is_nonzero:
                return 1 if ratio.is_positive else -1
        sign, strict = self._range_sign(factor, strictly=True)
        return sign if strict else None

    def _range_sign(self, expression: Any, strictly: bool) -> tuple[int | None, bool]:
        """(1 where >= 0, -1 where <= 0, else None; whether strictly), from coefficient signs in nonnegative variables."""
        try:
            numerator, denominator = rational_parts(expression.subs(self._substitution(expression, strictly)))
        except (sympy.PolynomialError, NotImplementedError):
            return None, False
        signs = [_coefficient_sign(part) for part in (numerator, denominator)]
        if signs[0][0] is None or signs[1][0] is None or not signs[1][1]:
            return None, False
        return signs[0][0] * signs[1][0], signs[0][1]

    def _substitution(self, expression: Any, strictly: bool) -> dict[Any, Any]:
        """Every bounded symbol by a nonnegative variable; sine and cosine of a bounded angle in (-pi, pi) by the tangent of its half."""
        found: dict[Any, Any] = {}
        for angle in expression.atoms(*_TRIGONOMETRIC):
            bound = self.bounds.get(angle.args[0])
            if bound is None or bound.lo is None or bound.hi is None or not (-sympy.pi < bound.lo and bound.hi < sympy.pi):
                continue
            t = _positive(Bound(sympy.tan(bound.lo / 2), sympy.tan(bound.hi / 2), bound.lo_open, bound.hi_open), angle.args[0], strictly)
            found[angle] = 2 * t / (1 + t**2) if isinstance(angle, sympy.sin) else (1 - t**2) / (1 + t**2)
        return found | {s: _positive(bound, s, strictly) for s, bound in self.bounds.items() if expression.has(s) and bound != Bound()}

    @cached_property
    def relations(self) -> tuple[Any, ...]:
        """All that is assumed beyond SymPy's own assumptions, as relations."""
        return (*(relation for s, bound in self.bounds.items() for relation in bound.relations(s)), *(fact > 0 for fact in self.facts))


NOTHING = Assumptions({})


def declared(table: Any) -> tuple[dict[str, Any], Assumptions]:
    """Symbols by name and their bounds from {"eta": "positive", "k": "0 < k < 1", "theta": "real"}. Raises `InputError`."""
    if not isinstance(table, dict):
        raise InputError(f"symbols = {table!r} is not a table; write for example symbols = {{ eta = \"positive\", k = \"0 < k < 1\" }}")
    symbols: dict[str, Any] = {}
    bounds: dict[Any, Bound] = {}
    for name, words in table.items():
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,30}", name) or name in FUNCTIONS or name in CONSTANTS or name in ("lambda", "E", "I", "S", "N", "O", "Q"):
            raise InputError(f"symbols.{name}: a symbol is a letter followed by letters, digits or _, and no function, constant or reserved word; rename it")
        if not isinstance(words, str):
            raise InputError(f"symbols.{name} = {words!r} is not text; write \"positive\", \"real\" or an inequality such as \"0 < {name} < 1\"")
        symbols[name], bound = _declared(name, words)
        if bound != Bound():
            bounds[symbols[name]] = bound
    return symbols, Assumptions(bounds)


def _declared(name: str, words: str) -> tuple[Any, Bound]:
    if set(words.split()) <= set(WORDS) and words.split():
        try:
            symbol = sympy.Symbol(name, **(dict.fromkeys(words.split(), True) | {"real": True}))
        except Exception as error:  # InconsistentAssumptions derives from ValueError only in some versions of SymPy
            raise InputError(f"symbols.{name} = {words!r} contradicts itself ({type(error).__name__}); keep one of the words") from None
        return symbol, Bound()
    matched = _CHAIN.fullmatch(words.strip())
    if not matched or matched["name"] != name or not (matched["lo"] or matched["hi"]):
        raise InputError(f"symbols.{name} = {words!r} is not known; write {', '.join(WORDS)}, or an inequality such as \"0 < {name} < 1\"")
    lo, hi = (None if not matched[key] else parse(matched[key], {}, f"symbols.{name}") for key in ("lo", "hi"))
    bound = Bound(lo, hi, matched["lo_op"] != "<=", matched["hi_op"] != "<=")
    if lo is not None and hi is not None and not (lo < hi):
        raise InputError(f"symbols.{name} = {words!r} contradicts itself: no number lies in it; exchange the ends")
    return bounded_symbol(name, bound), bound


def bounded_symbol(name: str, bound: Bound) -> Any:
    """A symbol with the SymPy assumptions that follow from the bound."""
    known: dict[str, bool] = {"real": True}
    if bound.lo is not None and bound.lo >= 0:
        known = {"positive": True} if bound.lo > 0 or bound.lo_open else {"nonnegative": True}
    if bound.hi is not None and bound.hi <= 0:
        known = {"negative": True} if bound.hi < 0 or bound.hi_open else {"nonpositive": True}
    return sympy.Symbol(name, **known)


def from_relations(relations: Iterable[Any]) -> Assumptions:
    """Assumptions from SymPy relations: bounds where one symbol is compared with a number, facts otherwise."""
    bounds: dict[Any, Bound] = {}
    facts: list[Any] = []
    for relation in relations:
        if relation == True:  # noqa: E712 (SymPy's own true)
            continue
        if not isinstance(relation, (sympy.StrictGreaterThan, sympy.StrictLessThan, sympy.GreaterThan, sympy.LessThan)):
            raise InputError(f"assume: {relation} is not an inequality that can hold; write for example k < 1")
        small, large = relation.lts, relation.gts
        is_open = isinstance(relation, (sympy.StrictGreaterThan, sympy.StrictLessThan))
        if small.is_Symbol and large.is_number:
            old = bounds.get(small, Bound())
            bounds[small] = Bound(old.lo, large, old.lo_open, is_open) if old.hi is None or large < old.hi else old
        elif large.is_Symbol and small.is_number:
            old = bounds.get(large, Bound())
            bounds[large] = Bound(small, old.hi, is_open, old.hi_open) if old.lo is None or small > old.lo else old
        elif is_open:
            facts.append(large - small)
        else:
            raise InputError(f"assume: {relation} compares expressions weakly; write a strict inequality")
    for symbol, bound in bounds.items():
        if bound.lo is not None and bound.hi is not None and not (bound.lo < bound.hi):
            raise InputError(f"assume: no number satisfies {bound.lo} < {symbol} < {bound.hi}; the assumptions contradict each other")
        if (symbol.is_positive and bound.hi is not None and bound.hi <= 0) or (symbol.is_negative and bound.lo is not None and bound.lo >= 0):
            raise InputError(f"assume: {symbol} was declared {'positive' if symbol.is_positive else 'negative'}; the assumptions contradict each other")
    return Assumptions(bounds, tuple(facts))


def _positive(bound: Bound, symbol: Any, strictly: bool) -> Any:
    """The symbol in terms of a nonnegative variable t (positive where the ends are open).

    A closed upper end is t = infinity, where a strict sign can be lost: for strict signs a closed end is moved outwards a little and opened.
    """
    lo, hi = bound.lo, bound.hi
    lo = 0 if lo is None and symbol.is_nonnegative else lo
    lo_open, hi_open = bound.lo_open if bound.lo is not None else bool(symbol.is_positive), bound.hi_open
    if lo is not None and hi is not None and strictly:
        margin = (hi - lo) / 1000
        lo, hi, lo_open, hi_open = lo if lo_open else lo - margin, hi if hi_open else hi + margin, True, True
    open_ends = (lo is None or lo_open) and (hi is None or hi_open)
    t = sympy.Dummy(str(symbol), **({"positive": True} if open_ends else {"nonnegative": True}))
    if lo is not None and hi is not None:
        return (lo + hi * t) / (1 + t)
    return lo + t if lo is not None else hi - t


def _factors(expression: Any) -> list[tuple[Any, int]]:
    numerator, denominator = sympy.fraction(sympy.together(expression))
    try:
        parts = [sympy.factor_list(part) for part in (numerator, denominator)]
    except (sympy.PolynomialError, NotImplementedError):
        return [(expression, 1)]
    return [(sympy.sympify(c), 1) for c, _ in parts] + [(f, int(e)) for _, factors in parts for f, e in factors]


def _coefficient_sign(part: Any) -> tuple[int | None, bool]:
    part = sympy.expand(part)
    if part.is_number:
        return (1, part.is_zero is False) if part.is_nonnegative else (-1, True) if part.is_negative else (None, False)
    signs, strict = set[int](), False
    for term in sympy.Add.make_args(part):
        coefficient, monomial = term.as_coeff_Mul()
        if not coefficient.is_real or not monomial.is_nonnegative:
            return None, False
        signs.add(1 if coefficient > 0 else -1)
        strict = strict or bool(monomial.is_positive)
    return (signs.pop(), strict) if len(signs) == 1 else (None, False)

"""The grammar of predicates: a tokenizer and a recursive-descent parser. Nothing is ever evaluated as code.

    or_expr    := and_expr ("or" and_expr)*
    and_expr   := not_expr ("and" not_expr)*
    not_expr   := "not" not_expr | comparison
    comparison := sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)*        chained as in a < b <= c
    sum        := product (("+" | "-") product)*
    product    := unary (("*" | "/") unary)*
    unary      := ("+" | "-") unary | power
    power      := atom ["**" ["-"] INTEGER]
    atom       := NUMBER | NAME | "abs" "(" sum ")" | "(" or_expr ")"

Errors are `InputError`s with the position (counted from 1) and what was expected there.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from fractions import Fraction

from ..exact import InputError, rational

MAX_LENGTH = 2000
MAX_DEPTH = 40
MAX_EXPONENT = 64
EXPONENTS = ("lambda", "mu", "ms")
EIGENVALUES = ("kappa_min", "kappa_max")
COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")
KEYWORDS = ("and", "or", "not", "abs")

_TOKEN = re.compile(r"(?P<space>\s+)|(?P<number>(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<symbol>\*\*|<=|>=|==|!=|[-+*/()<>])", re.ASCII)
_ADVICE = {"=": "write == for equality", "&": "write and", "|": "write or", "!": "write not, or != for unequal", "^": "write ** for powers", ",": "write and"}


@dataclass(frozen=True)
class Number:
    value: Fraction


@dataclass(frozen=True)
class Name:
    """`kind`: lambda, mu, ms, kappa_min, kappa_max, eta, c or k; `indices` from 0 (c: one, k: two)."""

    kind: str
    indices: tuple[int, ...] = ()


@dataclass(frozen=True)
class Arithmetic:
    """`operator`: + - * / (two operands), abs or neg (one)."""

    operator: str
    operands: tuple[Term, ...]


@dataclass(frozen=True)
class Power:
    base: Term
    exponent: int


@dataclass(frozen=True)
class Comparison:
    left: Term
    operator: str
    right: Term


@dataclass(frozen=True)
class Junction:
    """`operator`: and, or (two or more), not (one)."""

    operator: str
    operands: tuple[Formula, ...]


Term = Number | Name | Arithmetic | Power
Formula = Comparison | Junction


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str, points: int) -> Formula:
    """The syntax tree of a predicate about N = `points` data points; `InputError` where it is malformed."""
    if not isinstance(text, str):
        raise InputError(f"predicate = {text!r} is not text; write for example \"lambda < 0 and ms > 0\"")
    if len(text) > MAX_LENGTH:
        raise InputError(f"predicate has {len(text)} characters, more than {MAX_LENGTH}")
    return _Parser(text, points).whole()


def names(tree: Term | Formula) -> set[Name]:
    """All names that occur."""
    if isinstance(tree, Name):
        return {tree}
    if isinstance(tree, Number):
        return set()
    parts: tuple[Term | Formula, ...]
    if isinstance(tree, Power):
        parts = (tree.base,)
    elif isinstance(tree, Comparison):
        parts = (tree.left, tree.right)
    else:
        parts = tree.operands
    return set().union(*map(names, parts))


class _Parser:
    def __init__(self, text: str, points: int) -> None:
        self.points = points
        self.tokens = _tokens(text)
        self.next = 0
        self.depth = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def whole(self) -> Formula:
        start = self.token
        found = self.formula(self.either(), start)
        if self.token.kind != "end":
            raise self.error("a comparison, an operator, \"and\", \"or\" or the end")
        return found

    def take(self, *texts: str) -> str | None:
        if self.token.text in texts and self.token.kind in ("symbol", "name"):
            self.next += 1
            return self.tokens[self.next - 1].text
        return None

    def expect(self, text: str) -> None:
        if self.take(text) is None:
            raise self.error(f"\"{text}\"")

    def error(self, expected: str, token: _Token | None = None) -> InputError:
        at = token or self.token
        found = "the end of the text" if at.kind == "end" else f"\"{at.text}\""
        return InputError(f"predicate: expected {expected} at position {at.position}, found {found}")

    def formula(self, tree: Term | Formula, start: _Token) -> Formula:
        """The tree, if it is true or false rather than a number."""
        if isinstance(tree, (Comparison, Junction)):
            return tree
        raise self.error("a comparison such as \"< 0\"", self.token) if self.token.kind != "symbol" else self.error("a comparison, not a number alone,", start)

    def term(self, tree: Term | Formula, start: _Token) -> Term:
        """The tree, if it is a number rather than true or false."""
        if isinstance(tree, (Comparison, Junction)):
            raise self.error("a number, not a comparison,", start)
        return tree

    def either(self) -> Term | Formula:
        return self.junction("or", self.both)

    def both(self) -> Term | Formula:
        return self.junction("and", self.negation)

    def junction(self, word: str, operand: object) -> Term | Formula:
        assert callable(operand)
        start = self.token
        first: Term | Formula = operand()
        operands = [first]
        while self.token.text == word and self.token.kind == "name":
            operands[-1] = self.formula(operands[-1], start)
            self.next += 1
            start = self.token
            operands.append(operand())
        if len(operands) == 1:
            return first
        return Junction(word, tuple(self.formula(x, start) for x in operands))

    def negation(self) -> Term | Formula:
        if self.take("not") is None:
            return self.comparison()
        start = self.token
        self.descend()
        found = Junction("not", (self.formula(self.negation(), start),))
        self.depth -= 1
        return found

    def comparison(self) -> Term | Formula:
        start = self.token
        left: Term | Formula = self.sum()
        found: list[Formula] = []
        while (operator := self.take(*COMPARISONS)) is not None:
            left = self.term(left, start)
            start = self.token
            right = self.term(self.sum(), start)
            found.append(Comparison(left, operator, right))
            left = right
        if not found:
            return left
        return found[0] if len(found) == 1 else Junction("and", tuple(found))

    def sum(self) -> Term | Formula:
        return self.chain(("+", "-"), self.product)

    def product(self) -> Term | Formula:
        return self.chain(("*", "/"), self.unary)

    def chain(self, operators: tuple[str, ...], operand: object) -> Term | Formula:
        assert callable(operand)
        start = self.token
        left: Term | Formula = operand()
        while (operator := self.take(*operators)) is not None:
            left = self.term(left, start)
            start, place = self.token, self.next
            right = self.term(operand(), start)
            if operator == "/" and right == Number(Fraction(0)):
                self.next = place
                raise self.error("a divisor other than 0")
            left = Arithmetic(operator, (left, right))
        return left

    def unary(self) -> Term | Formula:
        sign = self.take("+", "-")
        if sign is None:
            return self.power()
        start = self.token
        self.descend()
        operand = self.term(self.unary(), start)
        self.depth -= 1
        return operand if sign == "+" else Arithmetic("neg", (operand,))

    def power(self) -> Term | Formula:
        start = self.token
        base = self.atom()
        if self.take("**") is None:
            return base
        base = self.term(base, start)
        negative = self.take("-") is not None
        if self.token.kind != "number" or not self.token.text.isdigit() or len(self.token.text) > 3 or int(self.token.text) > MAX_EXPONENT:
            raise self.error(f"an integer exponent of at most {MAX_EXPONENT}")
        exponent = int(self.token.text)
        self.next += 1
        return Power(base, -exponent if negative else exponent)

    def atom(self) -> Term | Formula:
        token = self.token
        if token.kind == "number":
            self.next += 1
            return Number(rational(token.text, f"predicate, position {token.position}"))
        if self.take("abs") is not None:
            self.expect("(")
            start = self.token
            self.descend()
            inner = self.term(self.sum(), start)
            self.depth -= 1
            self.expect(")")
            return Arithmetic("abs", (inner,))
        if self.take("(") is not None:
            self.descend()
            found = self.either()
            self.depth -= 1
            self.expect(")")
            return found
        if token.kind == "name" and token.text not in KEYWORDS:
            self.next += 1
            return self.name(token)
        raise self.error("a number, a name, \"abs\" or \"(\"")

    def descend(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InputError(f"predicate: nested more than {MAX_DEPTH} deep at position {self.token.position}; write it flatter")

    def name(self, token: _Token) -> Name:
        if token.text in (*EXPONENTS, *EIGENVALUES, "eta"):
            return Name(token.text)
        match = re.fullmatch(r"(?:c(\d{1,4}))|(?:k(\d)(\d))|(?:k(\d{1,4})_(\d{1,4}))", token.text, re.ASCII)
        if match is None:
            known = [*EXPONENTS, *EIGENVALUES, "eta", "c1", "k11", "k12", *KEYWORDS]
            near = difflib.get_close_matches(token.text, known, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise self.error(f"a name such as lambda, mu, ms, eta, c1, k12, kappa_min or kappa_max{hint}", token)
        indices = tuple(int(x) - 1 for x in match.groups() if x is not None)
        if not all(0 <= i < self.points for i in indices):
            raise self.error(f"an index from 1 to {self.points} (the number of data points)", token)
        return Name(token.text[0], tuple(sorted(indices)))


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            advice = _ADVICE.get(text[at], "")
            raise InputError(f"predicate: expected a number, a name or an operator at position {at + 1}, found {text[at]!r}{'; ' + advice if advice else ''}")
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(_Token(kind, match.group(), at + 1))
        at = match.end()
    return [*found, _Token("end", "", len(text) + 1)]

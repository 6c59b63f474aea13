"""Text to SymPy: a small grammar with a whitelist, read from Python's syntax tree and never evaluated as code.

Numbers are exact ("0.1" is 1/10), names are those declared under `symbols`, functions are those below.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping
from typing import Any

import sympy

from ..exact import InputError, rational
from .algebra import is_zero

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sqrt": sympy.sqrt, "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "exp": sympy.exp, "log": sympy.log,
    "Abs": sympy.Abs, "Max": sympy.Max, "Min": sympy.Min,
}  # fmt: skip
CONSTANTS: dict[str, Any] = {"pi": sympy.pi}
MAX_LENGTH, MAX_EXPONENT, MAX_DEPTH = 2000, 64, 60
MAX_DIGITS_OF_BASE = 8  # a number of 8 digits, or degree 8, may stand below the exponent 64

_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}


def parse(text: str, symbols: Mapping[str, Any], name: str) -> Any:
    """The SymPy expression that `text` spells in the declared symbols. Raises `InputError` that says what is not allowed and where."""
    if len(text) > MAX_LENGTH:
        raise InputError(f"{name} has {len(text)} characters; an expression has at most {MAX_LENGTH}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        value = _Reader(text.strip(), symbols, name).read(tree.body, 0)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        place = f" (column {error.offset})" if isinstance(error, SyntaxError) and error.offset else ""
        raise InputError(f"{name} = {text!r} is not an expression{place}; write for example \"eta*k/2\" or \"cos(theta)**2\"") from None
    if value.has(sympy.zoo, sympy.nan, sympy.oo) or value.is_real is False:
        raise InputError(f"{name} = {text!r} is not a finite real number; check for a division by zero or a root of a negative number")
    return value


class _Reader:
    def __init__(self, text: str, symbols: Mapping[str, Any], name: str) -> None:
        self.text, self.symbols, self.name = text, symbols, name

    def fail(self, node: ast.AST, what: str) -> InputError:
        shown = ast.get_source_segment(self.text, node) or self.text
        return InputError(f"{self.name} = {self.text!r}: {shown!r} (column {getattr(node, 'col_offset', 0) + 1}) {what}")

    def read(self, node: ast.expr, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.fail(node, "is nested too deeply")
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name(id=word):
                return self.word(node, word)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self.read(inner, depth + 1)
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self.read(inner, depth + 1)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATIONS:
                return self.operate(node, operator, self.read(left, depth + 1), self.read(right, depth + 1))
            case ast.BinOp(op=ast.BitXor()):
                raise self.fail(node, "uses ^; write ** for powers")
            case ast.Call(func=ast.Name(id=word), args=arguments, keywords=[]) if word in FUNCTIONS:
                return self.call(node, word, [self.read(argument, depth + 1) for argument in arguments])
            case ast.Call(func=ast.Name(id=word)):
                raise self.fail(node, f"calls {word}, which is not one of the functions {', '.join(FUNCTIONS)}")
        raise self.fail(node, "is not allowed; use numbers, declared symbols, + - * / **, and " + ", ".join(FUNCTIONS))

    def number(self, node: ast.Constant) -> Any:
        spelling = ast.get_source_segment(self.text, node) or ""
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float, complex)):
            raise self.fail(node, "is not a number")
        value = rational(spelling.replace("_", ""), self.name)  # from the spelling, bounded: never through a float
        return sympy.Rational(value.numerator, value.denominator)

    def word(self, node: ast.Name, word: str) -> Any:
        if word in self.symbols:
            return self.symbols[word]
        if word in CONSTANTS:
            return CONSTANTS[word]
        near = difflib.get_close_matches(word, [*self.symbols, *CONSTANTS], 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else f"declare it, for example symbols = {{ {word} = \"positive\" }}"
        raise self.fail(node, f"is not a declared symbol; {hint}")

    def operate(self, node: ast.BinOp, operator: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(operator, ast.Pow):
            if not (right.is_Rational and abs(right) <= MAX_EXPONENT):
                raise self.fail(node, f"has an exponent that is not a rational number of at most {MAX_EXPONENT}")
            if _size(left) * abs(right) > MAX_EXPONENT * MAX_DIGITS_OF_BASE:
                raise self.fail(node, "is a power that is too large")
        if isinstance(operator, ast.Div) and is_zero(right):
            raise self.fail(node, "divides by zero")
        return _OPERATIONS[type(operator)](left, right)

    def call(self, node: ast.Call, word: str, arguments: list[Any]) -> Any:
        if len(arguments) != 1 and word not in ("Max", "Min"):
            raise self.fail(node, f"gives {word} {len(arguments)} arguments instead of one")
        if word == "exp" and arguments[0].is_number and abs(arguments[0]) > MAX_EXPONENT:
            raise self.fail(node, f"has an exponent that is above {MAX_EXPONENT}")
        return FUNCTIONS[word](*arguments)


def _size(expression: Any) -> int:
    """A bound of what a power multiplies: the degree in the symbols, or the digits of a number."""
    if expression.is_Rational:
        return len(str(abs(expression.p))) + len(str(expression.q)) - 1
    if expression.is_Pow and expression.exp.is_Rational:
        return int(_size(expression.base) * abs(expression.exp)) + 1
    sizes = [_size(argument) for argument in expression.args]
    return sum(sizes) if expression.is_Mul else max(sizes, default=1)

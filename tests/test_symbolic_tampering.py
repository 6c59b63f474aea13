"""What must fail: answers of the symbolic layer whose check does not close, or that the numeric layer contradicts, do not reach the user."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sympy

from verify.symbolic import Refused, SymbolicProblem, closed_form, mean_square_threshold, small_steps
from verify.symbolic import expansion as expansions
from verify.symbolic import mean_square as mean_squares
from verify.symbolic.result import Exact, Step, checked
from verify.symbolic.roots import largest_real_root, real_roots

PAIR = SymbolicProblem.from_gram([[1, "1/2"], ["1/2", 2]], 1)
X = sympy.Symbol("x", real=True)


def test_a_root_that_is_not_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: object) -> tuple[sympy.Expr, sympy.Expr]:
        root, check = largest_real_root(*arguments)  # type: ignore[arg-type]
        return root + 1, check + 1

    monkeypatch.setattr(mean_squares, "largest_real_root", wrong)
    with pytest.raises(Refused, match="does not simplify to zero"):
        mean_square_threshold(PAIR)


@pytest.mark.parametrize("name", ["_primitive", "_without_surd"])
def test_a_wrong_expansion_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Poisson's equation is checked from the moves, and its tidied coefficients against the solution: neither uses how they were found."""
    right = getattr(expansions, name)
    monkeypatch.setattr(expansions, name, lambda first, *others: right(first, *others) * 2)
    expansions._poisson.cache_clear()
    with pytest.raises(Refused, match="does not simplify to zero"):
        small_steps(PAIR, 3)
    expansions._poisson.cache_clear()


def test_an_answer_without_a_derivation_is_refused() -> None:
    with pytest.raises(Refused, match="no derivation"):
        checked(Exact("lambda", X, (), ()))


def test_a_contradiction_between_the_layers_is_reported() -> None:
    found = closed_form(SymbolicProblem.from_gram([[1, 0], [0, 2]], "1/2")).lambda_
    assert isinstance(found, Exact)
    assert found.certified() is not None
    with pytest.raises(ArithmeticError, match="outside of the certified enclosure"):
        replace(found, expression=found.expression + 1).certified()


def test_a_condition_that_is_not_decided_counts_as_broken() -> None:
    answer = Exact("lambda", X, (sympy.Gt(X, 0),), (Step("E3", "", (0 * X,)),))
    assert answer.broken({X: sympy.Integer(1)}) is None
    assert answer.broken({X: sympy.Integer(-1)}) == sympy.Gt(X, 0)
    assert replace(answer, conditions=(sympy.Ne(X, X, evaluate=False),)).broken({X: sympy.Integer(1)}) is not None


def test_roots_of_irrational_polynomials_are_refused() -> None:
    t = sympy.Symbol("t")
    with pytest.raises(Refused, match="irrational coefficients"):
        real_roots(sympy.Poly(t**3 - sympy.sqrt(2) * t + 1, t))

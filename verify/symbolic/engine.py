"""The engine of the symbolic layer: tries the rules in order, checks the derivation of the one that answers, and says what every other one said."""

from __future__ import annotations

from dataclasses import replace

from ..problem import Problem
from ..result import Attempt
from .case import Case, Refused
from .problem import SymbolicProblem
from .result import ClosedForms, Exact, Unsolved, checked
from .rules import LAMBDA, MU, Rule


def closed_form(problem: Problem | SymbolicProblem, *, enclose: bool = True) -> ClosedForms:
    """Closed forms of mu and lambda (nats per step) in the symbols of the problem, each `Exact(expression, conditions, derivation)`, or `Unsolved`.

    An `Exact` is returned only after every identity of its derivation has been simplified to zero (S1 or a named fact of theorems/THEORY.md). An
    `Unsolved` lists what every rule said and, for rational problems and unless `enclose` is False, the enclosure of the numeric engine.
    Raises `InputError` for a measured K.
    """
    symbolic = SymbolicProblem.of(problem)
    case = Case(symbolic)
    lambda_ = _answer("lambda", case, LAMBDA, enclose)
    has_mu = symbolic.matrices is None and symbolic.population is None
    return ClosedForms(_answer("mu", case, MU, enclose) if has_mu else None, lambda_)


def _answer(quantity: str, case: Case, rules: list[Rule], enclose: bool) -> Exact | Unsolved:
    try:
        return derived(quantity, case, rules).with_problem(case.problem)
    except Failure as failure:
        numeric = case.problem.rational() if enclose else None
        if numeric is None:
            return Unsolved(quantity, failure.tried)
        return Unsolved(quantity, failure.tried, numeric.mu() if quantity == "mu" else numeric.lyapunov("1e-6", time_limit=5.0))


class Failure(Refused):
    """No rule applies."""

    def __init__(self, tried: tuple[Attempt, ...]) -> None:
        super().__init__("; ".join(f"{attempt.method}: {attempt.outcome}" for attempt in tried))
        self.tried = tried


def derived(quantity: str, case: Case, rules: list[Rule]) -> Exact:
    """The first closed form whose derivation checks. Raises `Failure` with every rule's reason."""
    tried: list[Attempt] = []

    def solve(smaller: Case) -> Exact:
        return derived(quantity, smaller, rules)

    for rule in rules:
        try:
            found = checked(rule.derive(case, solve))
        except Refused as reason:
            tried.append(Attempt(rule.name, str(reason)))
            continue
        return replace(found, rule=found.rule or rule.name)
    raise Failure(tuple(tried))

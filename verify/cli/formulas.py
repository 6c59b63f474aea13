"""The command `closed-form`: formulas of mu and lambda, thresholds and expansions, and their values at exact parameters."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..exact import InputError
from .output import destination, print_json, progress, written

if TYPE_CHECKING:
    from ..symbolic import ClosedForms, SymbolicProblem

MAX_DIGITS = 1000


def formulas(arguments: Namespace) -> int:
    """Print what the symbolic layer derives; exit code 0 iff it found every formula that was asked for."""
    out = destination(arguments.certificate, "--certificate", (arguments.problem,)) if arguments.certificate is not None else None
    if arguments.digits > MAX_DIGITS:
        raise InputError(f"--digits {arguments.digits} is above {MAX_DIGITS}")
    from ..symbolic import gd_threshold, large_steps, mean_square_threshold, small_steps
    from ..symbolic.expressions import parse
    from ..symbolic.problem_file import load_symbolic_problem
    from ..symbolic.report import Report, sections

    values = {name: parse(text, {}, name) for name, text in map(_assignment, arguments.at)}
    problem = load_symbolic_problem(arguments.problem)
    evaluated = problem.at(values) if values else problem
    wanted: dict[str, Callable[[Any], Any]] = {}
    if arguments.thresholds:
        wanted |= {"eta_gd": gd_threshold, "eta_ms": mean_square_threshold}
    if arguments.expansions:
        wanted |= {"small_steps": small_steps, "large_steps": large_steps}
    with progress() as say:
        if say:
            say("trying the rules")
        forms = _forms(problem, evaluated, values)
        extra = {name: _valid_there(derive, problem, evaluated, values) for name, derive in wanted.items()}
    report = Report(problem, forms, extra, values if values or not problem.symbols else None, arguments.digits)
    path = None
    if out is not None:
        numeric = evaluated.rational()
        if numeric is None:
            raise InputError("--certificate needs rational values for every symbol (--at NAME=VALUE) and a data set, a Gram matrix or matrices")
        path = written(numeric.lyapunov(estimate=False), out, arguments.certificate)
    if arguments.json:
        print_json(report.to_json() | ({"certificate": path} if out is not None else {}))
    elif arguments.latex:
        print("\n".join(report.latex()))
    else:
        from ..report.text import print_sections

        print_sections(sections(report), sys.stdout)
        if out is not None:
            print(f"\ncertificate of lambda: {path or 'none, nothing is proved'}")
    return 0 if report.found and (out is None or path is not None) else 1


def _forms(problem: SymbolicProblem, evaluated: SymbolicProblem, values: dict[str, Any]) -> ClosedForms:
    """The general formulas, each where its conditions hold at the given values; else what is known about the evaluated problem."""
    from ..symbolic import ClosedForms, closed_form

    forms = closed_form(problem, enclose=not values)
    answers = (forms.mu, forms.lambda_)
    if not values or all(answer is None or _holds(answer, values) for answer in answers):
        return forms
    special = closed_form(evaluated)
    mu, lambda_ = (a if a is None or _holds(a, values) else b for a, b in zip(answers, (special.mu, special.lambda_), strict=True))
    return ClosedForms(mu, lambda_)  # type: ignore[arg-type]


def _valid_there(derive: Callable[[Any], Any], problem: SymbolicProblem, evaluated: SymbolicProblem, values: dict[str, Any]) -> Any:
    """The general answer where its conditions hold at the given values, else that of the evaluated problem, else the reason why there is none."""
    from ..symbolic.case import Refused

    reason = ""
    for one in (problem, evaluated):
        try:
            answer = derive(one)
            if _holds(answer, values):
                return answer
        except Refused as refusal:
            reason = str(refusal)
    return reason


def _holds(answer: Any, values: dict[str, Any]) -> bool:
    """Whether this is a formula, none of whose conditions fails at the values."""
    from ..symbolic.result import Derived

    if not isinstance(answer, Derived):
        return False
    symbols = set().union(*(condition.free_symbols for condition in answer.conditions))
    return answer.broken({symbol: values[str(symbol)] for symbol in symbols if str(symbol) in values}) is None


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise InputError(f"--at {text!r} is not NAME=VALUE; write for example --at eta=1/2")
    return name.strip(), value.strip()

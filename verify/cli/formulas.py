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
    values = dict(_assignment(text) for text in arguments.at)
    from ..symbolic import closed_form
    from ..symbolic.problem_file import load_symbolic_problem
    from ..symbolic.report import Report, sections

    problem = load_symbolic_problem(arguments.problem)
    evaluated = problem.at(values) if values else problem
    with progress() as say:
        if say:
            say("trying the rules")
        forms = closed_form(problem, enclose=not values)
        if values:
            forms = _specialised(forms, evaluated, values)
        extra: dict[str, Any] = {}
        if arguments.thresholds:
            extra |= _extra(problem, ("eta_gd", "eta_ms"))
        if arguments.expansions:
            extra |= _extra(problem, ("small_steps", "large_steps"))
    report = Report(problem, forms, extra, values if values or not problem.symbols else None, arguments.digits)
    path = None
    if out is not None:
        numeric = evaluated.rational()
        if numeric is None:
            raise InputError("--certificate needs rational values for every symbol (--at NAME=VALUE) and an optimiser without momentum or weight decay")
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


def _specialised(forms: ClosedForms, evaluated: SymbolicProblem, values: dict[str, str]) -> ClosedForms:
    """At given values: a general formula where its conditions hold there, else what is known about the evaluated problem."""
    from ..symbolic import ClosedForms, Exact, closed_form
    from ..symbolic.problem import expression

    def kept(answer: Any) -> bool:
        if not isinstance(answer, Exact):
            return answer is None
        symbols = {str(s): s for s in (answer.problem.symbols if answer.problem is not None else ())}
        return answer.broken({symbols[name]: expression(value, name) for name, value in values.items() if name in symbols}) is None

    if kept(forms.mu) and kept(forms.lambda_):
        return forms
    special = closed_form(evaluated)
    return ClosedForms(forms.mu if kept(forms.mu) else special.mu, forms.lambda_ if kept(forms.lambda_) else special.lambda_)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise InputError(f"--at {text!r} is not NAME=VALUE; write for example --at eta=1/2")
    return name.strip(), value.strip()


def _extra(problem: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The result of each, or the reason why there is none."""
    from ..symbolic import gd_threshold, large_steps, mean_square_threshold, small_steps
    from ..symbolic.case import Refused

    functions: dict[str, Callable[[Any], Any]] = {
        "eta_gd": gd_threshold, "eta_ms": mean_square_threshold, "small_steps": small_steps, "large_steps": large_steps,
    }  # fmt: skip
    found: dict[str, Any] = {}
    for name in names:
        try:
            found[name] = functions[name](problem)
        except Refused as reason:
            found[name] = str(reason)
    return found

"""The symbolic layer: closed forms of the exponents, each derived and proved.

    >>> import sympy
    >>> from verify.symbolic import SymbolicProblem, closed_form
    >>> eta, k = sympy.symbols("eta k", positive=True)
    >>> closed_form(SymbolicProblem.from_gram([[k]], eta)).lambda_.expression
    log(Abs(eta*k - 1))
"""

from __future__ import annotations

from .case import Refused
from .engine import closed_form
from .expansion import Bracket, Expansion, large_steps, small_step_bracket, small_steps
from .mean_square import mean_square_threshold
from .problem import Descent, Population, SymbolicProblem
from .problem_file import load_symbolic_problem
from .result import ClosedForms, Exact, Step, Unsolved
from .rules.mu import gd_threshold, mu_sign_conditions

__all__ = [
    "Bracket",
    "ClosedForms",
    "Descent",
    "Exact",
    "Expansion",
    "Population",
    "Refused",
    "Step",
    "SymbolicProblem",
    "Unsolved",
    "closed_form",
    "gd_threshold",
    "large_steps",
    "load_symbolic_problem",
    "mean_square_threshold",
    "mu_sign_conditions",
    "small_step_bracket",
    "small_steps",
]

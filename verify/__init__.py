"""Certified verdicts on the stability of stochastic gradient descent.

    >>> import verify
    >>> problem = verify.Problem.from_gram([["1", "1/2"], ["1/2", "2"]], verify.SGD("101/100"))
    >>> problem.lyapunov().sign
    <Sign.NEGATIVE: 'negative'>

Heavy parts are imported when they are first asked for.
"""

from typing import TYPE_CHECKING, Any

from .certificate import Rejected, check, write_certificate
from .exact import InputError
from .minimum import MeasuredMinimum, Minimum
from .optimiser import SGD, GradientDescent
from .problem import Exponents, Problem
from .problem_file import load_problem
from .result import Enclosure, Estimate, Exact, Exponent, Sign

if TYPE_CHECKING:
    from .search import find_counterexample
    from .symbolic import SymbolicProblem, closed_form, load_symbolic_problem

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Enclosure",
    "Estimate",
    "Exact",
    "Exponent",
    "Exponents",
    "GradientDescent",
    "InputError",
    "MeasuredMinimum",
    "Minimum",
    "Problem",
    "Rejected",
    "Sign",
    "SymbolicProblem",
    "check",
    "closed_form",
    "find_counterexample",
    "load_problem",
    "load_symbolic_problem",
    "write_certificate",
]

_LAZY = {"SymbolicProblem": "symbolic", "closed_form": "symbolic", "find_counterexample": "search", "load_symbolic_problem": "symbolic"}


def __getattr__(name: str) -> Any:
    """SymPy takes half a second to import: the symbolic layer is loaded on first use."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

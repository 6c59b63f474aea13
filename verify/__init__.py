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
from .optimiser import SGD, GradientDescent, Reshuffled
from .problem import Exponents, Problem
from .problem_file import load_problem
from .result import Enclosure, Estimate, Exact, Exponent, Sign

if TYPE_CHECKING:
    from .certificate.check_balls import check_balls
    from .citation import cite
    from .moments import Bounds, escape_exponent, growth_variance, joint_spectral_radius, lyapunov_spectrum, mean_square_step_size, moment
    from .search import find_counterexample
    from .symbolic import SymbolicProblem, closed_form, load_symbolic_problem
    from .threshold.undecided import undecided_steps

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Bounds",
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
    "Reshuffled",
    "Sign",
    "SymbolicProblem",
    "check",
    "check_balls",
    "cite",
    "closed_form",
    "escape_exponent",
    "find_counterexample",
    "growth_variance",
    "joint_spectral_radius",
    "load_problem",
    "load_symbolic_problem",
    "lyapunov_spectrum",
    "mean_square_step_size",
    "moment",
    "undecided_steps",
    "write_certificate",
]

_LAZY = {"SymbolicProblem": "symbolic", "closed_form": "symbolic", "find_counterexample": "search", "load_symbolic_problem": "symbolic"}
_LAZY |= {"check_balls": "certificate.check_balls", "cite": "citation", "undecided_steps": "threshold.undecided"}
_LAZY |= dict.fromkeys(("Bounds", "escape_exponent", "growth_variance", "joint_spectral_radius", "lyapunov_spectrum"), "moments")
_LAZY |= dict.fromkeys(("mean_square_step_size", "moment"), "moments")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def __getattr__(name: str) -> Any:
    """SymPy takes half a second to import: the symbolic layer is loaded on first use."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

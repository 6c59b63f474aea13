"""Certified verdicts on the stability of stochastic gradient descent.

    >>> import verify
    >>> problem = verify.Problem.from_gram([["1", "1/2"], ["1/2", "2"]], verify.SGD("101/100"))
    >>> problem.lyapunov().sign
    <Sign.NEGATIVE: 'negative'>

Heavy parts are imported when they are first asked for.
"""

from .certificate import Rejected, check, write_certificate
from .exact import InputError
from .minimum import MeasuredMinimum, Minimum
from .optimiser import SGD, GradientDescent
from .problem import Exponents, Problem
from .problem_file import load_problem
from .result import Enclosure, Estimate, Exact, Exponent, Sign

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
    "check",
    "load_problem",
    "write_certificate",
]

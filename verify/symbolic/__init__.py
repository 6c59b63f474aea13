"""The symbolic layer: closed forms of the exponents, each derived and proved.

    >>> import sympy
    >>> from verify.symbolic import SymbolicProblem, closed_form
    >>> eta, k = sympy.symbols("eta k", positive=True)
    >>> closed_form(SymbolicProblem.from_gram([[k]], eta)).lambda_.expression
    log(Abs(eta*k - 1))
"""

from __future__ import annotations

from .closed_form import closed_form
from .problem import Descent, Population, SymbolicProblem
from .result import ClosedForms, Exact, Step, Unsolved

__all__ = ["ClosedForms", "Descent", "Exact", "Population", "Step", "SymbolicProblem", "Unsolved", "closed_form"]

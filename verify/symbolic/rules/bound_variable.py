"""Names of summation indices and integration variables that no symbol of the problem has, so that a printed formula reads back as it was."""

from __future__ import annotations

from itertools import count
from typing import Any

import sympy

from ..problem import SymbolicProblem


def bound_variable(problem: SymbolicProblem, letters: str, **assumptions: bool) -> Any:
    """The first of the letters, then of letter0, letter1, ..., that is free."""
    taken = {str(symbol) for symbol in problem.symbols}
    names = (name for n in count(-1) for name in (letters if n < 0 else [f"{letters[0]}{n}"]))
    return sympy.Symbol(next(name for name in names if name not in taken), **assumptions)

"""Critical step sizes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .problem import Problem


@dataclass(frozen=True)
class Threshold:
    """A sign change of lambda in the step size: lambda < 0 at `lo` and lambda > 0 at `hi` (or exactly there, lo = hi)."""

    lo: Fraction
    hi: Fraction
    certified: bool
    first: bool
    method: str
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Stable keys: lo, hi, decimal, kind, first, method, reason."""
        from .result import outward_float

        return {
            "lo": str(self.lo),
            "hi": str(self.hi),
            "decimal": [outward_float(self.lo, False), outward_float(self.hi, True)],
            "kind": "certified" if self.certified else "estimate",
            "first": self.first,
            "method": self.method,
            "reason": self.reason,
        }


def threshold(problem: Problem, width: Fraction, *, time_limit: float = 60.0, seed: int = 0, progress: Any = None) -> Threshold:
    raise NotImplementedError

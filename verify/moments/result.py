"""What the moment functions answer: two ends, how they are known, and with what confidence. Nothing turns an estimate into a proof."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..certificate import Certificate
from ..result import Sign, interval, outward_float


class Rigour(enum.Enum):
    """How an answer is known, strongest first. Only CERTIFICATE has been seen by the trusted checker; only STATISTICAL may be wrong by chance."""

    CERTIFICATE = "certificate"
    EXACT = "exact arithmetic"
    BALLS = "ball arithmetic"
    STATISTICAL = "statistical"
    NONE = "none"


@dataclass(frozen=True)
class Bounds:
    """lo <= quantity <= hi (None: no finite bound). `confidence` is 1 for what is proved, else the probability with which the interval holds the truth.

    `rigour` says what the proof rests on: exact rational arithmetic or ball arithmetic of python-flint, a certificate for the trusted checker, or samples.
    `estimate` is a statistical answer beside a proved one that is wide, or where nothing is proved.
    """

    quantity: str
    lo: Fraction | None
    hi: Fraction | None
    rigour: Rigour
    method: str
    reason: str = ""
    confidence: float = 1.0
    certificate: Certificate | None = field(default=None, repr=False, compare=False)
    estimate: Bounds | None = None

    @property
    def width(self) -> Fraction | None:
        """hi - lo, None where an end is missing."""
        return None if self.lo is None or self.hi is None else self.hi - self.lo

    @property
    def proved(self) -> bool:
        """Whether both ends are there and neither rests on samples."""
        return self.width is not None and self.rigour is not Rigour.STATISTICAL

    @property
    def sign(self) -> Sign:
        """The proved sign; UNDECIDED for anything statistical."""
        if self.rigour in (Rigour.STATISTICAL, Rigour.NONE):
            return Sign.UNDECIDED
        if self.lo == self.hi == 0:
            return Sign.ZERO
        if self.hi is not None and self.hi < 0:
            return Sign.NEGATIVE
        return Sign.POSITIVE if self.lo is not None and self.lo > 0 else Sign.UNDECIDED

    def reaches(self, width: Fraction | None) -> bool:
        """Whether both ends are proved and, where a width is asked for, no further apart."""
        return self.proved and (width is None or (self.width is not None and self.width <= width))

    def to_json(self, certificate_path: str | None = None) -> dict[str, Any]:
        """Stable keys, see JSON.md."""
        return {
            "quantity": self.quantity,
            "lo": None if self.lo is None else str(self.lo),
            "hi": None if self.hi is None else str(self.hi),
            "decimal": [outward_float(self.lo, False), outward_float(self.hi, True)],
            "rigour": self.rigour.value,
            "confidence": self.confidence,
            "sign": self.sign.value,
            "method": self.method,
            "reason": self.reason,
            "certificate": certificate_path,
            "estimate": None if self.estimate is None else self.estimate.to_json(),
        }

    def __str__(self) -> str:
        if self.lo is None and self.hi is None:
            text = f"{self.quantity}: {'not proved' if self.estimate else 'not known'}"
        else:
            how = f"{100 * self.confidence:g} % confidence, not a proof" if self.rigour is Rigour.STATISTICAL else f"proved, {self.rigour.value}"
            text = f"{self.quantity} in {interval(self.lo, self.hi)} ({how}: {self.method})"
        return "; ".join(str(part) for part in (text, self.reason, self.estimate) if part)


def unknown(quantity: str, method: str, reason: str) -> Bounds:
    """No bound, and why."""
    return Bounds(quantity, None, None, Rigour.NONE, method, reason)


def statistical(quantity: str, value: float, half_width: float, confidence: float, method: str, reason: str = "") -> Bounds:
    """value +- half_width, from samples; no ends where they are not finite."""
    ends = [Fraction(x) if abs(x) < float("inf") else None for x in (value - half_width, value + half_width)]
    return Bounds(quantity, ends[0], ends[1], Rigour.STATISTICAL, method, reason, confidence)

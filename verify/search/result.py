"""What a search answers: a counterexample with its proof, or that none was found, with the effort spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..certificate import Certificate
from ..predicate import Judged


@dataclass(frozen=True)
class Effort:
    """`screened`: cases looked at in floating point; `judged`: with certificates; `undecided`: of these, where no proof was found; `seconds`: elapsed."""

    screened: int
    judged: int
    undecided: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Stable keys."""
        return {"screened": self.screened, "judged": self.judged, "undecided": self.undecided, "seconds": round(self.seconds, 3)}

    def __str__(self) -> str:
        return f"{self.screened} cases screened, {self.judged} judged with certificates ({self.undecided} undecided), {self.seconds:.1f} s"


@dataclass(frozen=True)
class Counterexample:
    """A case with the judgement that refutes (or, for `find`, that holds); the trusted checker has accepted the conjunction of its certificates."""

    case: Any
    judged: Judged
    effort: Effort

    @property
    def certificate(self) -> Certificate | None:
        """The proof of every sign that was used; None where rational arithmetic alone decides."""
        return self.judged.certificate

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        return f"found: {self.case}; {self.judged.reason}; {self.effort}"


@dataclass(frozen=True)
class NotFound:
    """Nothing was found within the effort. This proves nothing about the statement."""

    reason: str
    effort: Effort

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"not found: {self.reason}; {self.effort}; this proves nothing"

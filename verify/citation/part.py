"""A part of a proof: the claims that one argument proves, with the family that it is about."""

from __future__ import annotations

from dataclasses import dataclass

from ..certificate.check import Family, Subject
from .claims import Line

PRODUCT = r"A_{\xi_n}\cdots A_{\xi_1}"


@dataclass(frozen=True)
class Part:
    """Lines with proofs of one kind in one direction, about the samples of one component."""

    lines: tuple[Line, ...]
    subject: Subject
    samples: tuple[int, ...]
    file: str
    shared: bool = False  # whether the criterion for cones has been stated before

    @property
    def first(self) -> Line:
        return self.lines[0]

    @property
    def upper(self) -> bool:
        return is_upper(self.first)

    @property
    def ranged(self) -> bool:
        return any(line.ends for line in self.lines)

    @property
    def family(self) -> Family:
        return self.subject.family(list(self.samples))

    @property
    def batch_one(self) -> bool:
        return self.subject.plain and self.subject.batch == 1


def is_upper(line: Line) -> bool:
    return line.relation in ("<", "<=", "=")

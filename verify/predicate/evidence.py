"""What is certified about a problem: intervals for lambda, mu and ms that the trusted checker has accepted, and conjunctions of their certificates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..certificate import Certificate, Statement, seal
from ..exact import InputError
from ..problem import Problem
from ..result import Enclosure
from .interval import WHOLE, Interval

# `ms` in predicates is log rho(E[A (x) A]); certificates and Problem.mean_square() speak of half of it.
SCALE = {"lambda": Fraction(1), "mu": Fraction(1), "ms": Fraction(2)}


@dataclass
class Evidence:
    """Certified intervals of one problem, each computed once; `time_limit` seconds for each search."""

    problem: Problem
    time_limit: float = 10.0
    seed: int = 0
    _found: dict[tuple[str, Fraction | None], Enclosure | None] = field(default_factory=dict)

    def interval(self, name: str, width: Fraction | None) -> tuple[Interval, Certificate | None]:
        """What is proved about `lambda`, `mu` or `ms`: an enclosure of about `width`, or whatever decides the sign (None)."""
        key = (name, width if name == "lambda" else None)
        if key not in self._found:
            self._found[key] = self._asked(name, width)
        result = self._found[key]
        if result is None or result.certificate is None:
            return WHOLE, None
        return _proved(result.statements, name), result.certificate

    def why_not(self, name: str) -> str:
        """Why nothing (more) is proved."""
        results = [result for (known, _), result in self._found.items() if known == name and result is not None]
        return (results[-1].reason if results else "") or f"the proved bounds on {name} do not decide"

    def _asked(self, name: str, width: Fraction | None) -> Enclosure | None:
        found: Any
        if name == "lambda":
            found = self.problem.lyapunov(width, time_limit=self.time_limit, seed=self.seed, estimate=False)
        elif name == "mu":
            found = self.problem.mu()
            if found is None:
                raise InputError("mu needs a Gram matrix and an optimiser; a family of bare matrices has none")
        else:
            found = self.problem.mean_square()
        return found if isinstance(found, Enclosure) else None


def _proved(statements: Iterable[Statement], name: str) -> Interval:
    """The intersection of the checked statements, in the units of predicates."""
    lo: Fraction | None = None
    hi: Fraction | None = None
    lo_open = hi_open = False
    for statement in statements:
        value, strict = SCALE[name] * statement.value, statement.relation in ("<", ">")
        if statement.relation in ("<", "<=", "=") and (hi is None or value < hi or (value == hi and strict)):
            hi, hi_open = value, strict
        if statement.relation in (">", ">=", "=") and (lo is None or value > lo or (value == lo and strict)):
            lo, lo_open = value, strict
    return Interval(lo, hi, lo_open, hi_open)


def conjunction(certificates: Iterable[Certificate | None]) -> Certificate | None:
    """One certificate (kind `conjunction` of FORMAT.md) of all claims of the given ones, each claim once; None if there are none."""
    statements: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for certificate in certificates:
        if certificate is None:
            continue
        whole = certificate["claim"]
        claims = whole.get("all", [whole])
        proofs = certificate["proof"]["parts"] if "all" in whole else [certificate["proof"]]
        for claim, proof in zip(claims, proofs, strict=True):
            subject = claim["subject"]
            spelled = {**claim, "subject": claims[subject]["subject"] if isinstance(subject, int) else subject}
            if all(known != spelled for known, _ in statements):
                statements.append((spelled, proof))
    return seal(statements) if statements else None

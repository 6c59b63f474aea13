"""The sign of lambda for every kernel within +-delta of a measured one, entry by entry (S6): a theorem from a floating-point K."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..certificate import Certificate, Proof, claim, seal
from ..exact import InputError
from ..optimiser import SGD
from ..problem import Problem
from ..result import Sign, as_float
from .loosened import accepted, sign_proofs
from .range_proof import range_proof

HALVINGS = 20


@dataclass(frozen=True)
class BoxSign:
    """The sign of lambda for every positive definite K' with |K'_ij - K_ij| <= `proved`; `radius` is what was asked for, `proved` at most that (0: nothing)."""

    sign: Sign
    radius: Fraction
    proved: Fraction
    reason: str
    certificate: Certificate | None = field(default=None, repr=False)

    @property
    def complete(self) -> bool:
        """Whether the whole box has the sign."""
        return self.proved == self.radius

    def to_json(self) -> dict[str, Any]:
        """Stable keys: sign, radius, proved, reason."""
        return {"sign": self.sign.value, "radius": str(self.radius), "proved": str(self.proved), "reason": self.reason}

    def __str__(self) -> str:
        if self.proved == 0:
            return f"undecided in the box of radius {as_float(self.radius):.3g}: {self.reason}"
        what = f"lambda {'<' if self.sign is Sign.NEGATIVE else '>'} 0 for every positive definite K within {as_float(self.proved):.3g}, entry by entry"
        return what if self.complete else f"{what} (of {as_float(self.radius):.3g} that were asked for)"


def sign_in_box(problem: Problem, radius: Fraction, *, time_limit: float = 20.0) -> BoxSign:
    """Prove one sign of lambda for the whole box around the problem's K, or for the largest box, by halving, for which it can be proved.

    For batch 1 without momentum or weight decay and K > 0; N = 2 by cones made for the box, larger N by elementary facts and by what the cones of the
    proof at the centre leave free. Raises `InputError` for other problems.
    """
    minimum, optimiser = problem.exact
    plain = isinstance(optimiser, SGD) and optimiser.batch == 1 and minimum.outputs == 1 and not optimiser.momentum and not optimiser.weight_decay
    if not plain or minimum.rank < minimum.size:
        raise InputError("radius needs SGD with batch 1, without momentum and weight decay, one output for each sample, and a positive definite K")
    if radius <= 0:
        raise InputError(f"radius = {radius} is not positive; write for example \"1e-6\"")
    deadline = time.monotonic() + time_limit
    plain_gram = Problem.from_gram(minimum.gram, optimiser)
    centre = plain_gram.lyapunov(time_limit=time_limit / 2, estimate=False)
    if centre.sign not in (Sign.NEGATIVE, Sign.POSITIVE):
        return BoxSign(Sign.UNDECIDED, radius, Fraction(0), f"the sign at the centre is {centre.sign.value}: {centre.reason}")
    relation = "<" if centre.sign is Sign.NEGATIVE else ">"
    fixed = [{"kind": "nonexpansive" if relation == "<" else "determinant"}, *(proof for _, proof in sign_proofs(centre, plain_gram.family))]
    reason = ""
    for halving in range(HALVINGS):
        size = radius / 2**halving
        if time.monotonic() > deadline:
            reason = "out of time"
            break
        for proof in _candidates(plain_gram, relation, size, fixed):
            subject = plain_gram.subject | {"radius": str(size)}
            if accepted(subject, relation, proof):
                return BoxSign(centre.sign, radius, size, "", seal([(claim(subject, "lambda", relation, Fraction(0)), proof)]))
    return BoxSign(Sign.UNDECIDED, radius, Fraction(0), reason or "no proof at the centre leaves room for other kernels")


def _candidates(problem: Problem, relation: str, radius: Fraction, fixed: list[Proof]) -> Iterator[Proof]:
    yield from fixed
    _, optimiser = problem.exact
    slack = as_float(optimiser.step_size * radius)
    made = range_proof(problem.family, problem.family, relation, (slack, slack)) if problem.family.dimension == 2 else None
    if made is not None:
        yield made

"""What the signs of lambda and mu at a network's minimum mean by T2 and T1, with every hypothesis and what is known of it. Estimates, never proofs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..optimiser import Optimiser, Reshuffled, is_full_batch
from ..result import Sign, as_float
from .kernel import ROUNDING, SAFETY, Hypothesis, Kernel, Status

STABLE, UNSTABLE, UNDECIDED = "stable", "unstable", "undecided"
WORDS = {
    STABLE: "every neighbourhood of w* receives the limit of {0} with positive probability over the random start",
    UNSTABLE: "some neighbourhood of w* receives the limit of {0} with probability zero over the random start",
}


@dataclass(frozen=True)
class Verdict:
    """`outcome` (stable, unstable, undecided) by `statement` (T1 for GD, T2 for SGD), and why; `extension` says why this is not the published theorem."""

    statement: str
    optimiser: str
    outcome: str
    reason: str
    hypotheses: tuple[Hypothesis, ...]
    extension: str = ""

    @property
    def decided(self) -> bool:
        """Whether there is a verdict, under the hypotheses that are named."""
        return self.outcome != UNDECIDED

    @property
    def words(self) -> str:
        """The verdict in words."""
        return f"{self.outcome}: {WORDS[self.outcome].format(self.optimiser)}" if self.decided else f"undecided: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """Keys: statement, optimiser, outcome, words, reason, extension, hypotheses."""
        hypotheses = [h.to_json() for h in self.hypotheses]
        about = {"statement": self.statement, "optimiser": self.optimiser, "outcome": self.outcome, "words": self.words, "reason": self.reason}
        return about | {"extension": self.extension, "hypotheses": hypotheses}


def gradient_descent_verdict(smooth: Hypothesis, kernel: Kernel, optimiser: Optimiser, sign: Sign, why: str) -> Verdict:
    """T1. `sign` is that of mu, as far as it is known, and `why`."""
    cases = [(kernel.outputs > 1, f"{kernel.outputs} outputs"), (bool(optimiser.momentum), "momentum")]
    factors = np.abs(1 - as_float(optimiser.step_size) * kernel.eigenvalues / kernel.size)
    regular = bool(factors.min() > SAFETY * ROUNDING + as_float(optimiser.step_size) * kernel.margin) and optimiser.plain
    hypotheses = (smooth, kernel.independence(), _nonsingular(smooth, regular, "eta kappa_j / N"))
    return _verdict("T1", "GD", hypotheses, optimiser, ("mu", sign, why), "one output", cases)


def sgd_verdict(smooth: Hypothesis, kernel: Kernel, theory: Optimiser, sign: Sign, why: str) -> Verdict:
    """T2. `theory` is the optimiser in the theory's convention (not a full batch), `sign` that of lambda, as far as it is known, and `why`."""
    assert not is_full_batch(theory, kernel.size)
    batch, weights = int(getattr(theory, "batch", 1)), getattr(theory, "weights", None)
    cases = [
        (batch > 1, f"batch {batch}"),
        (kernel.outputs > 1, f"{kernel.outputs} outputs"),
        (weights is not None and len(set(weights)) > 1, "non-uniform samples"),
        (isinstance(theory, Reshuffled), "reshuffled epochs"),
        (bool(theory.momentum), "momentum"),
    ]
    steps = regular_steps(kernel, theory)
    nonsingular = _nonsingular(smooth, steps.status is Status.NUMERICALLY and not theory.weight_decay, "c_i")
    hypotheses = (smooth, kernel.independence(), nonsingular, steps, kernel.connectedness())
    return _verdict("T2", "SGD", hypotheses, theory, ("lambda", sign, why), "batch 1, one output and uniform samples", cases)


def regular_steps(kernel: Kernel, theory: Optimiser) -> Hypothesis:
    """R1: no step has determinant 0, 1 or -1; for one output no c_i = eta K_ii is 1 or 2. Looked at for batch 1 without momentum."""
    if theory.momentum or int(getattr(theory, "batch", kernel.size)) > 1:
        what = "momentum" if theory.momentum else "batches"
        return Hypothesis("R1", Status.ASSUMED, f"stated for batch 1 without momentum; for {what} the determinants of the steps are not examined")
    c = as_float(theory.step_size) * kernel.own
    determinants = np.prod(1 - c, axis=1)
    # A factor 1 - c is wrong by at most c times the accuracy, and by the rounding of the difference.
    error = SAFETY * (kernel.accuracy * c.sum(1) + kernel.outputs * 2 * ROUNDING) * np.maximum(1, np.abs(1 - c)).prod(1)
    near = np.minimum(np.abs(determinants), np.abs(np.abs(determinants) - 1))
    close = np.flatnonzero((near <= error) & (c[:, -1] > 0))
    if close.size:
        i = int(close[0])
        which = f"c_{i} = {c[i, 0]:.15g}" if kernel.outputs == 1 else f"the step on sample {i} has the determinant {determinants[i]:.15g}"
        target = "1 or 2" if kernel.outputs == 1 else "0, 1 or -1"
        return Hypothesis("R1", Status.UNDECIDED, f"{which} is within rounding of {target}: irregular, or too near to tell; change the step size a little")
    nearest = int(np.argmin(near))
    shown = f"c_i nearest to 1 or 2 is {c[nearest, 0]:.6g}" if kernel.outputs == 1 else f"determinant nearest to 0, 1 or -1 is {determinants[nearest]:.6g}"
    return Hypothesis("R1", Status.NUMERICALLY, f"the {shown} (sample {nearest})")


def _nonsingular(smooth: Hypothesis, regular: bool, factors: str) -> Hypothesis:
    """H3. The determinant of a step of an analytic model is analytic in w, and at w* it is a product of 1 - c_i (THEORY.md, H3 for analytic models)."""
    if smooth.status is Status.HOLDS and regular:
        return Hypothesis("H3", Status.NUMERICALLY, f"the model is analytic and no {factors} is 1, so the determinants of the steps vanish on null sets only")
    return Hypothesis("H3", Status.ASSUMED, "the determinants of the steps away from w* are not examined")


def _verdict(
    statement: str,
    who: str,
    hypotheses: tuple[Hypothesis, ...],
    optimiser: Optimiser,
    exponent: tuple[str, Sign, str],
    published: str,
    cases: list[tuple[bool, str]],
) -> Verdict:
    name, sign, why = exponent
    beyond = ", ".join(case for applies, case in cases if applies)
    extension = f"{statement} is published for {published}; for {beyond} this is an extension, not a published theorem" if beyond else ""
    outcome, reason = UNDECIDED, ""
    if optimiser.weight_decay:
        reason = f"with weight decay w* is no common fixed point of the steps; {name} is the exponent of their linear part, and {statement} says nothing"
    elif failing := [h for h in hypotheses if not h.stands]:
        reason = f"{statement} says nothing here: " + "; ".join(map(str, failing))
    elif sign in (Sign.NEGATIVE, Sign.POSITIVE):
        outcome, reason = (STABLE if sign is Sign.NEGATIVE else UNSTABLE), f"{name} is {sign.value}: {why}"
    else:
        reason = f"the sign of {name} is not known: {why}"
    return Verdict(statement, who, outcome, reason, hypotheses, extension)

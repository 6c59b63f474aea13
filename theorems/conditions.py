"""Hypotheses that several statements share, each decided exactly on K and the step size."""

from __future__ import annotations

from fractions import Fraction

from verify.optimiser import SGD, probabilities
from verify.result import Sign

from .case import Case
from .evidence import FACTS, enclosed, sign_agrees
from .statement import Condition, Fact


def exact_fact(value: bool, text: str) -> Fact:
    """A fact of exact arithmetic."""
    return Fact(value, text)


def listed(name: str, values: tuple[Fraction, ...]) -> str:
    """The first values, for messages."""
    shown = ", ".join(str(x) for x in values[:4])
    return f"{name} = ({shown}{', ...' if len(values) > 4 else ''})"


def _single(case: Case) -> Fact:
    optimiser = case.optimiser
    batch = optimiser.batch if isinstance(optimiser, SGD) else len(case.gram)
    return Fact(case.single_draws, f"batch {batch}" if isinstance(optimiser, SGD) else "gradient descent")


def _uniform(case: Case) -> Fact:
    p = probabilities(case.optimiser, len(case.gram))
    return Fact(len(set(p)) == 1, listed("p", p))


def planar(case: Case) -> Fact:
    """d = 2, any family."""
    d = case.problem.family.dimension
    return Fact(d == 2, f"the steps act on {d} dimension{'s' * (d > 1)}")


SINGLE = Condition("SGD with batch 1", _single)
UNIFORM = Condition("uniform samples", _uniform)
DEFINITE = Condition("K is positive definite", lambda case: Fact(case.minimum.independent, f"rank K = {case.minimum.rank}, N = {len(case.gram)}"))
GRADIENTS = Condition("every sample has a gradient", lambda case: Fact(all(case.c), listed("c", case.c)))
NONSINGULAR = Condition("no c_i is 1", lambda case: Fact(1 not in case.c, listed("c", case.c)))
PLANAR = Condition("two dimensions", planar)


def general_sign(case: Case, claimed: Sign, why: str) -> Fact:
    """A claimed sign of lambda against proofs that use no elementary fact (sandwich, mean square, words), else Monte Carlo."""
    if claimed is Sign.NEGATIVE:  # words and the mean square are quick, and often enough
        quick = enclosed(case.problem.lyapunov(estimate=False, time_limit=case.seconds, seed=case.seed, without=(*FACTS, "planar sandwich (S4, S5)")))
        if quick.sign is not Sign.UNDECIDED:
            return sign_agrees(claimed, why, quick)
    return sign_agrees(claimed, why, case.other(FACTS))


def sign_of(number: Fraction | int) -> Sign:
    """The sign of an exact number."""
    return Sign.ZERO if number == 0 else Sign.POSITIVE if number > 0 else Sign.NEGATIVE

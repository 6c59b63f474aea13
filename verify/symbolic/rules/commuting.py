"""Commuting steps (E16): they share their generalised eigenspaces, and lambda is the largest mean of log|alpha_s| over the joint eigenvalues."""

from __future__ import annotations

from ..algebra import all_zero
from ..case import Case, need
from ..growth import poles
from ..joint_spectrum import joint_spectrum
from ..result import Exact, Step
from .registry import Solve, rule

MAX_COMMUTING = 12


@rule("lambda", "commuting steps")
def commuting(case: Case, _: Solve) -> Exact:
    """lambda = max over joint eigenvalues (alpha_s) of sum_s p_s log|alpha_s|. Commuting matrices are triangular in one complex basis, with the joint
    eigenvalues on the diagonal; E16. Algebraic and complex eigenvalues are allowed."""
    family = case.family
    need(len(family.steps) <= MAX_COMMUTING, f"there are more than {MAX_COMMUTING} steps")
    brackets = []
    for s, a in enumerate(family.steps):
        for b in family.steps[:s]:
            bracket = a * b - b * a
            need(all_zero(bracket), "the steps do not commute")
            brackets += list(bracket)
    spectrum = joint_spectrum(family.steps)
    value = spectrum.growth(family.probabilities, case.assumptions)
    commuting_text = "all steps commute, so they are triangular in one complex basis and lambda is a maximum over joint eigenvalues"
    commute = Step("E16", commuting_text, tuple(brackets))
    shown = " + ".join(f"{c} A_{s + 1}" if c != 1 else f"A_{s + 1}" for s, c in enumerate(spectrum.coefficients) if c)
    text = f"R = {shown} separates the joint eigenvalues: det(x - R) = prod f^k, and on ker f(R)^k every A_s is a polynomial of R up to nilpotents"
    conditions = (*family.conditions, *poles(value, family.steps, case.assumptions))
    return Exact("lambda", value, conditions, (commute, Step("E16", text, spectrum.identities())))

"""One step that is always taken: lambda is the logarithm of its spectral radius (full batches by E2, from the rules for mu)."""

from __future__ import annotations

from dataclasses import replace

from ..algebra import is_zero
from ..case import Case, need
from ..growth import poles
from ..joint_spectrum import joint_spectrum
from ..result import Exact, Step
from .registry import MU, Solve, rule


@rule("lambda", "full batch")
def full_batch(case: Case, _: Solve) -> Exact:
    """lambda = mu: every step uses every sample once. Source: E2. The closed form of mu comes from its own rules."""
    from ..engine import derived  # the engine imports the rules

    need(case.problem.optimiser is not None and case.problem.population is None and case.full_batch, "the steps are not full batches")
    need(case.optimiser.plain, "is about plain steps, without momentum or weight decay")
    found = derived("mu", case, MU)
    step = Step("E2", "every step uses every sample once, so all steps are equal and symmetric in the gradients' space: lambda = mu")
    return replace(found, quantity="lambda", derivation=(step, *found.derivation), rule="")


@rule("lambda", "one matrix")
def one_matrix(case: Case, _: Solve) -> Exact:
    """lambda = log rho(A) for a family of the one step A: the largest modulus of a root of its characteristic polynomial, by radicals up to degree two
    (piecewise in the sign of the discriminant where that is open: a complex pair has modulus sqrt(det)), as algebraic numbers beyond where A is rational.
    Source: Gelfand's formula, lim |A^n|^(1/n) = rho(A)."""
    need(case.problem.optimiser is None or case.optimiser.momentum == 0, "heavy ball has its own rule")
    family = case.family
    need(len(family.steps) == 1 and is_zero(family.idle), "there is more than one step")
    spectrum = joint_spectrum(family.steps)
    value = spectrum.growth(family.probabilities, case.assumptions)
    text = "every step is the same matrix A: lambda = log rho(A) (Gelfand); the eigenvalues are the roots of det(x - A) in these factors"
    conditions = (*family.conditions, *poles(value, family.steps, case.assumptions))
    return Exact("lambda", value, conditions, (Step("E16", text, spectrum.identities()),))

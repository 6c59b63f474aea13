"""The facts that T1-T3 ask for, read off an exact minimum and an optimiser."""

from __future__ import annotations

from fractions import Fraction

from verify.exact import InputError
from verify.minimum import Minimum
from verify.optimiser import Optimiser, Reshuffled, is_full_batch, matrix_family, probabilities, single_steps

from .conclusion import Facts, Sign
from .statement import Fact


def facts_of(
    minimum: Minimum, optimiser: Optimiser, *, mu_sign: Sign = "undecided", lambda_sign: Sign = "undecided", linear: bool | None = None
) -> Facts:
    """Hypotheses of T1-T3 for this case. The signs are those that a certificate proves; a full batch counts as gradient descent (E2).

    `linear` None: the model is known to be linear if its features are given. True: it is the linear model with this Gram matrix.
    """
    full = is_full_batch(optimiser, minimum.size)
    batch = minimum.size if full else int(getattr(optimiser, "batch", 1))
    determinants = _determinants(minimum, optimiser)
    why = "features are given" if minimum.features is not None else "the linear model with this Gram matrix"
    assumed, linear = bool(linear), minimum.features is not None if linear is None else linear
    chances = probabilities(optimiser, minimum.size)
    return Facts(
        optimiser="gd" if full else "sgd",
        smooth=Fact(True, "a linear model is smooth") if linear else Fact(None, "only the Gram matrix of the model is given"),
        gradients_independent=_independent(minimum, linear),
        steps_nonsingular=_nonsingular(determinants, linear),
        regular_steps=_regular(determinants) if optimiser.plain else Fact(None, "R1 is stated for steps without momentum and weight decay"),
        connected=_connected(minimum),
        linear_model=Fact(True, why) if linear else Fact(None, "only the Gram matrix of the model is given"),
        solvable=_solvable(minimum, linear, assumed),
        batch=batch,
        outputs=minimum.outputs,
        uniform=len(set(chances)) == 1,
        reshuffled=isinstance(optimiser, Reshuffled) and not full,
        momentum=optimiser.momentum > 0,
        weight_decay=optimiser.weight_decay > 0,
        rest_contracts=_rest(optimiser),
        mu_sign=mu_sign,
        lambda_sign=lambda_sign,
    )


def _determinants(minimum: Minimum, optimiser: Optimiser) -> dict[str, Fraction] | str:
    """det of the linearised steps of single batches by name, or why they were not computed. For plain batch 1 it is 1 - c_i, with momentum beta^d."""
    if optimiser.momentum:
        return {f"det = ({optimiser.momentum})^{minimum.rank}": optimiser.momentum**minimum.rank}
    if not is_full_batch(optimiser, minimum.size) and getattr(optimiser, "batch", 0) == minimum.outputs == 1 and optimiser.plain:
        return {f"c_{i} = {optimiser.step_size * k}": 1 - optimiser.step_size * k for i, k in enumerate(minimum.diagonal)}
    try:
        return {f"det A_{s} = {x}": x for s, x in enumerate(matrix_family(minimum, single_steps(optimiser)).determinants)}
    except InputError as error:
        return str(error)


def _independent(minimum: Minimum, linear: bool) -> Fact:
    scope = "" if linear else "; at the other minima it is assumed"
    if minimum.independent:
        return Fact(True, f"K is positive definite{scope}")
    return Fact(False, f"K has rank {minimum.rank} < N{' q' if minimum.outputs > 1 else ''} = {len(minimum.gram)}")


def _nonsingular(determinants: dict[str, Fraction] | str, linear: bool) -> Fact:
    if not linear:
        return Fact(None, "only the Gram matrix of the model is given, not its steps away from the minimum")
    if isinstance(determinants, str):
        return Fact(None, determinants)
    singular = [name for name, x in determinants.items() if x == 0]
    if singular:
        return Fact(False, f"a step is singular everywhere: {', '.join(singular[:3])}")
    return Fact(True, "the steps are affine with nonzero determinants")


def _regular(determinants: dict[str, Fraction] | str) -> Fact:
    if isinstance(determinants, str):
        return Fact(None, determinants)
    irregular = [name for name, x in determinants.items() if x in (0, 1, -1)]
    return Fact(False, ", ".join(irregular[:3])) if irregular else Fact(True, "no step has determinant 0, 1 or -1")


def _connected(minimum: Minimum) -> Fact:
    isolated = minimum.size - sum(map(len, minimum.components))
    count = len(minimum.components) + isolated
    return Fact(True, "the graph of K is connected") if count == 1 else Fact(False, f"the graph of K has {count} components")


def _rest(optimiser: Optimiser) -> Fact:
    """Whether the block [[1 - eta omega + beta, -beta], [1, 0]] of the directions without a gradient has its eigenvalues inside the unit disc (Jury)."""
    pull, most = optimiser.step_size * optimiser.weight_decay, 2 * (1 + optimiser.momentum)
    return Fact(0 < pull < most, f"eta omega = {pull}, to be between 0 and {most}")


def _solvable(minimum: Minimum, linear: bool, assumed: bool) -> Fact:
    if minimum.independent:
        return Fact(True, "independent gradients interpolate any labels") if linear else Fact(None, "no labels are given")
    if minimum.solvable is None:
        return Fact(True, "without labels the case is an interpolating minimum") if assumed else Fact(None, "no labels are given")
    return Fact(minimum.solvable, "X w = labels has a solution" if minimum.solvable else "X w = labels has no solution")

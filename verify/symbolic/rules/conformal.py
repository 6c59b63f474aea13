"""Similarities of one inner product (E17): A_s W A_s^T = s_s^2 W with W positive definite, and lambda = sum_s p_s log|s_s|."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy
from sympy.polys.matrices import DomainMatrix

from ..algebra import all_zero
from ..assumptions import Assumptions
from ..case import Case, Family, Refused, need
from ..field import Field
from ..growth import compact, half_log, mean_log, nonvanishing, poles
from ..problem import Matrix
from ..result import Exact, Step
from .registry import Solve, rule

MAX_SIMILARITIES = 12


@rule("lambda", "similarities of one inner product")
def conformal(case: Case, _: Solve) -> Exact:
    """lambda = sum_s p_s log|s_s| where A_s W A_s^T = s_s^2 W, s_s^2 = |det A_s|^(2/d). Source: E17. Rotations (W = I), and equal norms at c = 2, whose steps
    are reflections that preserve W = K (E7): lambda = 0. Otherwise W is looked for among the solutions of that linear system."""
    family = case.family
    need(len(family.steps) <= MAX_SIMILARITIES, f"there are more than {MAX_SIMILARITIES} steps")
    candidates = [(sympy.ImmutableDenseMatrix(sympy.eye(family.dimension)), "the identity")]
    if family.dual_form is not None:
        candidates.insert(0, (family.dual_form, "K in residual coordinates" if family.dual_form != candidates[0][0] else "the identity"))
    for form, name in candidates:
        squares = _squares(family, form)
        if squares is not None:
            return _exact(case, form, squares, name)
    for form in _solutions(family):
        squares = _squares(family, form)
        if squares is not None and positive_definite(form, case.assumptions):
            return _exact(case, form, squares, "positive definite by its leading minors")
    raise Refused("no positive definite form was found of which every step is a similarity")


def _exact(case: Case, form: Matrix, squares: list[Any], name: str) -> Exact:
    family = case.family
    value = mean_log(half_log(p, square) for p, square in zip(family.probabilities, squares, strict=True))
    residuals = [x for a, square in zip(family.steps, squares, strict=True) for x in a * form * a.T - square * form]
    shown = ", ".join(str(square) for square in squares)
    text = f"A W A^T = s^2 W for W = {form.tolist()} ({name}) with s^2 = {shown}: up to the factor every step is an isometry of one norm"
    regular = nonvanishing([sympy.fraction(sympy.together(x))[1] for x in form], case.assumptions) if form != family.dual_form else ()
    conditions = tuple(dict.fromkeys((*family.conditions, *regular, *poles(value, family.steps, case.assumptions))))
    return Exact("lambda", value, conditions, (Step("E17", text, tuple(residuals)),))


def _squares(family: Family, form: Matrix) -> list[Any] | None:
    """s_s^2 with A_s W A_s^T = s_s^2 W, or None."""
    pivot = next((i for i in range(family.dimension) if form[i, i] != 0), None)
    if pivot is None:
        return None
    found = []
    for a in family.steps:
        image = a * form * a.T
        square = compact(image[pivot, pivot] / form[pivot, pivot])
        if not all_zero(image[i, j] - square * form[i, j] for i in range(form.rows) for j in range(i + 1)):
            return None
        found.append(square)
    return found


def _solutions(family: Family) -> Iterator[Matrix]:
    """Symmetric W with A_s W A_s^T = sigma_s W for all s, sigma_s = +-|det A_s|^(2/d): one for each choice of signs that has any.

    Where they are a space, W is the mean of A_w A_w^T/sigma_w over all words w: the projection of the identity on the kernel of T - 1 along its image, T the
    mean over single steps. It is positive definite if any W is: then the words of the normalised steps are bounded with their inverses.
    """
    d = family.dimension
    field = Field(x for a in family.steps for x in a)
    places = [(i, j) for i in range(d) for j in range(i, d)]
    actions = [_action(field, field.matrix(a), places) for a in family.steps]
    squares = field.of([[_square(a, field)] for a in family.steps])
    probe = field.probe([*actions, squares])
    reason = "no quadratic form is preserved up to factors by every step"
    need(probe is None or _preserved(probe[0], probe[1][:-1], probe[1][-1]), reason)
    found = _preserved(field, actions, squares)
    need(found, reason)
    start = field.of([[field.domain.one if i == j else field.domain.zero] for i, j in places])
    for space, change in found:
        row = space.to_list()[0]
        if space.shape[0] > 1:
            left = field.of(field.kernel(change.transpose()))
            pairing = left * space.transpose()
            if pairing.shape[0] != pairing.shape[1] or pairing.rank() < pairing.shape[0]:
                continue
            row = [x for (x,) in (space.transpose() * pairing.to_field().inv() * left * start).to_list()]
        if any(row):
            entries = dict(zip(places, field.normalised(row), strict=True))
            yield sympy.ImmutableDenseMatrix(d, d, lambda i, j, e=entries: field.expression(e[min(i, j), max(i, j)]))


def _preserved(field: Field, actions: list[Any], squares: Any) -> list[tuple[Any, Any]]:
    """The spaces of W with A_s W A_s^T = sigma_s W for all s, as rows, with m (T - 1), T the mean of the m maps W -> A_s W A_s^T/sigma_s."""
    one = DomainMatrix.eye(actions[0].shape, field.domain).to_sparse()
    found = [(one, one * field.domain.zero)]
    for action, (square,) in zip(actions, squares.to_list(), strict=True):
        narrowed = []
        for sigma in (square, -square) if square else (square,):
            for space, change in found:
                kernel = field.kernel((action - one * sigma) * space.transpose())
                if kernel:
                    narrowed.append((field.of(kernel) * space, change + action * (field.domain.one / sigma) - one if sigma else change))
        found = narrowed
    return found


def _square(a: Matrix, field: Field) -> Any:
    """|det A|^(2/d) up to its sign, where it lies in the field."""
    d, determinant = a.rows, compact(a.det())
    base, degree = (determinant, d // 2) if d % 2 == 0 else (determinant**2, d)
    root = base if degree == 1 else sympy.root(sympy.factor(base), degree)
    need(d == 2 or not any(power.exp.is_Rational and not power.exp.is_Integer for power in root.atoms(sympy.Pow)), "the factor |det A|^(1/d) is not rational")
    return field.element(root)


def _action(field: Field, a: Any, places: list[tuple[int, int]]) -> Any:
    """W -> A W A^T on symmetric matrices in the coordinates `places`."""
    rows = a.to_list()
    columns = []
    for k, m in places:
        pairs = {(k, m), (m, k)}
        columns.append([sum((rows[i][p] * rows[j][q] for p, q in pairs), start=field.domain.zero) for i, j in places])
    return field.of(columns).transpose()


def positive_definite(form: Matrix, assumptions: Assumptions) -> bool:
    """Whether every leading minor is known to be positive."""
    return all(assumptions.sign(form[:k, :k].det()) == 1 for k in range(1, form.rows + 1))

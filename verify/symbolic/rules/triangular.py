"""Block triangular families (E16): a common invariant subspace, found exactly, cuts the family into blocks, and lambda is the largest of their exponents."""

from __future__ import annotations

import sympy

from ...exact import InputError
from ..algebra import is_zero
from ..case import Case, Family, Refused, need
from ..field import Field, without_denominators
from ..growth import maximum, mean_log, nonvanishing, poles
from ..invariant import block_triangular, invariant_subspace
from ..problem import Matrix, SymbolicProblem
from ..result import Exact, Step
from .registry import Solve, rule

MAX_BLOCK_STEPS, MAX_TRIANGULAR = 12, 5


@rule("lambda", "triangular steps")
def triangular(case: Case, solve: Solve) -> Exact:
    """lambda = max over diagonal blocks, numbers a_s giving sum_s p_s log|a_s|, larger blocks closed by other rules. Source: E16. For blocks of dimension one
    the formula extends by continuity to parameters where the basis degenerates (E16, remark); otherwise det T != 0 is a condition."""
    family = case.family
    need(2 <= family.dimension <= MAX_TRIANGULAR, f"the dimension is {family.dimension}")
    need(len(family.steps) <= MAX_BLOCK_STEPS, f"there are more than {MAX_BLOCK_STEPS} steps")
    field = Field(x for a in family.steps for x in a)
    matrices = [field.matrix(a) for a in family.steps]
    probe = field.probe(matrices)
    need(probe is None or invariant_subspace(*probe) is not None, "no common invariant subspace over the field of the entries was found")
    basis, sizes = block_triangular(field, matrices)
    need(len(sizes) > 1, "no common invariant subspace over the field of the entries was found")
    columns = _without_denominators(field.symbolic(basis))
    inverse = field.symbolic(field.matrix(columns).to_field().inv())
    turned = [inverse * a * columns for a in family.steps]  # as it stands: what vanishes is left to the check
    diagonal = [field.symbolic(field.matrix(inverse) * field.matrix(a) * field.matrix(columns)) for a in family.steps]
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    below = [a[i, j] for a in turned for k, start in enumerate(starts) for i in range(start, start + sizes[k]) for j in range(start)]
    ends = [a[i, i] - b[i, i] for a, b in zip(turned, diagonal, strict=True) for k, i in enumerate(starts) if sizes[k] == 1]
    conditions, derivation, values = list(family.conditions), [], []
    for start, size in zip(starts, sizes, strict=True):
        blocks = [a.extract(list(range(start, start + size)), list(range(start, start + size))) for a in diagonal]
        if size == 1:
            values.append(mean_log((p, b[0, 0]) for p, b in zip(family.probabilities, blocks, strict=True)))
            continue
        found = _block(case, solve, family, blocks)
        values.append(found.expression)
        conditions += [*found.conditions, *nonvanishing([field.expression(field.matrix(columns).to_field().det())], case.assumptions)]
        derivation += list(found.derivation)
    value = maximum(values, case.assumptions)
    text = f"in the basis of the columns of T = {columns.tolist()} all steps are block upper triangular with blocks of size {', '.join(map(str, sizes))}"
    conditions += poles(value, family.steps, case.assumptions)
    step = Step("E16", text + "; lambda is the largest exponent of a block", (*below, *ends))
    return Exact("lambda", value, tuple(dict.fromkeys(conditions)), (step, *derivation))


def _block(case: Case, solve: Solve, family: Family, blocks: list[Matrix]) -> Exact:
    weights = list(family.probabilities)
    if not is_zero(family.idle):
        blocks, weights = [*blocks, sympy.ImmutableDenseMatrix(sympy.eye(blocks[0].rows))], [*weights, family.idle]
    try:
        return solve(Case(SymbolicProblem.from_matrices(blocks, weights, assume=case.assumptions, name="block")))
    except InputError as error:
        raise Refused(f"a block of size {blocks[0].rows} is not a family of its own ({error})") from None


def _without_denominators(basis: Matrix) -> Matrix:
    columns = [sympy.Matrix(without_denominators(basis.col(j))[0]) for j in range(basis.cols)]
    return sympy.ImmutableDenseMatrix(sympy.Matrix.hstack(*columns))

"""Families of isometries: a positive definite form that every step preserves makes lambda exactly 0 (rotations, reflections, permutations)."""

from __future__ import annotations

from fractions import Fraction

from ..balls import fmpq_of
from ..exact import Matrix
from ..family import MatrixFamily
from .elementary import positive_definite
from .question import Bound, Finding, Question

MAX_DIMENSION = 8


def isometries(question: Question) -> Finding:
    """A_s^T S A_s = S for all s with S positive definite: |det A_s| = 1 proves lambda >= 0 (E4), E[A^T S A] = S proves lambda <= 0 (E11)."""
    if question.dimension > MAX_DIMENSION:
        return Finding(f"the dimension is above {MAX_DIMENSION}")
    if question.why_no_family:
        return Finding(question.why_no_family)
    if any(abs(determinant) != 1 for determinant in question.family.determinants):
        return Finding("some step has a determinant other than 1 and -1")
    form = _invariant_form(question.family)
    if form is None:
        return Finding("no positive definite form is preserved by all steps")
    upper = {"kind": "mean-square", "matrix": [[str(x) for x in row] for row in form], "radius": "1"}
    return Finding("all steps are isometries", Bound(Fraction(0), {"kind": "determinant"}), Bound(Fraction(0), upper), "0")


def _invariant_form(family: MatrixFamily) -> Matrix | None:
    """The identity, or the solution of A_s^T S A_s = S if it is unique up to a factor, where positive definite."""
    d = family.dimension
    one = tuple(tuple(Fraction(i == j) for j in range(d)) for i in range(d))
    if all(_transformed(one, a) == one for a in family.matrices):
        return one
    from flint import fmpq_mat

    pairs = [(i, j) for i in range(d) for j in range(i, d)]
    columns = []
    for i, j in pairs:
        unit = tuple(tuple(Fraction({i, j} == {k, m}) for m in range(d)) for k in range(d))
        columns.append([_transformed(unit, a)[k][m] - unit[k][m] for a in family.matrices for k, m in pairs])
    system, rank = fmpq_mat(len(columns[0]), len(pairs), [fmpq_of(column[row]) for row in range(len(columns[0])) for column in columns]).rref()
    if rank != len(pairs) - 1:
        return None
    pivots = [next(c for c in range(len(pairs)) if system[r, c] != 0) for r in range(rank)]
    free = next(c for c in range(len(pairs)) if c not in pivots)
    entries = {free: Fraction(1)} | {c: -Fraction(int(system[r, free].p), int(system[r, free].q)) for r, c in enumerate(pivots)}
    values = {pair: entries[c] for c, pair in enumerate(pairs)}
    for sign in (1, -1):
        form = tuple(tuple(sign * values[min(i, j), max(i, j)] for j in range(d)) for i in range(d))
        if positive_definite([list(row) for row in form]):
            return form
    return None


def _transformed(s: Matrix, a: Matrix) -> Matrix:
    """A^T S A."""
    d = range(len(s))
    right = [[sum((s[i][k] * a[k][j] for k in d), start=Fraction(0)) for j in d] for i in d]
    return tuple(tuple(sum((a[k][i] * right[k][j] for k in d), start=Fraction(0)) for j in d) for i in d)

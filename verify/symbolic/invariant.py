"""Common invariant subspaces of a family over the field of its entries (Holt and Rees, after Norton's irreducibility criterion).

For an element R of the algebra that the steps generate and an irreducible factor f of its characteristic polynomial, a vector of ker f(R) is spun: its images
under all words span the smallest invariant subspace around it. If ker f(R) has the dimension deg f, then one vector of it and one of the transposed kernel
decide: when both spin to the whole space, there is no invariant subspace over this field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from sympy.polys.matrices import DomainMatrix

from .case import need
from .field import Echelon, Field, times

MAX_TRIED, MAX_SPUN = 24, 3


def block_triangular(field: Field, matrices: Sequence[Any]) -> tuple[Any, tuple[int, ...]]:
    """(T, sizes): T^-1 A T is block upper triangular for every A, with blocks that are irreducible over the field where that is decided."""
    d = matrices[0].shape[0]
    subspace = invariant_subspace(field, matrices) if d > 1 else None
    if subspace is None:
        return DomainMatrix.eye((d, d), field.domain).to_sparse(), (d,)
    k = len(subspace)
    basis = completed(field, subspace, d)
    inverse = basis.to_field().inv()
    turned = [inverse * a * basis for a in matrices]
    head, tail = list(range(k)), list(range(k, d))
    first, sizes = block_triangular(field, [a.extract(head, head) for a in turned])
    second, more = block_triangular(field, [a.extract(tail, tail) for a in turned])
    blocks = [[field.domain.zero] * d for _ in range(d)]
    for start, part in ((0, first.to_list()), (k, second.to_list())):
        for i, row in enumerate(part):
            for j, x in enumerate(row):
                blocks[start + i][start + j] = x
    return basis * field.of(blocks), (*sizes, *more)


def invariant_subspace(field: Field, matrices: Sequence[Any]) -> list[list[Any]] | None:
    """A basis of a proper common invariant subspace, or None: there is none over this field, or none was found."""
    transposed = [m.transpose() for m in matrices]
    d = matrices[0].shape[0]
    for r in _elements(field, matrices):
        for factor, _ in field.factors(r):
            value = field.evaluate(factor, r)
            kernel, left = field.kernel(value), field.kernel(value.transpose())
            for vector in kernel[:MAX_SPUN]:
                spun = spin(field, matrices, vector)
                if len(spun) < d:
                    return spun
            for vector in left[:MAX_SPUN]:
                spun = spin(field, transposed, vector)
                if len(spun) < d:
                    return field.kernel(field.of(spun, d))
            if len(kernel) == len(factor) - 1:
                return None
    return None


def spin(field: Field, matrices: Sequence[Any], vector: Sequence[Any]) -> list[list[Any]]:
    """A basis of the smallest common invariant subspace around a vector, the vector first."""
    rows = [m.to_list() for m in matrices]
    echelon, found = Echelon(field.domain), [list(vector)]
    echelon.add(vector)
    for v in found:
        for m in rows:
            image = times(m, v, field.domain.zero)
            if echelon.add(image):
                found.append(image)
    return found


def completed(field: Field, vectors: Sequence[Sequence[Any]], d: int) -> Any:
    """A regular matrix whose first columns are the given independent vectors, the others unit vectors."""
    echelon, columns = Echelon(field.domain), [list(v) for v in vectors]
    for v in columns:
        need(echelon.add(v), "the basis of an invariant subspace is not independent")
    for i in range(d):
        unit = [field.domain.one if j == i else field.domain.zero for j in range(d)]
        if echelon.add(unit):
            columns.append(unit)
    return field.of(columns, d).transpose()


def _elements(field: Field, matrices: Sequence[Any]) -> Iterator[Any]:
    """Steps, sums, products, commutators, and combinations: one whose factors have simple kernels decides."""
    count, tried = len(matrices), 0
    one = DomainMatrix.eye(matrices[0].shape, field.domain).to_sparse()
    for a in matrices:
        tried += 1
        if tried <= MAX_TRIED:
            yield a
    for i, j in product(range(count), repeat=2):
        for r in (matrices[i] * matrices[j] + matrices[i], matrices[i] * matrices[j] - matrices[j] * matrices[i] + one) if i < j else ():
            tried += 1
            if tried <= MAX_TRIED:
                yield r
    for base in (2, 3):
        r = one
        for s, a in enumerate(matrices):
            r = r * a + a * field.domain.convert(base**s)
        yield r

"""Finite sets of directions that a family maps into themselves, and the Markov chain on them (E18)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Any

import sympy
from sympy.polys.matrices import DomainMatrix

from .assumptions import Assumptions
from .case import Family, Refused, need
from .field import Echelon, Field, times, without_denominators
from .growth import compact, nonvanishing
from .problem import Matrix

MAX_LINES, MAX_ELEMENT, MAX_SEEDS, MAX_BASES = 24, 240, 80, 60
Line = tuple[Any, ...]


@dataclass(frozen=True)
class Directions:
    """Vectors e_j (columns) that span the space; arrows[j][s] = (k, a, q) where A_s e_j = a e_k, None where A_s e_j = 0.

    q = |A_s e_j|^2/|e_j|^2 in the norm of `metric`, where the entries are irrational numbers and such a norm is at hand, else None.
    """

    vectors: tuple[Matrix, ...]
    arrows: tuple[tuple[tuple[int, Any, Any] | None, ...], ...]
    metric: Matrix | None

    def closed_classes(self) -> tuple[list[list[int]], bool]:
        """The communicating classes that no step leaves and in which no step kills; and whether some direction can be killed."""
        count = len(self.vectors)
        after = [{arrow[0] for arrow in row if arrow is not None} for row in self.arrows]
        reached = []
        for j in range(count):
            found, frontier = {j}, [j]
            while frontier:
                for k in after[frontier.pop()] - found:
                    found.add(k)
                    frontier.append(k)
            reached.append(found)
        mortal = {j for j in range(count) if any(arrow is None for k in reached[j] for arrow in self.arrows[k])}
        classes = {frozenset(reached[j]) for j in range(count) if j not in mortal and all(j in reached[k] for k in reached[j])}
        return sorted(map(sorted, classes)), bool(mortal)

    def conditions(self, assumptions: Assumptions) -> tuple[Any, ...]:
        """That the vectors do not vanish and that some of them are a basis, as far as that is not known."""
        d = self.vectors[0].rows
        bases = islice(combinations(self.vectors, d), MAX_BASES)
        determinants = [x for x in (compact(sympy.Matrix.hstack(*map(sympy.Matrix, chosen)).det()) for chosen in bases) if x != 0]
        found = min((nonvanishing([x], assumptions) for x in determinants), key=lambda c: (len(c), len(str(c))), default=None)
        need(found is not None, "the directions that were found do not span the space")
        squares = [sum(x**2 for x in v) for v in self.vectors if not any(x.is_nonzero or assumptions.sign(x) in (1, -1) for x in v)]
        return (*(found or ()), *nonvanishing(map(compact, squares), assumptions))


def find_directions(family: Family) -> Directions:
    """A finite set of lines that spans the space and that every step maps into itself. Raises `Refused` where none is found from natural starts."""
    field = Field(x for a in family.steps for x in a)
    matrices = [field.matrix(a) for a in family.steps]
    reason = f"no set of at most {MAX_LINES} directions that the steps map into itself was found"
    probe = field.probe(matrices)
    need(probe is None or _lines(*probe) is not None, reason)
    lines = _lines(field, matrices)
    if lines is None:
        raise Refused(reason)
    return _directions(field, [m.to_list() for m in matrices], lines, family.dual_form)


def _lines(field: Field, matrices: Sequence[Any]) -> list[Line] | None:
    """Lines that span the space and are mapped into each other."""
    d = matrices[0].shape[0]
    rows = [m.to_list() for m in matrices]
    lines: dict[Line, None] = {}
    failed, echelon = set[Line](), Echelon(field.domain)
    for seed in islice(_starts(field, matrices), MAX_SEEDS):
        start = tuple(field.normalised(seed))
        if start in lines or start in failed:
            continue
        orbit = _orbit(field, rows, start, failed)
        if orbit is None or len(lines.keys() | orbit.keys()) > MAX_LINES:
            failed.add(start)
            continue
        rank = len(echelon.rows)
        for line in orbit:
            echelon.add(line)
        if len(echelon.rows) > rank:
            lines |= orbit
        if len(echelon.rows) == d:
            return list(lines)
    return None


def _orbit(field: Field, rows: list[Any], start: Line, failed: set[Line]) -> dict[Line, None] | None:
    """All images of a line, or None where there are more than MAX_LINES or their entries grow."""
    found: dict[Line, None] = {start: None}
    frontier = [start]
    while frontier:
        line = frontier.pop(0)
        for m in rows:
            image = times(m, line, field.domain.zero)
            if not any(image):
                continue
            next_line = tuple(field.normalised(image))
            if next_line in found:
                continue
            if next_line in failed or len(found) >= MAX_LINES or any(len(str(x)) > MAX_ELEMENT for x in next_line):
                failed.add(start)
                return None
            found[next_line] = None
            frontier.append(next_line)
    return found


def _starts(field: Field, matrices: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Images of rank one, coordinate axes, eigenvectors of steps and of products of two: isolated ones, intersections of eigenspaces, bases of these."""
    d = matrices[0].shape[0]
    one = DomainMatrix.eye((d, d), field.domain).to_sparse()
    for m in matrices:
        if m.rank() == 1:
            yield next(column for column in m.transpose().to_list() if any(column))
    yield from one.to_list()
    spaces = []
    for m in (*matrices, *(a * b for a in matrices for b in matrices if a is not b)):
        shifted = [m + one * factor[1] for factor, _ in field.factors(m) if len(factor) == 2]
        for kernel in map(field.kernel, shifted):
            if len(kernel) == 1:
                yield kernel[0]
        spaces += [x for x in shifted if 1 < d - x.rank() < d]
    for x, y in combinations(spaces, 2):
        kernel = field.kernel(x.vstack(y))
        if len(kernel) == 1:
            yield kernel[0]
    for x in spaces:
        yield from field.kernel(x)


def _directions(field: Field, rows: list[Any], lines: list[Line], dual_form: Matrix | None) -> Directions:
    shown = [without_denominators(sympy.ImmutableDenseMatrix([field.expression(x) for x in line])) for line in lines]
    number = {line: k for k, line in enumerate(lines)}
    metric = field.matrix(dual_form).to_field().inv().to_list() if dual_form is not None and field.domain.is_Algebraic else None
    lengths = [_square(field, metric, line) for line in lines] if metric is not None else []
    arrows = []
    for j, line in enumerate(lines):
        row: list[tuple[int, Any, Any] | None] = []
        for m in rows:
            image = times(m, line, field.domain.zero)
            if not any(image):
                row.append(None)
                continue
            k = number[tuple(field.normalised(image))]
            scalar = compact(field.expression(next(x for x in image if x)) * shown[j][1] / shown[k][1])
            row.append((k, scalar, field.expression(_square(field, metric, image) / lengths[j]) if metric is not None else None))
        arrows.append(tuple(row))
    return Directions(tuple(v for v, _ in shown), tuple(arrows), None if metric is None else field.symbolic(field.of(metric)))


def _square(field: Field, metric: list[list[Any]], vector: Sequence[Any]) -> Any:
    return sum((x * y for x, y in zip(vector, times(metric, vector, field.domain.zero), strict=True)), start=field.domain.zero)

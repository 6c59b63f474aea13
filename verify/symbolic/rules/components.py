"""Components (E1): where groups of samples have orthogonal gradients, lambda is the largest of their exponents."""

from __future__ import annotations

from ..algebra import is_zero
from ..case import Case, need
from ..growth import maximum
from ..result import Exact, Step
from .registry import Solve, rule


@rule("lambda", "components")
def components(case: Case, solve: Solve) -> Exact:
    """lambda = max over parts C of lambda(C), where samples in different parts have K_ij = 0 identically. Source: E1, whose proof only needs that the
    V_C (with momentum V_C x V_C) are invariant and span: it holds for any optimiser."""
    need(case.indices, "no sample has a gradient")
    parts = connected_parts(case)
    need(len(parts) > 1, "the gradients are one component")
    indices, gram = case.indices, case.gram
    where = {i: k for k, part in enumerate(parts) for i in part}
    across = tuple(gram[a, b] for a in range(gram.rows) for b in range(a) if where[indices[a]] != where[indices[b]])
    found = [solve(Case(case.problem, samples=part)) for part in parts]
    names = " and ".join("{" + ", ".join(str(i) for i in part) + "}" for part in parts)
    step = Step("E1", f"the samples fall into the orthogonal parts {names}; lambda is the largest of their exponents", across)
    value = maximum([one.expression for one in found], case.assumptions)
    conditions = tuple(dict.fromkeys(condition for one in found for condition in one.conditions))
    return Exact("lambda", value, conditions, (step, *dict.fromkeys(line for one in found for line in one.derivation)))


def connected_parts(case: Case) -> list[tuple[int, ...]]:
    """The connected components of the graph with an edge where K_ij does not vanish identically."""
    indices, gram = case.indices, case.gram
    left, parts = list(range(len(indices))), []
    while left:
        part, frontier = set[int](), [left[0]]
        while frontier:
            a = frontier.pop()
            part.add(a)
            frontier += [b for b in left if b not in part and b not in frontier and not is_zero(gram[a, b])]
        parts.append(tuple(indices[a] for a in sorted(part)))
        left = [a for a in left if a not in part]
    return parts

"""R1 and R2, the regularity of a minimum in T2, decided exactly."""

from __future__ import annotations

from .exact import Matrix
from .optimiser import SGD, is_full_batch
from .problem import Problem


def is_regular(problem: Problem) -> bool:
    """R1 and R2, exactly: no step has determinant 0, 1 or -1 (batch 1: no c_i in {1, 2}), and the graph of K is connected."""
    minimum, optimiser = problem.exact
    if not is_connected(minimum.gram):
        return False
    if isinstance(optimiser, SGD) and optimiser.batch == 1 and not is_full_batch(optimiser, minimum.size):
        return all(optimiser.step_size * k not in (1, 2) for k in minimum.diagonal)
    return all(abs(x) not in (0, 1) for x in problem.family.determinants)


def is_connected(gram: Matrix) -> bool:
    left, front = set(range(1, len(gram))), [0]
    while front:
        i = front.pop()
        new = {j for j in left if gram[i][j]}
        left -= new
        front += new
    return not left

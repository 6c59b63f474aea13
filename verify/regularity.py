"""R1 and R2, the regularity of a minimum in T2, decided exactly."""

from __future__ import annotations

from .exact import InputError, Matrix
from .optimiser import SGD, is_full_batch, matrix_family, single_steps
from .problem import Problem


def is_regular(problem: Problem) -> bool:
    """R1 and R2, exactly: no step has determinant 0, 1 or -1 (batch 1: no c_i in {1, 2}), and the graph of K is connected.

    Stated for plain batch 1 and one output. For batches, vector outputs and reshuffled epochs the determinants of the steps of single batches are looked at,
    which is an extension. Raises `InputError` with momentum and weight decay, for which no regularity is stated.
    """
    minimum, optimiser = problem.exact
    if not optimiser.plain:
        raise InputError("regularity is stated for SGD without momentum and weight decay; leave them out")
    if minimum.components != (tuple(range(minimum.size)),):
        return False
    if isinstance(optimiser, SGD) and optimiser.batch == minimum.outputs == 1 and not is_full_batch(optimiser, minimum.size):
        return all(optimiser.step_size * k not in (1, 2) for k in minimum.diagonal)
    return all(abs(x) not in (0, 1) for x in matrix_family(minimum, single_steps(optimiser)).determinants)


def is_connected(gram: Matrix) -> bool:
    left, front = set(range(1, len(gram))), [0]
    while front:
        i = front.pop()
        new = {j for j in left if gram[i][j]}
        left -= new
        front += new
    return not left

"""Finite families of rational matrices: what an optimiser is, seen from the exponent methods.

A `MatrixFamily` is i.i.d. random matrices, A_s with probability p_s, plus the identity with the probability that is left. Equal matrices are merged and
identities dropped, in the order of first appearance, so that search and certificate speak of the same numbered steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .exact import InputError, Matrix, positive, rational_matrix

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class MatrixFamily:
    """Steps A_s (d x d, rational) with probabilities p_s > 0, sum p_s <= 1; the identity has the rest."""

    matrices: tuple[Matrix, ...]
    probabilities: tuple[Fraction, ...]
    dimension: int

    @classmethod
    def merged(cls, steps: Iterable[tuple[Matrix, Fraction]], dimension: int) -> MatrixFamily:
        """Merge equal matrices, drop identities. The probabilities of `steps` sum to one."""
        identity = tuple(tuple(Fraction(i == j) for j in range(dimension)) for i in range(dimension))
        weights: dict[Matrix, Fraction] = {}
        for matrix, probability in steps:
            if matrix != identity:
                weights[matrix] = weights.get(matrix, Fraction(0)) + probability
        return cls(tuple(weights), tuple(weights.values()), dimension)

    @classmethod
    def from_matrices(cls, matrices: Any, weights: Any, name: str = "matrices") -> MatrixFamily:
        """A family given directly; weights are positive and normalised by their sum."""
        exact = [rational_matrix(matrix, f"{name}[{s}]") for s, matrix in enumerate(matrices)]
        if not exact:
            raise InputError(f"{name} is empty; give at least one square matrix")
        dimension = len(exact[0])
        for s, matrix in enumerate(exact):
            if len(matrix) != dimension or len(matrix[0]) != dimension:
                raise InputError(f"{name}[{s}] is {len(matrix)} x {len(matrix[0])}; all matrices must be square and of one size")
        if len(weights) != len(exact):
            raise InputError(f"weights has {len(weights)} entries for {len(exact)} {name}; give one weight for each")
        exact_weights = [positive(weight, f"weights[{s}]") for s, weight in enumerate(weights)]
        total = sum(exact_weights)
        return cls.merged(zip(exact, (weight / total for weight in exact_weights), strict=True), dimension)

    @property
    def common_weight(self) -> int:
        """P, the least common denominator of the probabilities."""
        return math.lcm(1, *(p.denominator for p in self.probabilities))

    @property
    def integer_weights(self) -> tuple[int, ...]:
        """P_s = P p_s."""
        return tuple(int(p * self.common_weight) for p in self.probabilities)

    @cached_property
    def determinants(self) -> tuple[Fraction, ...]:
        """det A_s, exactly."""
        from flint import fmpq, fmpq_mat

        values = []
        for matrix in self.matrices:
            entries = [fmpq(x.numerator, x.denominator) for row in matrix for x in row]
            determinant = fmpq_mat(self.dimension, self.dimension, entries).det()
            values.append(Fraction(int(determinant.p), int(determinant.q)))
        return tuple(values)

    def as_floats(self) -> tuple[np.ndarray, np.ndarray]:
        """(matrices of shape (m, d, d), probabilities of shape (m,)) in double precision, for searches and estimates only."""
        import numpy as np

        from .result import as_float

        return np.array([[[as_float(x) for x in row] for row in matrix] for matrix in self.matrices]), np.array([float(p) for p in self.probabilities])

"""The minimum: everything that stability depends on, besides the optimiser, is the Gram matrix K_ij = <g_i, g_j> of the sample gradients.

`Minimum` holds K exactly, either given or as X X^T of the features of a linear model. `MeasuredMinimum` holds a floating-point K, from which only
estimates follow until it is rationalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .exact import InputError, Matrix, Vector, positive, rational_matrix, rational_vector

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Minimum:
    """An interpolating minimum with exact Gram matrix K (Nq x Nq, symmetric positive semidefinite, not zero), q = `outputs`: sample i owns rows iq..iq+q-1.

    Build it with `Minimum.from_gram` or `Minimum.from_features`, which check all of that.
    """

    gram: Matrix
    features: Matrix | None = None
    labels: Vector | None = None
    outputs: int = 1

    @classmethod
    def from_gram(cls, gram: Any, outputs: int = 1) -> Minimum:
        """K itself. Raises `InputError` with the offending entry, or a direction v with v^T K v < 0."""
        rows = rational_matrix(gram, "gram")
        if len(rows) != len(rows[0]):
            raise InputError(f"gram is {len(rows)} x {len(rows[0])}; a Gram matrix is square")
        for i, row in enumerate(rows):
            for j in range(i):
                if row[j] != rows[j][i]:
                    raise InputError(f"gram is not symmetric: gram[{i}][{j}] = {row[j]} but gram[{j}][{i}] = {rows[j][i]}; make them equal")
        if not any(map(any, rows)):
            raise InputError("gram is zero: no sample has a gradient, so there is nothing to converge; give a nonzero Gram matrix")
        check_outputs(outputs, len(rows), "gram")
        direction = _negative_direction(rows)
        if direction is not None:
            v = "[" + ", ".join(map(str, direction)) + "]"
            raise InputError(f"gram is not positive semidefinite: v^T gram v < 0 for v = {v}; a Gram matrix of gradients cannot be indefinite")
        return cls(rows, outputs=outputs)

    @classmethod
    def from_features(cls, features: Any, labels: Any = None, outputs: int = 1) -> Minimum:
        """A linear model F(w, y_i) = <x_i, w> with rows x_i: K = X X^T, exact and global. Labels, if given, decide solvability.

        With q `outputs` sample i owns the rows iq..iq+q-1 (and as many labels).
        """
        rows = rational_matrix(features, "features")
        check_outputs(outputs, len(rows), "features")
        if not any(map(any, rows)):
            raise InputError("features are all zero, so K = 0: no sample has a gradient; give at least one nonzero row")
        exact_labels = None
        if labels is not None:
            exact_labels = rational_vector(labels, "labels")
            if len(exact_labels) != len(rows):
                raise InputError(f"labels has {len(exact_labels)} entries for {len(rows)} rows of features; give one label for each row")
        integers, scale = _scaled(rows)
        products = [[sum(map(int.__mul__, u, v)) for v in integers[: i + 1]] for i, u in enumerate(integers)]
        gram = tuple(tuple(Fraction(products[max(i, j)][min(i, j)], scale**2) for j in range(len(rows))) for i in range(len(rows)))
        return cls(gram, rows, exact_labels, outputs)

    @property
    def size(self) -> int:
        """N, the number of samples."""
        return len(self.gram) // self.outputs

    def rows(self, samples: Sequence[int]) -> list[int]:
        """The rows of K that the samples own."""
        return [i * self.outputs + a for i in samples for a in range(self.outputs)]

    @cached_property
    def rank(self) -> int:
        """rank K = dimension of span{g_i}, exactly."""
        return rank(self.features or self.gram)

    @property
    def independent(self) -> bool:
        """H2 at this minimum: the gradients are linearly independent, that is K is positive definite."""
        return self.rank == len(self.gram)

    @property
    def solvable(self) -> bool | None:
        """Whether X w = labels has a solution; None when there are no labels (then it is an assumption)."""
        if self.features is None or self.labels is None:
            return None
        return rank(tuple((*row, z) for row, z in zip(self.features, self.labels, strict=True))) == self.rank

    @cached_property
    def components(self) -> tuple[tuple[int, ...], ...]:
        """Connected components of the graph of the samples with a gradient, an edge where K_ij (a block for q outputs) is not zero (R2 asks for one component,
        E1 splits by them)."""
        q, left, found = self.outputs, [i for i in range(self.size) if any(self.gram[a][a] for a in self.rows([i]))], []
        while left:
            component, front = {left[0]}, [left[0]]
            while front:
                own = [self.gram[a] for a in self.rows([front.pop()])]
                new = [j for j in left if j not in component and any(any(row[j * q : (j + 1) * q]) for row in own)]
                component.update(new)
                front += new
            found.append(tuple(sorted(component)))
            left = [i for i in left if i not in component]
        return tuple(found)

    @property
    def diagonal(self) -> Vector:
        """K_ii = |g_i|^2, one for each row of K."""
        return tuple(row[i] for i, row in enumerate(self.gram))

    def block(self, samples: Sequence[int]) -> Matrix:
        """K restricted to the rows of the samples."""
        rows = self.rows(samples)
        return tuple(tuple(self.gram[i][j] for j in rows) for i in rows)

    def gram_floats(self) -> np.ndarray:
        """K in double precision, for estimates and searches."""
        import numpy as np

        from .result import as_float

        return np.array([[as_float(x) for x in row] for row in self.gram])


@dataclass(frozen=True)
class MeasuredMinimum:
    """A floating-point K, symmetrised. Only estimates follow from it, until `rationalised` says which exact K is meant.

    `measured.MeasuredFeatures` is one whose K is given by features. Up to N of 20,000; see `measured` for what that takes.
    """

    gram: np.ndarray
    asymmetry: float
    outputs: int = 1

    @classmethod
    def from_gram(cls, gram: Any, outputs: int = 1) -> MeasuredMinimum:
        """Raises `InputError` unless K is a finite square array with nonnegative diagonal, symmetric and positive semidefinite up to 1e-6 of its largest entry.

        (Beyond N = 2048 a negative eigenvalue is looked for among 40 Ritz values.)
        """
        import numpy as np

        from .measured import DENSE, extreme_eigenvalues, reals, symmetrised

        k = reals(gram, "gram")
        if k.shape[0] != k.shape[1]:
            raise InputError(f"gram has shape {k.shape}; a Gram matrix is square and not empty")
        symmetric, asymmetry = symmetrised(k)
        if not k.any():
            raise InputError("gram is zero: no sample has a gradient; give a nonzero Gram matrix")
        if (np.diag(symmetric) < 0).any():
            i = int(np.argmin(np.diag(symmetric)))
            raise InputError(f"gram[{i}][{i}] = {symmetric[i, i]} is negative; the diagonal of a Gram matrix is not")
        dense = len(k) <= DENSE
        smallest, largest = np.linalg.eigvalsh(symmetric)[[0, -1]] if dense else extreme_eigenvalues(lambda v: symmetric @ v, len(k))[:2]
        if smallest < -1e-6 * largest:
            raise InputError(f"gram has the eigenvalue {smallest:.6g} (the largest is {largest:.6g}); a Gram matrix is positive semidefinite")
        check_outputs(outputs, len(k), "gram")
        return cls(symmetric, asymmetry, outputs)

    @property
    def size(self) -> int:
        """N, the number of samples."""
        return len(self.gram) // self.outputs

    @property
    def diagonal(self) -> list[float]:
        """K_ii = |g_i|^2, one for each row of K."""
        return [float(row[i]) for i, row in enumerate(self.gram)]

    def rationalised(self, spacing: Any = "1e-9") -> tuple[Minimum, Fraction]:
        """The nearest K with entries in `spacing` Z, and the largest change of an entry (from the symmetrised K). Raises if it is not positive semidefinite."""
        step = positive(spacing, "rationalise")
        rounded = tuple(tuple(round(Fraction(float(x)) / step) * step for x in row) for row in self.gram)
        change = max(abs(Fraction(float(x)) - y) for row, new in zip(self.gram, rounded, strict=True) for x, y in zip(row, new, strict=True))
        try:
            return Minimum.from_gram(rounded, self.outputs), change
        except InputError as error:
            advice = "rounding made a (nearly) singular K indefinite: give exact features, or add a small multiple of the identity"
            if not any(map(any, rounded)):
                advice = "the grid is coarser than every entry: choose a finer one"
            raise InputError(f"rationalise = {step}: {error}; {advice}") from None


def check_outputs(outputs: Any, rows: int, name: str) -> None:
    """Raises `InputError` unless every sample can own as many of the rows as it has outputs."""
    if isinstance(outputs, bool) or not isinstance(outputs, int) or not 1 <= outputs <= 1000:
        raise InputError(f"outputs = {outputs!r} is not an integer from 1 to 1000; write for example 2")
    if rows % outputs:
        raise InputError(f"outputs = {outputs} does not divide the {rows} rows of {name}; every sample owns as many rows as it has outputs")


def _scaled(rows: Matrix) -> tuple[list[list[int]], int]:
    import math

    scale = math.lcm(*(x.denominator for row in rows for x in row))
    return [[x.numerator * (scale // x.denominator) for x in row] for row in rows], scale


def rank(rows: Matrix) -> int:
    """The exact rank of a rational matrix."""
    from flint import fmpz_mat

    return int(fmpz_mat(_scaled(rows)[0]).rank())


def _negative_direction(gram: Matrix) -> list[Fraction] | None:
    """A rational v with v^T K v < 0, or None if K is positive semidefinite (a real-rooted characteristic polynomial with alternating signs)."""
    from flint import fmpz_mat

    integers, _ = _scaled(gram)
    size = len(gram)
    if size > 100 and _clearly_definite(gram):
        return None
    coefficients = fmpz_mat(integers).charpoly().coeffs()
    if all((-1) ** (size - k) * int(c) >= 0 for k, c in enumerate(coefficients)):
        return None
    # Congruences (symmetric elimination) until a negative diagonal entry shows; `basis` holds the transformed unit vectors.
    a = [[Fraction(x) for x in row] for row in integers]
    basis = [[Fraction(i == j) for j in range(size)] for i in range(size)]
    for k in range(size):
        for i in range(k, size):
            if a[i][i] < 0:
                return basis[i]
        pivot = next((i for i in range(k, size) if a[i][i] > 0), None)
        if pivot is None:  # all remaining diagonal entries vanish: e_i - sign(a_ij) e_j is negative
            i, j = next((i, j) for i in range(k, size) for j in range(k, i) if a[i][j])
            sign = 1 if a[i][j] > 0 else -1
            return [x - sign * y for x, y in zip(basis[i], basis[j], strict=True)]
        a[k], a[pivot], basis[k], basis[pivot] = a[pivot], a[k], basis[pivot], basis[k]
        for row in a:
            row[k], row[pivot] = row[pivot], row[k]
        for i in range(k + 1, size):
            factor = a[i][k] / a[k][k]
            if factor:
                a[i] = [x - factor * y for x, y in zip(a[i], a[k], strict=True)]
                basis[i] = [x - factor * y for x, y in zip(basis[i], basis[k], strict=True)]
    raise AssertionError("the characteristic polynomial and the elimination disagree")


def _clearly_definite(gram: Matrix) -> bool:
    """Large K whose smallest floating-point eigenvalue is far above the backward error of the solver: spares the exact characteristic polynomial."""
    import numpy as np

    from .result import as_float

    eigenvalues = np.linalg.eigvalsh(np.array([[as_float(x) for x in row] for row in gram]))
    return bool(np.isfinite(eigenvalues).all() and eigenvalues[0] > 1e-9 * eigenvalues[-1])

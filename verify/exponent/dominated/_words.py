"""Words whose product has two eigenvalues of equal modulus: a proof that the family is not dominated."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...exact import Matrix
from ...family import MatrixFamily
from ._arcs import scaled

FEW_WORDS, MANY_WORDS = 4000, 100_000  # of one length, at first and where no arcs are found
MAX_LENGTH = 24


@dataclass(frozen=True)
class NonHyperbolic:
    """The product A_(w_n) ... A_(w_1) of the steps `word` = (w_1, ..., w_n) has eigenvalues of equal modulus; `kind` says of which sort, proved exactly."""

    word: tuple[int, ...]
    kind: str

    def __str__(self) -> str:
        product = " ".join(f"A_{s}" for s in reversed(self.word))
        return f"the product {product} is {self.kind}, so no arcs are mapped into their interior: the family is not dominated"


def kind_of(a: Matrix) -> str | None:
    """The sort of a matrix without a dominant eigenvalue; None where one eigenvalue is larger in modulus.

    If arcs (not everything) are mapped into their interior by a family, some power of every product maps an arc into its interior, so that the product has
    a simple eigenvalue of largest modulus. These products have none.
    """
    trace, determinant = a[0][0] + a[1][1], a[0][0] * a[1][1] - a[0][1] * a[1][0]
    discriminant = trace * trace - 4 * determinant
    if discriminant < 0:
        return "elliptic (tr^2 < 4 det)"
    if discriminant == 0:
        if trace == 0:
            return "nilpotent"
        return "a multiple of the identity" if a[0][1] == a[1][0] == 0 else "parabolic (tr^2 = 4 det)"
    return "a reflection up to a factor (tr = 0)" if trace == 0 else None


def nonhyperbolic_word(family: MatrixFamily, most: int = FEW_WORDS) -> NonHyperbolic | None:
    """The first such word while there are at most `most` of a length, screened in floating point and decided exactly; None proves nothing."""
    steps = np.array([scaled(a)[0] for a in family.matrices])
    words: list[tuple[int, ...]] = [(s,) for s in range(len(steps))]
    count, products = len(steps), steps
    for length in range(1, MAX_LENGTH + 1):
        trace, determinant = products[:, 0, 0] + products[:, 1, 1], np.linalg.det(products)
        discriminant = trace**2 - 4 * determinant
        candidates = np.flatnonzero((discriminant <= 1e-9) | (np.abs(trace) <= 1e-9))
        for index in candidates[np.argsort(np.minimum(discriminant, np.abs(trace))[candidates])][:8]:
            if kind := kind_of(_product(family, words[index])):
                return NonHyperbolic(words[index], kind)
        if count ** (length + 1) > most:
            break
        products = np.einsum("sab,wbc->wsac", steps, products).reshape(-1, 2, 2)
        products /= np.maximum(np.abs(products).max(axis=(1, 2)), 1e-300)[:, None, None]
        words = [(*word, s) for word in words for s in range(count)]
    return None


def _product(family: MatrixFamily, word: tuple[int, ...]) -> Matrix:
    result: Matrix = ((Fraction(1), Fraction(0)), (Fraction(0), Fraction(1)))
    for s in word:
        a = family.matrices[s]
        result = tuple(tuple(a[i][0] * result[0][j] + a[i][1] * result[1][j] for j in (0, 1)) for i in (0, 1))
    return result

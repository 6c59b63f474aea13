"""The joint spectral radius rho_JSR = lim sup_w ||A_w||^(1/|w|) (E12); L(p)/p -> log rho_JSR as p -> infinity, for every choice of positive probabilities.

* If all A_i are symmetric in one inner product then rho_JSR = max_i rho(A_i): their norms are their spectral radii. Plain SGD is such a family (steps
  I - (eta/B) sum g_i g_i^T on span{g_i}; in residual coordinates Q = K^-1), whatever the batch. Batch 1, N >= 2 independent gradients:
  rho_JSR = max(1, max_i |1 - c_i|), which is 1 iff all c_i <= 2.
* In general rho(A_w)^(1/|w|) is a lower bound for every word w (Daubechies, Lagarias, Linear Algebra Appl. 161, 1992), and R is an upper bound if every
  infinite word has a prefix u out of a finite set with ||A_u||_Q <= R^|u|: long words are products of such prefixes and a bounded rest (G. Gripenberg,
  Linear Algebra Appl. 234, 1996). Norms are compared in exact arithmetic (R^(2|u|) Q - A_u^T Q A_u positive semidefinite), Q is a rounded minimiser of the
  largest norm.
"""

from __future__ import annotations

import itertools
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..balls import ends, fmpq_of
from ..exact import Matrix
from ..family import MatrixFamily
from ..optimiser import SGD
from ..problem import Problem
from .blocks import exact_blocks, period, remainder
from .result import Bounds, Rigour

if TYPE_CHECKING:
    import numpy as np

QUANTITY = "joint spectral radius"
MAX_WORDS, MAX_NODES, MAX_DEPTH = 3000, 4000, 40
PRECISION = 200
GAPS = (1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6)


def joint_spectral_radius(problem: Problem, *, time_limit: float = 20.0) -> Bounds:
    """Exact bounds, per step; equal where the exact value is rational and known."""
    minimum, optimiser = problem.minimum, problem.optimiser
    if problem.is_exact and minimum is not None and isinstance(optimiser, SGD) and optimiser.batch == 1 and optimiser.plain and minimum.outputs == 1:
        factors = [abs(1 - optimiser.step_size * k) for k in problem.exact[0].diagonal if k]
        value = max([*factors, Fraction(1)] if problem.exact[0].rank > 1 or not all(problem.exact[0].diagonal) else factors)
        return Bounds(QUANTITY, value, value, Rigour.EXACT, "symmetric steps (E12)", "batch 1: the largest of 1 and |1 - c_i|")
    deadline = time.monotonic() + time_limit
    found = [_block(family, _inner_product(problem, family), deadline) for family in exact_blocks(problem)]
    lo, hi = max(x[0] for x in found), max(x[1] for x in found)
    if (steps := period(problem)) > 1:
        lo, hi = _root(lo, steps, False), _root(hi, steps, True)
    return Bounds(QUANTITY, lo, hi, Rigour.EXACT, " + ".join(dict.fromkeys(x[2] for x in found)))


def _block(family: MatrixFamily, form: Any, deadline: float) -> tuple[Fraction, Fraction, str]:
    """(lo, hi, method); the identity belongs to the family where it has a probability."""
    steps = [_fmpq(a) for a in family.matrices]
    floor = Fraction(1) if remainder(family) or not steps else Fraction(0)
    if family.dimension == 1:
        value = max([floor, *(abs(a[0][0]) for a in family.matrices)])
        return value, value, "one dimension"
    if form is not None and all((form * a - a.transpose() * form).entries() == [0] * family.dimension**2 for a in steps):
        radii = [spectral_radius(a) for a in steps]
        return max([floor, *(x for x, _ in radii)]), max([floor, *(x for _, x in radii)]), "symmetric steps (E12)"
    lo, word = _best_word(family)
    lo = max(lo, floor)
    hi = _upper(family, steps, lo, deadline)
    return lo, max(hi, floor), f"word {word}, norms of words"


def _inner_product(problem: Problem, family: MatrixFamily) -> Any:
    """Q with Q A_i symmetric for all steps of plain SGD; None where there is no candidate. Checked by the caller."""
    if problem.minimum is None or problem.exact[0].size * problem.exact[0].outputs != family.dimension:
        return _fmpq([[Fraction(i == j) for j in range(family.dimension)] for i in range(family.dimension)])
    gram = _fmpq(problem.exact[0].gram)
    return gram.inv() if gram.det() != 0 else None


def spectral_radius(a: Any) -> tuple[Fraction, Fraction]:
    """Rational ends of max |z| over the eigenvalues of an fmpq_mat, from the roots of its exact characteristic polynomial."""
    from flint import ctx

    polynomial = a.charpoly()
    simple = polynomial / polynomial.gcd(polynomial.derivative())
    with ctx.workprec(PRECISION):
        sizes = [ends(abs(z)) for z, _ in simple.complex_roots()]
    return max(Fraction(0), max(lo for lo, _ in sizes)), max(hi for _, hi in sizes)


def _best_word(family: MatrixFamily) -> tuple[Fraction, str]:
    """A lower bound from the best word among all of up to 3000 letters' products, found in floating point and then exactly."""
    import numpy as np

    matrices, _ = family.as_floats()
    m, rate, at = len(matrices), 0.0, matrices
    words: list[tuple[int, ...]] = [(i,) for i in range(m)]
    best = words[0]
    for length in itertools.count(1):
        rates = np.abs(np.linalg.eigvals(at)).max(axis=1) ** (1 / length)
        k = int(np.argmax(rates))
        if rates[k] > rate * (1 + 1e-12):
            rate, best = float(rates[k]), words[k]
        if len(words) * m > MAX_WORDS or length == 16 or not np.isfinite(at).all():
            break
        words = [(*w, i) for w in words for i in range(m)]
        at = np.einsum("wij,sjk->wsik", at, matrices).reshape(-1, family.dimension, family.dimension)
    product = _fmpq(family.matrices[best[0]])
    for i in best[1:]:
        product = product * _fmpq(family.matrices[i])
    return _root(spectral_radius(product)[0], len(best), False), "".join(f"A{i + 1}" for i in best)


def _upper(family: MatrixFamily, steps: list[Any], lo: Fraction, deadline: float) -> Fraction:
    """The smallest R = lo (1 + gap) for which a finite set of prefixes proves rho_JSR <= R."""
    import numpy as np

    floats, _ = family.as_floats()
    root = _optimised(floats)
    form = _rounded_form(root)
    inverse = np.linalg.inv(root)
    hi: Fraction | None = None
    start = lo or Fraction(float(np.abs(floats).max()) * 1e-6)  # positive even where every word dies
    for gap in GAPS:
        radius = (start * (1 + Fraction(gap).limit_denominator(10**7))).limit_denominator(10**9)
        if radius < lo or time.monotonic() > deadline or not _covered(steps, [root @ a @ inverse for a in floats], form, radius, deadline):
            break
        hi = radius
    if hi is not None:
        return hi
    return max([lo, *(sum((abs(x) for row in a for x in row), start=Fraction(0)) for a in family.matrices)])  # a norm of each step


def _covered(steps: list[Any], floats: list[np.ndarray], form: Any, radius: Fraction, deadline: float) -> bool:
    """Whether every infinite word has a prefix u with ||A_u||_Q <= radius^|u|, within the limits of the search."""
    import numpy as np

    stack: list[tuple[Any, Any, int]] = [(None, np.eye(len(floats[0])), 0)]
    nodes = 0
    while stack:
        exact, near, length = stack.pop()
        for a, f in zip(steps, floats, strict=True):
            nodes += 1
            if nodes > MAX_NODES or length >= MAX_DEPTH or time.monotonic() > deadline:
                return False
            product, size = a if exact is None else exact * a, near @ f / float(radius)
            if float(np.linalg.norm(size, 2)) <= 1 + 1e-9 and _semidefinite(form * fmpq_of(radius ** (2 * length + 2)) - product.transpose() * form * product):
                continue
            stack.append((product, size, length + 1))
    return True


def _optimised(floats: np.ndarray) -> np.ndarray:
    """An upper triangular root of Q that makes the largest norm of root A root^-1 small."""
    import numpy as np
    from scipy.optimize import minimize

    d = floats.shape[1]
    upper = np.triu_indices(d)

    def root(x: np.ndarray) -> np.ndarray:
        result = np.zeros((d, d))
        result[upper] = x
        result[np.diag_indices(d)] = np.exp(np.clip(np.diag(result), -10, 10))
        return result

    def largest(x: np.ndarray) -> float:
        r = root(x)
        return float(np.linalg.norm(r @ floats @ np.linalg.inv(r), 2, axis=(1, 2)).max())

    start = np.zeros(len(upper[0]))
    found = minimize(largest, start, method="Nelder-Mead", options={"maxiter": 150 * len(start), "xatol": 1e-6, "fatol": 1e-9, "adaptive": True})
    return root(found.x if largest(found.x) < largest(start) else start)


def _rounded_form(root: np.ndarray) -> Any:
    """Q = root^T root, rational and positive definite: the diagonal of the root is at least e^-10."""
    r = _fmpq([[Fraction(round(float(x) * 2**40)) for x in row] for row in root])
    return r.transpose() * r


def _semidefinite(s: Any) -> bool:
    """By the signs of the characteristic polynomial of a symmetric matrix."""
    coefficients = s.charpoly().coeffs()
    return all((-1) ** (len(coefficients) - 1 - k) * c >= 0 for k, c in enumerate(coefficients))


def _root(x: Fraction, n: int, up: bool) -> Fraction:
    """A rational bound of x^(1/n), x >= 0, exact where n = 1."""
    from flint import arb, ctx

    if n == 1 or not x:
        return x
    with ctx.workprec(PRECISION):
        return ends(arb(fmpq_of(x)).root(n))[up]


def _fmpq(rows: Matrix | list[list[Fraction]]) -> Any:
    from flint import fmpq_mat

    return fmpq_mat(len(rows), len(rows[0]), [fmpq_of(x) for row in rows for x in row])


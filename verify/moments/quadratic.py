"""Batch 1, any number of samples: L(2) and the mean-square step size from an N x N matrix, verified in floating point (E11).

With draws of probability p_i = w_i / N and s > -2 kappa_min let G_s q = diag X, where X solves  s X + K W X + X W K = K diag(w q) K,  W = diag(w). As
X_ij = sum_k w_k q_k int_0^inf e^(-s t) (e^(-t K W) K)_ik (e^(-t K W) K)_jk dt, G_s is entrywise nonnegative, decreasing in s, and
    eta_ms = 1 / rho(G_0);      rho(E[A (x) A]) = 1 + eta s / N  where  eta rho(G_s) = 1.
Proof. E[A Sigma A] = R Sigma with q_i = g_i^T Sigma g_i and X = G^T Sigma G reads q = eta G_s q, s = N (R - 1) / eta. If rho(T) = R' >= R, its eigenmatrix
Sigma >= 0 gives q = eta G_s' q <= eta G_s q, q != 0 (else R' is an eigenvalue 1 - eta (kappa_a + kappa_b) / N of the drift, below R), so eta rho(G_s) >= 1.
Conversely, if eta rho(G_s) >= 1, then eta rho(G_s') = 1 for some s' >= s, as rho(G_s') falls to 0; the Perron vector gives an eigenmatrix, and rho(T) >= R.
[] (For s = 0 and uniform draws G is the matrix S of E11.)

Verified: for every q > 0, min (G q)_i / q_i <= rho(G) <= max (G q)_i / q_i (Collatz, Wielandt). With q = W u and X = K' Z K'^T, K' = K W, the equation is
s Z + K' Z + Z K'^T = diag(u), and (G q)_i = (K' Z K'^T)_ii. An approximate Z from the eigenvectors of K has the residual R = s Z + K' Z + (K' Z)^T - diag(u),
which needs one product, done to about 100 bits (`_extended`); in the eigenbasis of W^(1/2) K W^(1/2), with eigenvalues k_a in (0, kappa], its effect on
(G q)_i is at most
    (1 / w_i) max_ab k_a k_b / (s + k_a + k_b) ||W^(1/2) R W^(1/2)||_F <= (w_max / w_i) (kappa / 2) ||R||_F / (1 - max(0, -s) / (2 k_min)).
No digits are lost to a small k_min other than through Z, and Z is refined. That K is positive definite is verified by a Cholesky decomposition of a shifted
matrix (S. M. Rump, BIT 46, 2006). A floating-point K counts as the exact dyadic numbers that it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..balls import log_sum_bounds
from ..exact import InputError
from ..minimum import MeasuredMinimum
from ..optimiser import SGD, probabilities
from ..problem import Problem
from ..result import as_float
from ._extended import EPSILON, LARGEST, Pair, product, row_sums, slices, two_product
from .result import Bounds, Rigour, unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

METHOD = "N x N form of the mean square (E11), verified"
SAFE = 1 + 1e-9  # covers the rounding of norms and of other bounds that need not be sharp
DEPTH = 6  # of the sliced products: about 100 bits
SPREAD = 2e-13  # of the Collatz-Wielandt quotients that is good enough


class Unverified(Exception):
    """No rigorous bound; the message says why."""


@dataclass(frozen=True)
class Form:
    """One component in units of 2^scale: `parts` sum to K' = K W (the last one below 2^-52 of the largest entry; both floats of it), w, and what follows
    from it."""

    parts: list[Floats]
    lost: float  # |K' - sum of parts| <= lost
    w: Floats
    kappa: Floats
    vectors: Floats
    scale: int
    smallest: float  # proved lower bound of the eigenvalues of W^(1/2) K W^(1/2)
    largest: float  # proved upper bound

    @classmethod
    def of(cls, gram: Any, w: Any, exact: bool) -> Form:
        """`gram` is an array of floats or (exact) rows of rational numbers, `w` rational weights with mean about one."""
        import numpy as np

        weights = np.array([as_float(x) for x in w])
        uniform = all(x == 1 for x in w)
        if not exact and uniform:
            first, second = np.asarray(gram, dtype=float), None
        else:
            rows = [[(x if exact else Fraction(float(x))) * y for x, y in zip(row, w, strict=True)] for row in gram]
            first = np.array([[as_float(x) for x in row] for row in rows])
            if not np.isfinite(first).all():
                raise Unverified("K has entries beyond the range of floating point")
            second = np.array([[float(x - Fraction(float(y))) for x, y in zip(row, near, strict=True)] for row, near in zip(rows, first, strict=True)])
        scale = int(np.frexp(np.abs(first).max())[1])
        parts = [np.ldexp(part, -scale) for part in (first, second) if part is not None and part.any()]
        root = np.sqrt(weights)
        symmetric = root[:, None] * (parts[0] / weights) * root
        symmetric = (symmetric + symmetric.T) / 2
        kappa, vectors = np.linalg.eigh(symmetric)
        largest = float(weights.max()) * min(float(np.abs(parts[0] / weights).sum(axis=1).max()), float(np.linalg.norm(parts[0] / weights))) * SAFE
        lost = 0.0 if second is None else 2.0**-100
        return cls(parts, lost, weights, kappa, vectors, scale, _definite(symmetric, float(kappa[0])), largest)

    @property
    def size(self) -> int:
        return len(self.w)

    def solve(self, right: Floats, s: float) -> Floats:
        """An approximate Z with s Z + K' Z + Z K'^T = right (symmetric)."""
        root = np_sqrt(self.w)
        inner = self.vectors.T @ (root[:, None] * right * root) @ self.vectors
        z = self.vectors @ (inner / (s + self.kappa[:, None] + self.kappa)) @ self.vectors.T / root[:, None] / root
        return (z + z.T) / 2

    def perron(self, s: float) -> tuple[float, Floats]:
        """(rho(G_s), its positive eigenvector), approximately, by Lanczos iteration on the symmetric W^(1/2) G W^(-1/2)."""
        import numpy as np
        from scipy.sparse.linalg import LinearOperator, eigsh

        root, v = np_sqrt(self.w), self.vectors
        cauchy = self.kappa[:, None] * self.kappa / (s + self.kappa[:, None] + self.kappa)

        def apply(y: Floats) -> Floats:
            inner = v.T @ ((y.ravel() / root)[:, None] * v) * cauchy
            return np.asarray(np.einsum("ia,ai->i", v, inner @ v.T) / root)

        start = np.einsum("ia,a,ia->i", v, self.kappa, v)
        if self.size < 3:
            values, vectors = np.linalg.eigh(np.stack([apply(e) for e in np.eye(self.size)]))
        else:
            values, vectors = eigsh(LinearOperator((self.size, self.size), matvec=apply, dtype=float), k=1, which="LA", v0=start, tol=1e-12)
        y = apply(np.abs(vectors[:, -1]))  # one more step: small entries of a Perron vector are relatively accurate only then
        return float(values[-1]), np.maximum(y, 1e-14 * y.max()) / root / y.max()

    def quotients(self, q: Floats, s: float) -> tuple[Floats, Floats, Floats]:
        """Rigorous (lower, upper) bounds of (G_s q)_i / q_i, and q for another round."""
        import numpy as np

        if s < 0 and not 2 * self.smallest + s > 0:
            raise Unverified("the drift contracts too slowly for a verified bound below one")
        if not (q > 0).all():
            raise Unverified("the Perron vector was not found with positive entries")
        u = q / self.w
        factors, exponent, error = slices(self.parts, 2 + 2 * len(self.parts))
        k = (factors, exponent, error + self.lost)
        z, tail = self.solve(np.diag(u), s), np.zeros((self.size, self.size))
        contraction = 1 - max(0.0, -s) / (2 * self.smallest) * SAFE if s < 0 else 1.0
        for _ in range(4):
            image = product(k, slices([z, tail], 5), DEPTH + len(self.parts) - 1)
            residual = Pair(z.shape)
            for x in (*two_product(np.array(s), z), *two_product(np.array(s), tail)) if s else ():
                residual.add(x)
            for x in (image.hi, image.hi.T, image.lo, image.lo.T, -np.diag(u)):
                residual.add(x)
            rest = residual.hi + residual.lo
            size = (float(np.linalg.norm(rest)) + self.size * (residual.error + 2 * image.error)) * SAFE
            effect = float(self.w.max()) * self.largest / 2 * size / contraction / self.w * SAFE
            value, rounding = row_sums(image, self.parts)
            if float((effect / value).max()) < SPREAD / 4:
                break
            z, tail = _two_sum(z, tail, -self.solve(rest, s))
        beside = 2 * image.error * np.abs(self.parts[0]).sum(axis=1) + (np.abs(image.hi) + np.abs(image.lo) + image.error).sum(axis=1) * self.lost
        slack = (rounding + effect + beside) * SAFE
        q = self.w * u  # (up to rounding, which the factors below cover)
        return (value - slack) / q * (1 - 8 * EPSILON), (value + slack) / q * (1 + 8 * EPSILON), value / value.max()

    def radius(self, s: float) -> tuple[Fraction, Fraction]:
        """Rational ends of rho(G_s) in the units of the form."""
        _, q = self.perron(s)
        lo, hi = 0.0, float("inf")
        for _ in range(3):
            low, high, q = self.quotients(q, s)
            lo, hi = max(lo, float(low.min())), min(hi, float(high.max()))
            if hi - lo <= SPREAD * hi:
                break
        return Fraction(max(lo, 0.0)), Fraction(hi)


def quadratic_step_size(problem: Problem) -> Bounds:
    """eta_ms; raises `Unverified`."""
    forms, about = _forms(problem)
    ends = [tuple(x * Fraction(2) ** form.scale for x in form.radius(0.0)) for form in forms]
    lo, hi = max(end[0] for end in ends), max(end[1] for end in ends)
    return Bounds("eta_ms", 1 / hi, 1 / lo if lo else None, Rigour.BALLS, METHOD, about)


def quadratic_moment(problem: Problem) -> Bounds:
    """L(2) = log rho(E[A (x) A]) at the problem's step size, batch 1."""
    quantity = "L(2)"
    try:
        forms, about = _forms(problem)
        assert problem.optimiser is not None
        pairs = [_growth(form, problem.optimiser.step_size, problem) for form in forms]
    except Unverified as error:
        return unknown(quantity, METHOD, str(error))
    lo, hi = max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
    logs = [log_sum_bounds([(Fraction(1), x)], Fraction(1, 10**16)) for x in (lo, hi)]
    assert logs[0] is not None
    assert logs[1] is not None
    return Bounds(quantity, logs[0][0], logs[1][1], Rigour.BALLS, METHOD, about)


def _growth(form: Form, eta: Fraction, problem: Problem) -> tuple[Fraction, Fraction]:
    """Ends of R = 1 + eta s / N with eta rho(G_s) = 1: the root in floating point, both sides verified."""
    from scipy.optimize import brentq

    assert problem.minimum is not None
    unit = Fraction(2) ** form.scale
    target = 1 / as_float(eta * unit)
    floor, gap, top = -2 * float(form.kappa[0]), float(form.kappa[0]), 1.0
    while form.perron(floor + gap)[0] < target:
        gap /= 8
        if gap < 1e-9 * form.kappa[0]:
            raise Unverified("L(2) is too close to the drift's 1 - 2 eta kappa_min / N")
    while form.perron(top)[0] > target:
        top *= 4
    s = brentq(lambda x: form.perron(x)[0] - target, floor + gap, top, xtol=1e-15, rtol=1e-14)
    for spread in (1e-12, 1e-10, 1e-8):
        low, high = s - spread * max(abs(s), 1e-3), s + spread * max(abs(s), 1e-3)
        if form.radius(low)[0] * unit * eta >= 1 and form.radius(high)[1] * unit * eta < 1:
            return tuple(1 + eta * unit * Fraction(x) / problem.minimum.size for x in (low, high))  # type: ignore[return-value]
    raise Unverified("the two sides of the root were not separated")


def _forms(problem: Problem) -> tuple[list[Form], str]:
    """The components of K, and what was taken as exact."""
    import numpy as np
    from scipy.sparse.csgraph import connected_components

    optimiser = problem.optimiser
    if problem.minimum is None or problem.minimum.outputs > 1 or not isinstance(optimiser, SGD) or optimiser.batch > 1 or not optimiser.plain:
        raise InputError("the N x N form of the mean square is for plain SGD with batch = 1 at a Gram matrix or features (one output, no momentum or decay)")
    size = problem.minimum.size
    if size > LARGEST:
        raise InputError(f"N = {size} is above {LARGEST}, the largest N of the verified N x N form")
    measured = isinstance(problem.minimum, MeasuredMinimum)
    gram: Any = problem.minimum.gram
    pattern = gram != 0 if isinstance(problem.minimum, MeasuredMinimum) else np.array([[bool(x) for x in row] for row in gram])
    weights = [p * size for p in probabilities(optimiser, size)]
    forms = []
    count, label = connected_components(pattern, directed=False)
    for c in range(count):
        inside = np.flatnonzero(label == c)
        if len(inside) == 1 and not pattern[inside[0], inside[0]]:
            continue
        block = gram[np.ix_(inside, inside)] if measured else [[gram[i][j] for j in inside] for i in inside]
        forms.append(Form.of(block, [weights[i] for i in inside], not measured))
    return forms, "K is measured: a statement about the binary numbers that it holds" if measured else ""


def _definite(matrix: Floats, smallest: float) -> float:
    """tau > 0 with M - tau I positive semidefinite, M within 2^-50 of `matrix`, relative to its largest entry. If Cholesky's decomposition of the matrix minus
    c I runs to its end, the factors are exact for one within gamma trace(M) / (1 - gamma) of it, gamma = (n + 2) EPSILON."""
    import numpy as np

    n = len(matrix)
    slack = ((n + 3) * EPSILON * float(np.trace(matrix)) + n * 2.0**-49 * float(np.abs(matrix).max())) * SAFE
    tau = (1 - 1e-9) * smallest - 2 * slack
    if tau > 0:
        try:
            np.linalg.cholesky(matrix - (tau + slack) * np.eye(n))
            return tau
        except np.linalg.LinAlgError:
            pass
    raise Unverified("K is singular, or too close to it for a verified bound")


def np_sqrt(x: Floats) -> Floats:
    import numpy as np

    return np.asarray(np.sqrt(x))


def _two_sum(z: Floats, tail: Floats, change: Floats) -> tuple[Floats, Floats]:
    """z + tail + change as a leading and a small part."""
    total = Pair(z.shape)
    for x in (z, tail, change):
        total.add(x)
    high = total.hi + total.lo
    return high, (total.hi - high) + total.lo

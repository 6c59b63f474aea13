"""The mean-square threshold of SGD with batches, weights, weight decay and vector outputs at a measured K (E11), in floating point.

A step at step size eta is I - eta G, G = omega I + (1/B) sum_(i in S) X_i^T X_i with the q rows X_i of sample i in coordinates of span{g_i} in which
E[X_i^T X_i] = diag(k). Then eta_ms = 1/rho(L^-1 Q), L(S) = E[G] S + S E[G], Q(S) = E[G S G]: both L^-1 (a division by k_a + k_b + 2 omega) and Q map
semidefinite matrices to such ones. With M(S) = E_i[X_i^T X_i S X_i^T X_i] and draws with replacement
Q'(S) = M(S)/B + (1 - 1/B) diag(k) S diag(k), without replacement (1/B) M(S) + (1 - 1/B) (N diag(k) S diag(k) - M(S)) / (N - 1), and Q follows.
"""

from __future__ import annotations

import numpy as np

from ..optimiser import SGD, probabilities
from ..result import as_float
from .kernel import Kernel
from .model import Floats

MAX_ROWS = 512  # a product takes about 3 (N q)^3 operations, and there are some dozens


def mean_square_step_size(kernel: Kernel, optimiser: SGD) -> float | None:
    """eta_ms of an optimiser without momentum, in the theory's convention; None for more than `MAX_ROWS` outputs."""
    from scipy.sparse.linalg import LinearOperator, eigs

    n, q, rows = kernel.size, kernel.outputs, len(kernel.gram)
    if rows > MAX_ROWS:
        return None
    p = np.array([as_float(x) for x in probabilities(optimiser, n)])
    root = np.repeat(np.sqrt(p), q)
    kappa, vectors = np.linalg.eigh(root[:, None] * kernel.gram * root)
    kept = kappa > 1e-13 * kappa[-1]
    k, b, omega = kappa[kept], optimiser.batch, as_float(optimiser.weight_decay)
    d = len(k)
    x = (vectors[:, kept] * np.sqrt(k) / root[:, None]).reshape(n, q, d)
    drift = k[:, None] + k + 2 * omega

    def single(s: Floats) -> Floats:
        return np.asarray(np.einsum("i,iqa,iqr,irb->ab", p, x, np.einsum("iqa,ira->iqr", x @ s, x), x, optimize=True))

    def applied(flat: Floats) -> Floats:
        s = flat.reshape(d, d) / drift
        s = (s + s.T) / 2
        one, pair = single(s), k[:, None] * s * k
        both = pair if optimiser.replacement or b == 1 else (n * pair - one) / (n - 1)
        return np.asarray(one / b + (1 - 1 / b) * both + omega * (k[:, None] + k) * s + omega**2 * s).ravel()

    if d * d <= 16:
        largest = float(np.abs(np.linalg.eigvals(np.stack([applied(e) for e in np.eye(d * d)], 1))).max())
    else:
        operator = LinearOperator((d * d, d * d), matvec=applied, dtype=float)
        largest = float(np.abs(eigs(operator, k=1, which="LM", v0=np.eye(d).ravel(), tol=1e-10, return_eigenvectors=False)).max())
    return 1 / largest

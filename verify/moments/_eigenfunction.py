"""The floating-point half of `planar`: the eigenfunction of the transfer operator on a grid of directions, and where to refine the grid. Untrusted.

Unknowns phi_k = log h(v_k) and l = L(p)/p, with (1/p) log q(v_k) = l at every ray and sum phi_k = 0. Newton's method on the bordered sparse system; its
matrix is that of a Markov chain (each A_i chosen with probability proportional to p_i h(A_i v)^p) minus the identity, so Poisson's equation at p = 0 is the
special case.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from ..family import MatrixFamily
from .planar import BITS, HEIGHT_BITS, Ray

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FIRST = 64
LARGEST = 40_000
ROUNDS = 40


class Unsolved(Exception):
    """No eigenfunction was found; the message says why."""


def first_angles() -> Floats:
    """A uniform grid of [0, pi)."""
    import numpy as np

    return np.linspace(0.0, math.pi, FIRST, endpoint=False)


def refined(angles: Floats, cells: list[int], lows: list[Fraction], highs: list[Fraction], width: float) -> Floats:
    """Split the named cells that stand in the way of the width, at least the worst of them; neighbours stay within a factor of 4."""
    import numpy as np

    low, high = np.array([float(lows[k]) for k in cells]), np.array([float(highs[k]) for k in cells])
    middle = float(np.median(low) + np.median(high)) / 2
    excess = np.zeros(len(angles))
    excess[cells] = np.maximum(high - middle, middle - low) / abs(middle)
    goal = max(0.35 * width, min(float(np.quantile(excess[cells], 0.8)), float(excess.max()) / 4))
    gaps = np.diff(np.append(angles, angles[0] + math.pi))
    parts = np.clip(np.ceil(np.sqrt(excess / goal)), 1, 4).astype(int)
    parts = np.where((parts == 1) & (np.minimum(np.roll(gaps, 1), np.roll(gaps, -1)) < gaps / 4) & (excess > 0), 2, parts)
    parts[gaps < 1e-11] = 1
    return np.concatenate([angle + gap / count * np.arange(count) for angle, gap, count in zip(angles, gaps, parts, strict=True)])


def eigenfunction(family: MatrixFamily, angles: Floats, p: float, warm: tuple[Floats, Floats] | None) -> tuple[list[Ray], list[int], tuple[Floats, Floats]]:
    """(integer rays, integer heights, (angles, log heights) for the next grid)."""
    import numpy as np
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

    if len(angles) > LARGEST:
        raise Unsolved(f"the grid would have more than {LARGEST} directions")
    rays = np.round(np.stack([np.cos(angles), np.sin(angles)], axis=1) * 2.0**BITS)
    n = len(rays)
    matrices, chances = family.as_floats()
    scale = float(np.abs(matrices).max())
    if not (np.isfinite(matrices).all() and 1e-100 < scale < 1e100):
        raise Unsolved("the entries are too large or too small for the search")
    matrices, rest = matrices / scale, max(0.0, 1 - float(chances.sum()))
    phi = np.zeros(n) if warm is None else np.interp(angles, np.append(warm[0], math.pi), np.append(warm[1], warm[1][0]))
    at, first, second = _coordinates(matrices, rays)
    rows, here = np.tile(np.arange(n), len(matrices)), np.arange(n)
    weights = np.log(chances)[:, None]
    stay = (math.log(rest) if rest > 1e-15 else -np.inf) - p * math.log(scale)
    for _ in range(ROUNDS):
        h = np.exp(phi - phi.max())
        left, right = first * h[at], second * h[(at + 1) % n]
        image = left + right
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.concatenate([weights + p * np.where(image > 0, np.log(image), -np.inf), (stay + p * np.log(h))[None]])
        top = logs.max(axis=0)
        if not np.isfinite(top).all():
            raise Unsolved("a direction dies under every step")
        shares = np.exp(logs - top)
        total = shares.sum(axis=0)
        value = (top + np.log(total)) / p - np.log(h)
        shares /= total
        inner = shares[:-1] / np.maximum(image, 1e-300)
        data = np.concatenate([(inner * left).ravel(), (inner * right).ravel(), shares[-1] - 1, np.full(n, -1.0), np.ones(n)])
        columns = np.concatenate([at.ravel(), ((at + 1) % n).ravel(), here, np.full(n, n), here])
        entries = csc_matrix((data, (np.concatenate([rows, rows, here, here, np.full(n, n)]), columns)), shape=(n + 1, n + 1))
        level = float(value.mean())
        try:
            change = splu(entries).solve(-np.append(value - level, phi.sum()))[:n]
        except RuntimeError:
            raise Unsolved("the transfer operator has several closed classes of directions") from None
        if not np.isfinite(change).all():
            raise Unsolved("the linear system is singular")
        size = float(np.abs(change).max())
        phi = phi + change * min(1.0, 2.0 / max(size, 1e-300))
        if size < 1e-13 or (size < 1e-9 and float(np.ptp(value)) < 1e-13):
            break
    heights = [round(x) for x in np.exp(phi - phi.max()) * 2.0**HEIGHT_BITS]
    if min(heights) < 1:
        raise Unsolved("the eigenfunction is too small in some direction")
    return [(int(x), int(y)) for x, y in rays], heights, (angles, phi)


def _coordinates(matrices: Floats, rays: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """For every step and ray: the cone of the image and its two coordinates there, >= 0."""
    import numpy as np

    n = len(rays)
    ends = np.concatenate([rays, -rays[:1]])
    images = np.einsum("sij,nj->sni", matrices, rays)
    images *= np.where((images[..., 1] < 0) | ((images[..., 1] == 0) & (images[..., 0] < 0)), -1.0, 1.0)[..., None]
    angle = np.arctan2(images[..., 1], images[..., 0])
    at = np.clip(np.searchsorted(np.arctan2(rays[:, 1], rays[:, 0]), angle, side="right") - 1, 0, n - 1)
    a, b = ends[at], ends[at + 1]
    area = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    first = (images[..., 0] * b[..., 1] - images[..., 1] * b[..., 0]) / area
    second = (a[..., 0] * images[..., 1] - a[..., 1] * images[..., 0]) / area
    return at, np.maximum(first, 0.0), np.maximum(second, 0.0)

"""Poisson's equation of a finite chain, in floats: value + g - T g = force with g_0 = 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._model import Floats

TOO_LARGE = 1e6  # a solution beyond this is round-off of a singular system


def poisson_solution(transfer: Any, force: Floats, dense: int) -> tuple[Floats, float] | None:
    """(g, value), densely up to `dense` unknowns and by sparse LU above; None where the system is singular.

    It is singular if the chain has several classes that it never leaves, as where all steps fix a direction. That is looked at first: on a singular matrix
    SuperLU can call BLAS with illegal sizes, which writes to standard output.
    """
    from scipy.sparse import csc_matrix, hstack, identity
    from scipy.sparse.linalg import splu

    n = force.size
    if closed_classes(transfer) > 1:
        return None
    try:
        if n <= dense:
            system = np.eye(n) - transfer.toarray()
            system[:, 0] = 1.0
            g = np.linalg.solve(system, force)
        else:
            others = (identity(n, format="csc") - transfer.tocsc())[:, 1:]
            g = splu(hstack([csc_matrix(np.ones((n, 1))), others], format="csc")).solve(force)
    except (np.linalg.LinAlgError, RuntimeError):
        return None
    if not np.isfinite(g).all() or np.abs(g).max() >= TOO_LARGE:
        return None
    value = float(g[0])
    g[0] = 0.0
    return g, value


def closed_classes(transfer: Any) -> int:
    """The number of classes of states that are never left."""
    from scipy.sparse.csgraph import connected_components

    pattern = transfer.copy()
    pattern.eliminate_zeros()
    count, label = connected_components(pattern, directed=True, connection="strong")
    source, target = pattern.nonzero()
    return int(count - len(np.unique(label[source][label[source] != label[target]])))

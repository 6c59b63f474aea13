"""From the pieces and a drift to a proof of kind `linear-cones`, and the rational bound that it proves."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ._drift import Drift
from ._pieces import SHARES, Cones, Pieces

FORM_BITS, MULTIPLIER_BITS = 27, 24
SLACK = 1e-7  # covers the rounding of forms and multipliers and that of the search itself; the checker has the last word


def proved_value(bound: float, upper: bool) -> Fraction:
    """The bound, rounded outwards by 2 to 3 times `SLACK`."""
    grid = 10**8
    return Fraction(math.ceil((bound + 2 * SLACK) * grid) if upper else math.floor((bound - 2 * SLACK) * grid), grid)


def proof(c: Cones, pieces: Pieces, drift: Drift, upper: bool) -> dict[str, Any]:
    """The certificate's proof of lambda <= (upper) or >= proved_value(drift.bound)."""
    forms = c.forms[pieces.cells] * (c.scale[pieces.cells] * np.exp(drift.delta))[:, None]
    forms *= 2.0 ** (FORM_BITS - math.floor(math.log2(forms.min())))
    cells, d = c.integers[pieces.cells], c.rays.shape[1]
    leaves: list[list[Any]] = pieces.label.tolist()
    if upper:
        means = pieces.means + drift.delta[pieces.label] - np.repeat(drift.delta, np.diff(pieces.first))[:, None]
        leaves = [leaf + [_dyadic(t) for t in row] for leaf, row in zip(leaves, np.exp(-means - SLACK).tolist(), strict=True)]
    nodes, at = list(zip(pieces.tree.tolist(), pieces.share.tolist(), strict=True)), iter(leaves)
    trees = [_tree(nodes[pieces.node[k] : pieces.node[k + 1]], at, d) for k in range(len(cells))]
    rays = [[[str(int(x)) for x in ray] for ray in cone] for cone in cells.tolist()]
    return {"kind": "linear-cones", "cones": rays, "forms": [[str(round(x)) for x in form] for form in forms.tolist()], "trees": trees}


def _tree(nodes: list[tuple[int, int]], leaves: Any, d: int) -> list[list[Any]]:
    """Nodes in the checker's form. There a new ray is an integer combination, so that rays are 2^e times those of the search; `stack` keeps the e."""
    stack, tree = [[0] * d], []
    for edge, share in nodes:
        exponents = stack.pop()
        if edge < 0:
            tree.append(["=", *next(leaves)])
            continue
        i, j = divmod(edge, d)
        most = max(exponents[i], exponents[j])
        a, b = share << (most - exponents[i]), (SHARES - share) << (most - exponents[j])
        common = (a | b) & -(a | b)  # the largest power of two that divides both
        tree.append(["/", i, j, str(a // common), str(b // common)])
        new = most + SHARES.bit_length() - common.bit_length()
        stack += [[new if r == k else e for r, e in enumerate(exponents)] for k in (i, j)]
    return tree


def _dyadic(x: float) -> str:
    """A rational just below x."""
    mantissa, exponent = math.frexp(x)
    whole, shift = math.floor(mantissa * 2**MULTIPLIER_BITS), MULTIPLIER_BITS - exponent
    return f"{whole}/{1 << shift}" if shift > 0 else str(whole << -shift)

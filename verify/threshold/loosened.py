"""From a proof at one problem to proofs of the same sign for many: ranges of step sizes and boxes of kernels (S6).

A proof that the search found close to lambda leaves no room; what a sign needs is only that the bound is zero. `sign_proofs` gives the room back. Nothing
here is trusted: a loosened proof is a candidate like any other, and the checker decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ..certificate import Proof, Rejected, check, claim, seal
from ..family import MatrixFamily
from ..result import Enclosure, Exponent, Sign


def accepted(subject: dict[str, Any], relation: str, proof: Proof) -> bool:
    """Whether the trusted checker accepts this proof of lambda < 0 or lambda > 0 for the subject."""
    try:
        return bool(check(seal([(claim(subject, "lambda", relation, Fraction(0)), proof)])))
    except (Rejected, RecursionError):
        return False


def sign_proofs(result: Exponent, family: MatrixFamily | None) -> Iterator[tuple[str, Proof]]:
    """(relation, proof) candidates for "lambda < 0" or "lambda > 0" from a certified result; none where the sign is not strict."""
    if not isinstance(result, Enclosure) or result.certificate is None or result.sign not in (Sign.NEGATIVE, Sign.POSITIVE):
        return
    relation = "<" if result.sign is Sign.NEGATIVE else ">"
    claims, proof = result.certificate["claim"], result.certificate["proof"]
    several = zip(claims["all"], proof["parts"], strict=True) if "all" in claims else [(claims, proof)]
    for one, its_proof in several:
        if one["relation"] in (relation, f"{relation}=", "="):
            yield relation, loosened(its_proof, relation == "<", family)


def loosened(proof: Proof, upper: bool, family: MatrixFamily | None) -> Proof:
    """The proof with its bound moved to zero: rho = 1, radius = 1, multipliers scaled until sum p_s log t_s = 0 (S4, S7)."""
    kind = proof["kind"]
    if kind == "planar-forms":
        return proof | {"rho": "1"}
    if kind in ("mean-square", "gd"):
        return proof | {"radius": "1"}
    if kind == "weighted-mean-square" and proof["length"] == 1 and family is not None:
        p = [float(x) for x in family.probabilities]
        t = [Fraction(x) for x in proof["multipliers"]]
        factor = math.exp(-sum(w * math.log(x) for w, x in zip([*p, max(0.0, 1.0 - sum(p))], t, strict=False)))
        return proof | {"multipliers": [str((x * Fraction(factor * (1 + 1e-12))).limit_denominator(10**15)) for x in t]}
    if kind == "components":
        return proof | {"parts": [part | {"proof": loosened(part["proof"], upper, None)} for part in proof["parts"]]}
    if kind == "linear-cones" and upper and family is not None:
        return proof | {"trees": [[_loose_leaf(node, family) if node[0] == "=" else node for node in tree] for tree in proof["trees"]]}
    return proof


def _loose_leaf(leaf: list[Any], family: MatrixFamily) -> list[Any]:
    m, p = len(family.probabilities), [float(x) for x in family.probabilities]
    multipliers = [Fraction(t) for t in leaf[1 + m :]]
    slack = -sum(w * math.log(t) for w, t in zip(p, multipliers, strict=True)) / sum(p)  # log rho of the leaf, below zero
    factor = Fraction(math.exp(slack) * (1 + 1e-12)).limit_denominator(10**15)
    return [*leaf[: 1 + m], *(str((t * factor).limit_denominator(10**18) + Fraction(1, 10**17)) for t in multipliers)]

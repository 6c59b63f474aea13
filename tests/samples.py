"""Valid certificates of every kind, written by hand or by the engine, and the means to corrupt them: shared by the tests of the checker."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

Json = Any


def sgd(gram: Json, eta: str, batch: int = 1, replacement: bool = True, **more: Json) -> Json:
    return {"optimiser": "sgd", "gram": texts(gram), "step_size": eta, "batch": batch, "replacement": replacement, **more}


def gd(gram: Json, eta: str) -> Json:
    return {"optimiser": "gd", "gram": texts(gram), "step_size": eta}


def featured(features: Json, eta: str, batch: int = 1, replacement: bool = True, **more: Json) -> Json:
    return {"optimiser": "sgd", "features": texts(features), "step_size": eta, "batch": batch, "replacement": replacement, **more}


def bare(matrices: Json, weights: Json = None) -> Json:
    return {"matrices": [texts(a) for a in matrices], "weights": [str(w) for w in weights or [1] * len(matrices)]}


def texts(rows: Json) -> Json:
    return [[str(x) for x in row] for row in rows]


def claim(subject: Json, relation: str, value: object = 0, quantity: str = "lambda") -> Json:
    return {"subject": subject, "quantity": quantity, "relation": relation, "value": str(value)}


def sealed(claim_: Json, proof: Json, **changes: Json) -> Json:
    """A certificate with its id computed here, not by the package."""
    content = {"format": "sgd-verify-certificate", "version": 2, "claim": claim_, "proof": proof} | changes
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return content | {"id": "sha256:" + hashlib.sha256(text.encode()).hexdigest()}


def resealed(certificate: Json) -> Json:
    content = {key: value for key, value in certificate.items() if key != "id"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return content | {"id": "sha256:" + hashlib.sha256(text.encode()).hexdigest()}


PAIR = [["1", "1/2"], ["1/2", "2"]]
THIRTEEN = [["1", "3"], ["3", "10"]]
SWAP = [[0, 1], [1, 0]]
POSITIVE = [[[1, 2, 1], [1, 1, 3], [2, 1, 1]], [[2, 1, 1], [1, 1, 1], [1, 3, 2]]]
HAND_CONE = {"cones": [[["9", "16"], ["-1", "16"]]], "forms": [["7", "8"]]}
BY_HAND: dict[str, Any] = {"kind": "planar-forms", "degree": 1, "rho": "1", **HAND_CONE, "trees": [[["=", 0, 0]]]}
CUT = ["/", 0, 1, "2", "3"]
SWAP_CONE: dict[str, Any] = {"cones": [[["1", "0"], ["0", "1"]]], "forms": [["1", "1"]]}


def linear(upper: bool) -> Json:
    """Positive 3 x 3 matrices: the octant is one cone, cut once; h is the sum of the coordinates, column sums lie in 3..5."""
    leaf = ["=", 0, 0, *(["1/5", "1/5"] if upper else [])]
    octant = texts([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    return {"kind": "linear-cones", "cones": [octant], "forms": [["1", "1", "1"]], "trees": [[["/", 0, 2, "1", "1"], leaf, leaf]]}


def parts(*found: tuple[list[int], Json]) -> Json:
    return {"kind": "components", "parts": [{"component": c, "proof": {"kind": p} if isinstance(p, str) else p} for c, p in found]}


BLOCKS = [[1, "1/2", 0, 0], ["1/2", 2, 0, 0], [0, 0, 3, 1], [0, 0, 1, 3]]
IDENTITY_NORM = [["1", "0"], ["0", "1"]]
RANK_ONE = [[1, 2, 0], [2, 4, 0], [0, 0, 0]]

# name: (claim, proof). Small, so that thousands of mutations are quick.
STATEMENTS: dict[str, tuple[Any, Any]] = {
    "gd mu above": (claim(gd(PAIR, "1"), "<=", "-1/4", "mu"), {"kind": "gd", "radius": "61/100"}),
    "gd mu below": (claim(gd(PAIR, "3"), ">", "1/2", "mu"), {"kind": "gd", "radius": "2"}),
    "gd full batch": (claim(sgd(PAIR, "1", 2, False), "<", "0"), {"kind": "gd", "radius": "61/100"}),
    "gd features": (claim(featured([["1"], ["2"]], "1/4"), "<", "0", "mu"), {"kind": "gd", "radius": "1/2"}),
    "gd mu zero": (claim(gd([[1, 0], [0, 4]], "1"), "=", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "determinant": (claim(sgd(THIRTEEN, "4/5"), ">=", "1/20"), {"kind": "determinant"}),
    "determinant sign": (claim(sgd(THIRTEEN, "4/5"), ">"), {"kind": "determinant"}),
    "determinant matrices": (claim(bare([[[2, 1], [0, 3]], [[1, 1], [0, 1]]]), ">", "2/5"), {"kind": "determinant"}),
    "determinant one dimension": (claim(featured([["1"], ["2"]], "1/3"), "<", "-3/4"), {"kind": "determinant"}),
    "determinant batch": (claim(sgd(PAIR, "4", 2), ">"), {"kind": "determinant"}),
    "nonexpansive": (claim(sgd(PAIR, "9/10"), "<"), {"kind": "nonexpansive"}),
    "nonexpansive batch": (claim(sgd(PAIR, "9/10", 2), "<"), {"kind": "nonexpansive"}),
    "nonexpansive singular K": (claim(sgd(RANK_ONE, "1/4"), "<"), {"kind": "nonexpansive"}),
    "equal norms below": (claim(sgd([[2, 1], [1, 2]], "9/10"), "<"), {"kind": "equal-norms"}),
    "equal norms at": (claim(sgd([[2, 1], [1, 2]], "1"), "="), {"kind": "equal-norms"}),
    "equal norms above": (claim(sgd([[2, 1], [1, 2]], "11/10"), ">"), {"kind": "equal-norms"}),
    "orthogonal above": (claim(sgd([[1, 0], [0, 2]], "101/100"), ">", "9/1000"), {"kind": "orthogonal"}),
    "orthogonal batch": (claim(sgd([[1, 0], [0, 2]], "1", 2, weights=["1", "3"]), "<", "-1/10"), {"kind": "orthogonal"}),
    "boundary below": (claim(sgd(PAIR, "1"), "<"), {"kind": "boundary"}),
    "boundary at": (claim(sgd([[1, 0, 0], [0, 2, 1], [0, 1, 2]], "1"), "="), {"kind": "boundary"}),
    "components above": (claim(sgd(BLOCKS, "4/5"), ">"), parts(([2, 3], "equal-norms"))),
    "components below": (claim(sgd(BLOCKS, "3/5"), "<"), parts(([0, 1], "nonexpansive"), ([2, 3], "equal-norms"))),
    "words": (claim(bare([[["1/2", 1], [0, "1/2"]], [["1/3", 0], [1, "1/3"]]]), "<=", "-1/20"), {"kind": "words", "length": 6, "norm": IDENTITY_NORM}),
    "mean square above": (claim(bare([[["1/2", 0], [0, "1/3"]], [["1/2", 0], [0, 1]]]), "<", "-1/8", "ms"),
                          {"kind": "mean-square", "matrix": IDENTITY_NORM, "radius": "61/100"}),
    "mean square below": (claim(bare([[["1/2", 0], [0, "1/3"]], [["1/2", 0], [0, 1]]]), ">", "-3/10", "ms"),
                          {"kind": "mean-square", "matrix": [["0", "0"], ["0", "1"]], "radius": "5/9"}),
    "mean square for lambda": (claim(bare([[["1/2", 0], [0, "1/3"]], [["1/2", 0], [0, 1]]]), "<"),
                               {"kind": "mean-square", "matrix": IDENTITY_NORM, "radius": "1"}),
    "weighted mean square": (claim(bare([[["1/2", 0], [0, "1/3"]], [["1/2", 0], [0, 1]]]), "<", "-2/5"),
                             {"kind": "weighted-mean-square", "length": 1, "norm": IDENTITY_NORM, "multipliers": ["4", "3/2"]}),
    "exterior": (claim(bare([[[2, 1, 0], [1, 2, 1], [0, 1, 2]]]), ">=", "7/8"),
                 {"kind": "exterior", "power": 2, "proof": {"kind": "linear-cones", "cones": [texts([[1, 0, 0], [0, 1, 0], [0, 0, 1]])],
                                                            "forms": [["1", "1", "1"]], "trees": [[["=", 0]]]}}),
    "renewal": (claim(sgd(PAIR, "1"), "<", "-1/30"), {"kind": "renewal", "terms": 40}),
    "renewal below": (claim(sgd([[1, "1/2"], ["1/2", 3]], "1"), ">", "1/50"), {"kind": "renewal", "terms": 60}),
    "linear cones above": (claim(bare(POSITIVE), "<=", "81/50"), linear(True)),
    "linear cones below": (claim(bare(POSITIVE), ">=", "11/10"), linear(False)),
    "planar by hand": (claim(sgd(PAIR, "101/100"), "<"), BY_HAND),
    "planar swap": (claim(bare([SWAP]), "="), {"kind": "planar-forms", "degree": 1, "rho": "1", **SWAP_CONE, "trees": [[CUT, ["=", 0], ["=", 0]]]}),
    "linear swap": (claim(bare([SWAP]), "="), {"kind": "linear-cones", **SWAP_CONE, "trees": [[["=", 0, "1"]]]}),
    "conjunction": (
        {"all": [claim(sgd(PAIR, "101/100"), "<"), claim(0, "<=", "1/1000"), claim(gd(PAIR, "1"), "<=", "-1/4", "mu"), claim(2, "<", "0", "mu")]},
        {"kind": "conjunction", "parts": [BY_HAND, BY_HAND, {"kind": "gd", "radius": "61/100"}, {"kind": "gd", "radius": "61/100"}]},
    ),
}


@lru_cache(maxsize=1)
def engine_made() -> dict[str, Json]:
    """Planar certificates of the search itself: both sides of lambda near a threshold."""
    from verify import Problem
    from verify.optimiser import SGD

    made = {}
    for name, gram, eta in (("engine negative", PAIR, "101/100"), ("engine positive", PAIR, "11/10"), ("engine close", THIRTEEN, "21/100")):
        found: Any = Problem.from_gram(gram, SGD(eta)).lyapunov("1/10")
        made[name] = found.certificate
    found = Problem.from_gram(PAIR, SGD("9/10", 2)).lyapunov("1/5")
    return made | {"engine batch": found.certificate}


def certificates() -> dict[str, Json]:
    """Fresh copies, without shared parts, so that a test may corrupt them."""
    whole = {name: sealed(*pair) for name, pair in STATEMENTS.items()} | engine_made()
    return {name: json.loads(json.dumps(certificate)) for name, certificate in whole.items()}

"""The trusted checker: accepted and rejected certificates of every kind, its command line, its arithmetic against independent libraries."""

from __future__ import annotations

import ast
import copy
import itertools
import json
import math
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import (
    BLOCKS,
    BY_HAND,
    CUT,
    IDENTITY_NORM,
    PAIR,
    POSITIVE,
    RANK_ONE,
    STATEMENTS,
    SWAP,
    SWAP_CONE,
    THIRTEEN,
    bare,
    certificates,
    claim,
    featured,
    gd,
    linear,
    parts,
    resealed,
    sealed,
    sgd,
)

from verify.certificate import check as package_check
from verify.certificate import seal
from verify.certificate.check import (
    KINDS,
    Goal,
    Rejected,
    Statement,
    Subject,
    check,
    determinant,
    has_sign,
    inertia,
    inverse,
    log_bound,
    log_sum_sign,
    read,
    row_basis,
)

CHECKER = Path(sys.modules["verify.certificate.check"].__file__ or "")
CERTIFICATES = certificates()
QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=150)


def proves(claim_: Any, proof: Any) -> bool:
    """Whether the checker accepts; every other exception than `Rejected` is an error of the test."""
    try:
        check(read(json.dumps(sealed(claim_, proof)).encode()))
    except Rejected:
        return False
    return True


def kind(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": name} | more


# --- every kind: accepted -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CERTIFICATES))
def test_valid_certificates_are_accepted_for_exactly_their_claims(name: str) -> None:
    whole = CERTIFICATES[name]["claim"]
    statements = check(CERTIFICATES[name])
    claims = whole.get("all", [whole])
    assert [(s.quantity, s.relation, s.value) for s in statements] == [(c["quantity"], c["relation"], Fraction(c["value"])) for c in claims]


def test_the_samples_cover_every_kind() -> None:
    seen = {proof["kind"] for _, proof in STATEMENTS.values()}
    assert seen == {*KINDS, "conjunction"}


def test_seal_and_check_agree_on_the_id() -> None:
    claim_, proof = STATEMENTS["planar by hand"]
    assert seal([(claim_, proof)]) == sealed(claim_, proof)
    assert package_check(seal([(claim_, proof), (claim_, proof)]))[1] == Statement(0, "lambda", "<", Fraction(0))


def test_a_subject_by_reference_belongs_to_the_first_claim_that_spelled_it() -> None:
    assert [s.subject for s in check(CERTIFICATES["conjunction"])] == [0, 0, 2, 2]


def test_signs_of_statements() -> None:
    zero, one = Fraction(0), Fraction(1)
    signs = {(r, v): Statement(0, "lambda", r, v).sign for r in ("<", "<=", "=", ">=", ">") for v in (-one, zero, one)}
    assert {k for k, s in signs.items() if s == "negative"} == {("<", -one), ("<=", -one), ("=", -one), ("<", zero)}
    assert {k for k, s in signs.items() if s == "positive"} == {(">", one), (">=", one), ("=", one), (">", zero)}
    assert {k for k, s in signs.items() if s == "zero"} == {("=", zero)}


# --- every kind: the exact edge of what it proves -----------------------------------------------------------------------------------------------

ISOMETRY = bare([SWAP])
EQUAL_EDGE = sgd([[2, 1], [1, 2]], "1")
EDGES: dict[str, tuple[Any, Any]] = {
    "gd, largest eigenvalue 2N/eta": (gd([[1, 0], [0, 4]], "1"), kind("gd", radius="1")),
    "determinant of product one": (bare([[["2"]], [["1/2"]]]), kind("determinant")),
    "equal norms at c = 2": (EQUAL_EDGE, kind("equal-norms")),
    "orthogonal at c = 2": (sgd([[1, 0], [0, 2]], "1"), kind("orthogonal")),
    "boundary with reflections": (EQUAL_EDGE, kind("boundary")),
    "components with reflections": (sgd(BLOCKS, "2/3"), parts(([0, 1], "boundary"), ([2, 3], "boundary"))),
    "mean square of an isometry": (ISOMETRY, kind("mean-square", matrix=IDENTITY_NORM, radius="1")),
    "linear cones of an isometry": (ISOMETRY, kind("linear-cones", **SWAP_CONE, trees=[[["=", 0, "1"]]])),
    "planar forms of an isometry": (ISOMETRY, kind("planar-forms", degree=1, rho="1", **SWAP_CONE, trees=[[["=", 0]]])),
}
ONE_SIDED = {"mean square of an isometry"}


@pytest.mark.parametrize("name", sorted(EDGES))
def test_at_equality_the_weak_statements_hold_and_the_strict_ones_do_not(name: str) -> None:
    subject, proof = EDGES[name]
    quantity = "mu" if subject.get("optimiser") == "gd" else "lambda"
    proved = {r for r in ("<", "<=", "=", ">=", ">") if proves(claim(subject, r, 0, quantity), proof)}
    assert proved == ({"<="} if name in ONE_SIDED else {"<=", "=", ">="})


@pytest.mark.parametrize("name", sorted(EDGES))
@pytest.mark.parametrize("tiny", [Fraction(1, 10**40), Fraction(1, 10**300)])
def test_next_to_equality_only_the_true_statements_hold(name: str, tiny: Fraction) -> None:
    subject, proof = EDGES[name]
    quantity = "mu" if subject.get("optimiser") == "gd" else "lambda"
    assert not any(proves(claim(subject, r, -tiny, quantity), proof) for r in ("<", "<=", "="))
    assert not any(proves(claim(subject, r, tiny, quantity), proof) for r in (">", ">=", "="))
    assert proves(claim(subject, "<", tiny, quantity), proof)


@pytest.mark.parametrize("shift", [Fraction(1, 10**300), -Fraction(1, 10**300)])
def test_steps_that_differ_from_an_isometry_by_1e_minus_300_have_the_sign_that_they_have(shift: Fraction) -> None:
    near = bare([[[str(1 + shift)]]])
    assert proves(claim(near, ">"), kind("determinant")) is (shift > 0)
    assert proves(claim(near, "<"), kind("determinant")) is (shift < 0)
    assert not proves(claim(near, "="), kind("determinant"))


def test_a_certain_minus_infinity_proves_every_upper_bound_and_no_lower_one() -> None:
    dead = sgd([[1]], "1")
    for proof in (kind("determinant"), kind("orthogonal"), kind("gd", radius="0")):
        assert proves(claim(dead, "<", -(10**50)), proof)
        assert not any(proves(claim(dead, r, -(10**50)), proof) for r in (">", ">=", "="))


# --- every kind: false or unproved claims -------------------------------------------------------------------------------------------------------

MU_PAIR = gd(PAIR, "1")
FALSE: dict[str, tuple[Any, Any]] = {
    "gd: lambda of batch one": (claim(sgd(PAIR, "1"), "<"), kind("gd", radius="61/100")),
    "gd: lambda of N draws with replacement": (claim(sgd(PAIR, "1", 2, True), "<"), kind("gd", radius="61/100")),
    "gd: radius too small": (claim(MU_PAIR, "<", 0, "mu"), kind("gd", radius="6/10")),
    "gd: negative radius": (claim(MU_PAIR, "<", 0, "mu"), kind("gd", radius="-1/2")),
    "gd: radius too large for a lower bound": (claim(gd(PAIR, "3"), ">", 0, "mu"), kind("gd", radius="3")),
    "gd: ms of single draws": (claim(sgd(PAIR, "1/2"), "<", 0, "ms"), kind("gd", radius="1")),
    "gd: zero eigenvalues are not counted": (claim(gd([[1, 1], [1, 1]], "1"), ">=", 0, "mu"), kind("gd", radius="1")),
    "gd: zero eigenvalues of X X^T are not counted": (claim(featured([["1"], ["1"]], "1"), ">=", 0, "mu"), kind("gd", radius="1")),
    "gd: bare matrices": (claim(bare([[["1/2"]]]), "<"), kind("gd", radius="1/2")),
    "determinant: not an upper bound in two dimensions": (claim(sgd(PAIR, "1/2"), "<"), kind("determinant")),
    "determinant: forgets the factor 1/d": (claim(sgd(THIRTEEN, "4/5"), ">=", "1/10"), kind("determinant")),
    "determinant: singular step": (claim(sgd(PAIR, "1"), ">", -100), kind("determinant")),
    "determinant: ms": (claim(sgd(THIRTEEN, "4/5"), ">", 0, "ms"), kind("determinant")),
    "determinant: no gradient in the part": (claim(sgd(RANK_ONE, "1/4"), ">="), parts(([2], "determinant"))),
    "determinant: N instead of the rank": (claim(featured([["1"], ["2"]], "2"), ">", "1"), kind("determinant")),
    "nonexpansive: c = 2": (claim(sgd([[2, 1], [1, 2]], "1"), "<"), kind("nonexpansive")),
    "nonexpansive: too strong": (claim(sgd(PAIR, "9/10"), "<", "-1/10000"), kind("nonexpansive")),
    "nonexpansive: lower bound": (claim(sgd(PAIR, "9/10"), ">", -100), kind("nonexpansive")),
    "nonexpansive: a pair in the batch expands": (claim(sgd([[1, 1], [1, "11/10"]], "2", 2, False), "<"), kind("nonexpansive")),
    "nonexpansive: a repeated sample expands": (claim(sgd([[1, 0], [0, 2]], "11/10", 2), "<"), kind("nonexpansive")),
    "nonexpansive: bare matrices": (claim(bare([[["1/2"]]]), "<"), kind("nonexpansive")),
    "nonexpansive: a part without gradient covers nothing": (claim(sgd([[3, 0], [0, 0]], "1"), "<"), parts(([1], "nonexpansive"))),
    "equal norms: different norms": (claim(sgd(PAIR, "1/2"), "<"), kind("equal-norms")),
    "equal norms: a sample without gradient": (claim(sgd(RANK_ONE, "1/4"), "<"), kind("equal-norms")),
    "equal norms: batch two": (claim(sgd([[2, 1], [1, 2]], "9/10", 2), "<"), kind("equal-norms")),
    "equal norms: wrong sign": (claim(sgd([[2, 1], [1, 2]], "11/10"), "<"), kind("equal-norms")),
    "equal norms: too strong": (claim(sgd([[2, 1], [1, 2]], "11/10"), ">", "1/100000"), kind("equal-norms")),
    "orthogonal: K is not diagonal": (claim(sgd(PAIR, "1/2"), "<"), kind("orthogonal")),
    "orthogonal: one coordinate expands": (claim(sgd([[1, 0], [0, 3]], "1"), "<"), kind("orthogonal")),
    "orthogonal: no coordinate expands": (claim(sgd([[1, 0], [0, 2]], "1/2"), ">"), kind("orthogonal")),
    "orthogonal: the probabilities count": (claim(sgd([[1, 0], [0, 3]], "1/10", weights=["1000", "1"]), "<", "-1/10"), kind("orthogonal")),
    "boundary: c > 2": (claim(sgd(PAIR, "101/100"), "<"), kind("boundary")),
    "boundary: a component of reflections": (claim(sgd(BLOCKS, "2/3"), "<"), kind("boundary")),
    "boundary: not zero": (claim(sgd(PAIR, "1"), ">="), kind("boundary")),
    "boundary: batch two": (claim(sgd(PAIR, "1", 2), "<"), kind("boundary")),
    "components: an edge to the rest": (claim(sgd(PAIR, "9/10"), "<"), parts(([0], "nonexpansive"), ([1], "nonexpansive"))),
    "components: not covered": (claim(sgd(BLOCKS, "4/5"), "<"), parts(([0, 1], "nonexpansive"))),
    "components: not in order": (claim(sgd(BLOCKS, "4/5"), ">"), parts(([3, 2], "equal-norms"))),
    "components: a repeated sample": (claim(sgd(BLOCKS, "4/5"), ">"), parts(([2, 2, 3], "equal-norms"))),
    "components: outside the component": (claim(sgd(BLOCKS, "4/5"), ">"), parts(([0, 1], parts(([2, 3], "equal-norms"))))),
    "components: no sample": (claim(sgd(BLOCKS, "4/5"), ">"), parts(([], "equal-norms"))),
    "components: no part": (claim(sgd(BLOCKS, "3/5"), "<"), parts()),
    "components: the exponent of the component alone": (claim(sgd([[1, 0], [0, 3]], "1"), ">", "1/2"), parts(([1], "determinant"))),
    "components: mu of the whole": (claim(sgd([[1, 0], [0, 4]], "1", 2, False), "<"), parts(([0], kind("gd", radius="1/2")), ([1], kind("gd", radius="1/2")))),
    "words: lower bound": (claim(bare([[["1/2"]]]), ">", -5), kind("words", length=1, norm=[["1"]])),
    "words: norm not definite": (claim(bare([SWAP]), "<", 1), kind("words", length=1, norm=[["1", "1"], ["1", "1"]])),
    "words: norm negative": (claim(bare([SWAP]), "<", 1), kind("words", length=1, norm=[["-1", "0"], ["0", "-1"]])),
    "words: norm not symmetric": (claim(bare([SWAP]), "<", 1), kind("words", length=1, norm=[["1", "1/2"], ["0", "1"]])),
    "words: length zero": (claim(bare([SWAP]), "<", 1), kind("words", length=0, norm=IDENTITY_NORM)),
    "words: identities count": (claim(sgd([[1, 0], [0, 0]], "9/10"), "<", -2), kind("words", length=2, norm=[["1"]])),
    "mean square: only semidefinite above": (claim(bare([[["1/2", 0], [0, 2]]]), "<"), kind("mean-square", matrix=[["1", "0"], ["0", "0"]], radius="1/3")),
    "mean square: indefinite matrix below": (claim(bare([SWAP]), ">=", 0, "ms"), kind("mean-square", matrix=[["1", "0"], ["0", "-1"]], radius="1")),
    "mean square: zero matrix": (claim(bare([[["1/2"]]]), ">=", 0, "ms"), kind("mean-square", matrix=[["0"]], radius="1")),
    "mean square: below lambda": (claim(bare([[["1/2"]], [["2"]]]), ">", "1/10"), kind("mean-square", matrix=[["1"]], radius="2")),
    "mean square: a shear": (claim(bare([[[1, 10], [0, "1/10"]]]), "<", "1/10", "ms"), kind("mean-square", matrix=IDENTITY_NORM, radius="101/100")),
    "mean square: negative radius": (claim(bare([[["1/2"]]]), "<"), kind("mean-square", matrix=[["1"]], radius="-1")),
    "renewal: no singular step": (claim(sgd(PAIR, "101/100"), "<"), kind("renewal", terms=10)),
    "renewal: three steps": (claim(sgd([[1, 0, 0], [0, 2, 1], [0, 1, 3]], "1"), "<"), kind("renewal", terms=10)),
    "renewal: no term": (claim(sgd(PAIR, "1"), "<"), kind("renewal", terms=0)),
    "renewal: too strong": (claim(sgd(PAIR, "1"), "<", "-1/20"), kind("renewal", terms=200)),
    "renewal: below a vanishing product": (claim(sgd(THIRTEEN, "1"), ">", -(10**9)), kind("renewal", terms=5)),
    "linear cones: lower bound above the truth": (claim(bare(POSITIVE), ">=", "7/5"), linear(False)),
    "linear cones: multipliers too large": (claim(bare(POSITIVE), "<=", "7/5"), linear(True) | {"trees": [[["=", 0, 0, "1/4", "1/4"]]]}),
    "linear cones: negative multipliers": (claim(bare(POSITIVE), "<=", "81/50"), linear(True) | {"trees": [[["=", 0, 0, "-1/5", "-1/5"]]]}),
    "linear cones: zero multipliers": (claim(bare(POSITIVE), "<=", "81/50"), linear(True) | {"trees": [[["=", 0, 0, "0", "0"]]]}),
    "linear cones: no multipliers": (claim(bare(POSITIVE), "<=", "81/50"), linear(True) | {"trees": [[["=", 0, 0]]]}),
    "linear cones: one form is zero": (claim(bare(POSITIVE), "<=", "81/50"), linear(True) | {"forms": [["1", "0", "1"]]}),
    "linear cones: dependent generators": (claim(bare(POSITIVE), ">=", -9), linear(False) | {"cones": [[["1", "0", "0"], ["0", "1", "0"], ["1", "1", "0"]]]}),
    "linear cones: a zero generator": (claim(bare(POSITIVE), ">=", -9), linear(False) | {"cones": [[["1", "0", "0"], ["0", "1", "0"], ["0", "0", "0"]]]}),
    "linear cones: a map out of the cone": (claim(bare([[[1, 0], [0, -1]]]), "<=", 1), kind("linear-cones", **SWAP_CONE, trees=[[["=", 0, "1/9"]]])),
    "linear cones: the kernel meets the cone": (claim(bare([[[1, 0], [0, 0]]]), ">=", -1), kind("linear-cones", **SWAP_CONE, trees=[[["=", 0]]])),
    "planar: strict at equality on a ray": (claim(bare([[[1, 0], [0, "1/2"]]]), "<"), kind("planar-forms", degree=1, rho="1", **SWAP_CONE, trees=[[["=", 0]]])),
    "planar: rho below the truth": (claim(bare([[[2, 0], [0, 2]]]), "<"), kind("planar-forms", degree=1, rho="1", **SWAP_CONE, trees=[[["=", 0]]])),
    "planar: rho zero": (claim(bare([SWAP]), "<"), kind("planar-forms", degree=1, rho="0", **SWAP_CONE, trees=[[["=", 0]]])),
    "planar: rho negative": (claim(bare([SWAP]), "<"), kind("planar-forms", degree=1, rho="-1", **SWAP_CONE, trees=[[["=", 0]]])),
    "planar: degree zero": (claim(bare([SWAP]), ">"), kind("planar-forms", degree=0, rho="2", cones=SWAP_CONE["cones"], forms=[["1"]], trees=[[["=", 0]]])),
    "planar: three dimensions": (claim(bare(POSITIVE), "<=", 9), kind("planar-forms", degree=1, rho="9", **SWAP_CONE, trees=[[["=", 0, 0]]])),
    "planar: too strong": (claim(sgd(PAIR, "101/100"), "<", "-1/1000"), BY_HAND),
    "planar: another step size": (claim(sgd(PAIR, "11/10"), "<"), BY_HAND),
    "planar: other weights": (claim(sgd(PAIR, "101/100", weights=["1", "9"]), "<"), BY_HAND),
}


@pytest.mark.parametrize("name", sorted(FALSE))
def test_false_or_unproved_claims_are_rejected(name: str) -> None:
    assert not proves(*FALSE[name])


@pytest.mark.parametrize("name", sorted(set(KINDS)))
def test_no_kind_proves_what_it_does_not_read(name: str) -> None:
    for claim_, proof in STATEMENTS.values():
        if proof["kind"] == name:
            assert not proves(claim_, proof | {"more": "1"})
            assert not any(proves(claim_, {k: v for k, v in proof.items() if k != key}) for key in proof)


def test_only_identities_have_exponent_zero() -> None:
    nothing = bare([[[1, 0], [0, 1]]])
    assert proves(claim(nothing, ">="), kind("determinant"))
    assert proves(claim(nothing, "<="), kind("mean-square", matrix=IDENTITY_NORM, radius="1"))
    assert not proves(claim(nothing, ">"), kind("determinant"))
    assert not proves(claim(nothing, "<"), kind("mean-square", matrix=IDENTITY_NORM, radius="1"))
    assert not proves(claim(nothing, "<="), kind("planar-forms", degree=1, rho="1", **SWAP_CONE, trees=[[["="]]]))


def test_weights_are_normalised_and_equal_steps_merged() -> None:
    twice, once = bare([[["2"]], [["2"]], [["1/2"]]], ["1/3", "1/3", "2/3"]), bare([[["2"]], [["1/2"]]], [5, 5])
    assert proves(claim(twice, "="), kind("determinant"))
    assert proves(claim(once, "="), kind("determinant"))
    assert not proves(claim(bare([[["2"]], [["1/2"]]], [5, 6]), ">="), kind("determinant"))


# --- trees and leaves ---------------------------------------------------------------------------------------------------------------------

LEAF = ["=", 0, 0]
TREES: dict[str, Any] = {
    "empty": [],
    "a leaf too many": [LEAF, LEAF],
    "a leaf too few": [CUT, LEAF],
    "three leaves of two": [CUT, LEAF, LEAF, LEAF],
    "the same edge end twice": [["/", 0, 0, "1", "1"], LEAF, LEAF],
    "an edge end outside": [["/", 0, 2, "1", "1"], LEAF, LEAF],
    "a negative edge end": [["/", 0, -1, "1", "1"], LEAF, LEAF],
    "a zero weight": [["/", 0, 1, "0", "1"], LEAF, LEAF],
    "a negative weight": [["/", 0, 1, "1", "-1"], LEAF, LEAF],
    "a rational weight": [["/", 0, 1, "1/2", "1"], LEAF, LEAF],
    "a cut too short": [["/", 0, 1, "1"], LEAF, LEAF],
    "a cut too long": [["/", 0, 1, "1", "1", "1"], LEAF, LEAF],
    "too few labels": [["=", 0]],
    "too many labels": [["=", 0, 0, 0]],
    "a multiplier in planar forms": [["=", 0, 0, "1"]],
    "a label outside": [["=", 0, 1]],
    "a boolean label": [["=", 0, False]],
    "a label as text": [["=", 0, "0"]],
    "an unknown node": [["+", 0, 0]],
    "an empty node": [[]],
    "a node that is no list": ["="],
    "nested nodes": [[CUT, LEAF, LEAF]],
    "no list": None,
}


@pytest.mark.parametrize("name", sorted(TREES))
def test_malformed_trees_are_rejected(name: str) -> None:
    assert not proves(claim(sgd(PAIR, "101/100"), "<"), BY_HAND | {"trees": [TREES[name]]})


def test_a_tree_that_cuts_is_as_good_as_one_that_does_not() -> None:
    assert proves(claim(sgd(PAIR, "101/100"), "<"), BY_HAND | {"trees": [[CUT, LEAF, ["/", 1, 0, "5", "1"], LEAF, LEAF]]})


MALFORMED: list[dict[str, Any]] = [
    *({key: BY_HAND[key] * 2} for key in ("trees", "forms", "cones")),
    *({"forms": [form]} for form in (["7", "8", "9"], ["7"], ["-7", "-8"], ["7/2", "4"], ["0", "8"], [], None)),
    *({"cones": [[["9", "16"], *other]]} for other in ([], [["9", "16"]], [["0", "0"]], [["-1", "16", "0"]], [["-1"]], [["-1", "16"]] * 2)),
    *({"degree": degree} for degree in (0, 2, True, "1")),
]


@pytest.mark.parametrize("change", MALFORMED, ids=str)
def test_malformed_cones_and_forms_are_rejected(change: Any) -> None:
    assert not proves(claim(sgd(PAIR, "101/100"), "<"), BY_HAND | change)


def test_orientation_and_sign_of_the_generators_do_not_matter() -> None:
    turned = BY_HAND | {"cones": [[["-1", "16"], ["9", "16"]]], "forms": [["8", "7"]]}
    negative = BY_HAND | {"cones": [[["-9", "-16"], ["1", "-16"]]]}
    assert proves(claim(sgd(PAIR, "101/100"), "<"), turned)
    assert proves(claim(sgd(PAIR, "101/100"), "<"), negative)
    assert not proves(claim(sgd(PAIR, "101/100"), "<"), turned | {"forms": [["7", "8"]]})


# --- encoding ------------------------------------------------------------------------------------------------------------------------------

GOOD_TEXT = json.dumps(CERTIFICATES["planar by hand"])
TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "truncated": GOOD_TEXT[:-1].encode(),
    "trailing text": (GOOD_TEXT + "{}").encode(),
    "two documents": (GOOD_TEXT + GOOD_TEXT).encode(),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD_TEXT.encode(),
    "UTF-16": GOOD_TEXT.encode("utf-16"),
    "invalid UTF-8": GOOD_TEXT.encode().replace(b"lambda", b"l\xffmbda"),
    "a float": GOOD_TEXT.replace('"degree": 1', '"degree": 1.0').encode(),
    "an exponent": GOOD_TEXT.replace('"degree": 1', '"degree": 1e0').encode(),
    "NaN": GOOD_TEXT.replace('"degree": 1', '"degree": NaN').encode(),
    "Infinity": GOOD_TEXT.replace('"degree": 1', '"degree": Infinity').encode(),
    "a large index": GOOD_TEXT.replace('"degree": 1', '"degree": ' + "1" * 5000).encode(),
    "a duplicate key": GOOD_TEXT.replace('"degree": 1', '"degree": 1, "degree": 1').encode(),
    "a duplicate key at the top": GOOD_TEXT.replace('{"format"', '{"version": 1, "format"', 1).encode(),
    "a comment": GOOD_TEXT.replace('"degree": 1', '"degree": 1 /* one */').encode(),
    "a trailing comma": GOOD_TEXT.replace("}", ",}").encode(),
    "single quotes": GOOD_TEXT.replace('"', "'").encode(),
    "deep lists": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 1_000_000,
    "deep closed lists": b"[" * 100_000 + b"]" * 100_000,
    "a deep value": GOOD_TEXT.replace('"value": "0"', '"value": ' + "[" * 900 + "]" * 900).encode(),
}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_texts_that_are_no_certificate_are_rejected(name: str) -> None:
    assert TEXTS[name] != GOOD_TEXT.encode()
    with pytest.raises((Rejected, RecursionError)):
        check(read(TEXTS[name]))


NUMBERS: list[Any] = ["", "-", " 0", "0 ", "0\n", "+0", "0.0", "0e0", "0/0", "0/-1", "-", "0/", "/1", "\u0660", "\uff10", "0x0", "0_0", "--0", "0/1/1", "nan",
           "1/" + "0" * 50, "0" * 2001, "1/" + "1" * 2001, "\u22120", "0\u0000", 0, 0.0, None, True, [], ["0"], {}, {"0": "0"}]


@pytest.mark.parametrize("value", NUMBERS, ids=lambda v: ascii(v)[:12])
def test_texts_that_are_no_number_are_rejected_wherever_a_number_is_read(value: Any) -> None:
    claim_, proof = STATEMENTS["planar by hand"]
    assert proves(claim_, proof)
    assert not proves(claim_ | {"value": value}, proof)
    assert not proves(claim_ | {"subject": claim_["subject"] | {"step_size": value}}, proof)
    assert not proves(claim_ | {"subject": claim_["subject"] | {"gram": [[value, "1/2"], ["1/2", "2"]]}}, proof)
    assert not proves(claim_ | {"subject": claim_["subject"] | {"weights": [value, "1"]}}, proof)
    assert not proves(claim_, proof | {"rho": value})
    assert not proves(claim_, proof | {"forms": [[value, "8"]]})
    assert not proves(claim_, proof | {"cones": [[["9", value], ["-1", "16"]]]})


@pytest.mark.parametrize("value", ["-0", "00", "0/7", "-0/7", "000/001"])
def test_unreduced_spellings_of_zero_are_zero(value: str) -> None:
    assert proves(claim(sgd(PAIR, "101/100"), "<", value), BY_HAND)


INDICES: list[Any] = [-1, 10**8, "1", True, False, None, [], {}, "\ud800", "\naccepted: lambda < 0"]


@pytest.mark.parametrize("value", INDICES, ids=lambda v: ascii(v)[:12])
def test_values_that_are_no_index_are_rejected_wherever_an_index_is_read(value: Any) -> None:
    claim_, proof = STATEMENTS["planar by hand"]
    assert not proves(claim_ | {"subject": claim_["subject"] | {"batch": value}}, proof)
    assert not proves(claim_, proof | {"degree": value})
    assert not proves(claim_, proof | {"trees": [[["=", 0, value]]]})
    assert not proves(STATEMENTS["words"][0], STATEMENTS["words"][1] | {"length": value})
    assert not proves(claim(sgd(BLOCKS, "4/5"), ">"), parts(([value, 3], "equal-norms")))


ENVELOPES: list[dict[str, Any]] = [
    *({"id": other} for other in ("sha256:" + "0" * 64, "", None, 0)),
    *({"version": version} for version in (0, 3, True, "1", None)),
    *({key: junk} for key in ("format", "claim", "proof") for junk in (None, "x", 1, True)),
    *({key: nothing} for key in ("format", "claim", "proof", "version") for nothing in ([], {})),
    {"more": 1},
]


@pytest.mark.parametrize("change", ENVELOPES, ids=ascii)
def test_changes_of_the_envelope_are_rejected(change: Any) -> None:
    changed = CERTIFICATES["planar by hand"] | change
    with pytest.raises(Rejected):
        check(changed)
    with pytest.raises(Rejected):
        check(resealed(changed) if "id" not in change else changed)


@pytest.mark.parametrize("key", ["format", "version", "claim", "proof", "id"])
def test_no_part_of_the_envelope_may_be_missing(key: str) -> None:
    with pytest.raises(Rejected):
        check({k: v for k, v in CERTIFICATES["planar by hand"].items() if k != key})


@pytest.mark.parametrize("name", sorted(CERTIFICATES))
def test_an_id_that_does_not_match_is_rejected(name: str) -> None:
    certificate = copy.deepcopy(CERTIFICATES[name])
    digit = certificate["id"][-1]
    with pytest.raises(Rejected, match="id"):
        check(certificate | {"id": certificate["id"][:-1] + ("0" if digit != "0" else "1")})
    with pytest.raises(Rejected, match="id"):
        check(certificate | {"proof": certificate["proof"] | {"more": 0}})


RELATIONS: list[Any] = ["<<", "", "==", None, [], {}, 0, True, ["<"], "\u2264", "!=", "< "]


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda v: ascii(v)[:12])
def test_unknown_relations_and_quantities_are_rejected(relation: Any) -> None:
    claim_, proof = STATEMENTS["planar by hand"]
    assert not proves(claim_ | {"relation": relation}, proof)
    assert not proves(claim_ | {"quantity": relation}, proof)
    assert not proves(claim_, proof | {"kind": relation})


SUBJECTS: dict[str, Any] = {
    "nothing": {},
    "no object": [],
    "a reference to itself": 0,
    "a boolean": True,
    "a negative reference": -1,
    "gram not symmetric": sgd([[1, "1/2"], [0, 2]], "101/100"),
    "gram not semidefinite": sgd([[1, 2], [2, 1]], "101/100"),
    "gram with a zero pivot and an entry beside it": sgd([[0, 1], [1, 2]], "101/100"),
    "gram negative": sgd([[-1, 0], [0, -2]], "101/100"),
    "gram zero": sgd([[0, 0], [0, 0]], "101/100"),
    "gram ragged": sgd([[1, "1/2"], ["1/2"]], "101/100"),
    "gram not square": sgd([[1, "1/2"]], "101/100"),
    "gram and features": sgd(PAIR, "101/100") | {"features": PAIR},
    "features zero": featured([["0"], ["0"]], "1"),
    "step size zero": sgd(PAIR, "0"),
    "step size negative": sgd(PAIR, "-1"),
    "batch zero": sgd(PAIR, "101/100", 0),
    "batch above N without replacement": sgd(PAIR, "101/100", 3, False),
    "batch above 1000": sgd(PAIR, "101/100", 1001),
    "replacement as a number": sgd(PAIR, "101/100") | {"replacement": 1},
    "weights for batches without replacement": sgd(PAIR, "101/100", 2, False, weights=["1", "1"]),
    "a weight too few": sgd(PAIR, "101/100", weights=["1"]),
    "a weight too many": sgd(PAIR, "101/100", weights=["1", "1", "1"]),
    "a zero weight": sgd(PAIR, "101/100", weights=["1", "0"]),
    "negative weights": sgd(PAIR, "101/100", weights=["-1", "-1"]),
    "weights of gd": gd(PAIR, "101/100") | {"weights": ["1", "1"]},
    "batch of gd": gd(PAIR, "101/100") | {"batch": 1},
    "unknown optimiser": sgd(PAIR, "101/100") | {"optimiser": "adam"},
    "optimiser as a list": sgd(PAIR, "101/100") | {"optimiser": ["sgd"]},
    "unknown key": sgd(PAIR, "101/100") | {"nesterov": "0"},
    "no matrices": {"matrices": [], "weights": []},
    "matrices not square": bare([[[1, 2]]]),
    "matrices of different sizes": bare([[[1]], [[1, 0], [0, 1]]]),
    "matrices with an optimiser": bare([SWAP]) | {"optimiser": "sgd"},
    "matrices without weights": {"matrices": [SWAP]},
}


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_malformed_subjects_are_rejected_by_every_kind(name: str) -> None:
    for claim_, proof in STATEMENTS.values():
        if "all" not in claim_:
            assert not proves(claim_ | {"subject": SUBJECTS[name]}, proof)


def test_conjunctions_prove_part_by_part() -> None:
    claim_, proof = STATEMENTS["conjunction"]
    assert not proves({"all": claim_["all"][:-1]}, proof)
    assert not proves(claim_, proof | {"parts": proof["parts"][:-1]})
    assert not proves(claim_, proof | {"parts": proof["parts"][::-1]})
    assert not proves({"all": []}, kind("conjunction", parts=[]))
    assert not proves(claim_["all"][0], kind("conjunction", parts=[BY_HAND]))
    assert not proves(claim_, BY_HAND)
    assert not proves({"all": [claim_]}, kind("conjunction", parts=[proof]))
    assert not proves(claim_ | {"subject": sgd(PAIR, "1")}, proof)


@pytest.mark.parametrize("reference", [1, 2, 3, True, False, "0", -1, None])
def test_a_reference_means_an_earlier_claim_or_nothing(reference: Any) -> None:
    first, second = claim(sgd(PAIR, "11/10"), "<", 1), claim(sgd(PAIR, "101/100"), "<")
    words = kind("words", length=2, norm=IDENTITY_NORM)
    assert not proves({"all": [first, second | {"subject": reference}]}, kind("conjunction", parts=[words, BY_HAND]))


def test_a_reference_uses_the_subject_that_it_names() -> None:
    stable, unstable = sgd(PAIR, "101/100"), sgd(PAIR, "11/10")
    easy = kind("words", length=2, norm=IDENTITY_NORM)
    for order, reference in itertools.product(((stable, unstable), (unstable, stable)), (0, 1)):
        right = order[reference] is stable
        claims = [claim(order[0], "<", 1), claim(order[1], "<", 1), claim(reference, "<")]
        assert proves({"all": claims}, kind("conjunction", parts=[easy, easy, BY_HAND])) is right


# --- the command line -----------------------------------------------------------------------------------------------------------------------


def run(path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-I", *flags, str(CHECKER), str(path)], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("flags", [(), ("-S",), ("-S", "-O")])
def test_the_command_accepts_and_says_what(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = tmp_path / "good.json"
    path.write_text(json.dumps(CERTIFICATES["conjunction"]))
    done = run(path, *flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["accepted: lambda < 0, lambda <= 1/1000, mu <= -1/4 (subject 2), mu < 0 (subject 2)"]


BROKEN = {
    "a false claim": json.dumps(sealed(claim(sgd(PAIR, "11/10"), "<"), BY_HAND)),
    "no text": "",
    "deep": "[" * 1_000_000,
    "a surrogate": json.dumps(sealed(claim(sgd(PAIR, "1") | {"batch": "\ud800"}, "<"), BY_HAND)),
    "a spoof": json.dumps(sealed(claim(sgd(PAIR, "1") | {"batch": "\naccepted: lambda < 0"}, "<"), BY_HAND)),
    "a spoof in the version": json.dumps(sealed(claim(sgd(PAIR, "1"), "<"), BY_HAND, version="\naccepted: x")),
    "a spoof in a key": json.dumps(sealed(claim(sgd(PAIR, "1"), "<") | {"\naccepted: x": 1}, BY_HAND)),
    "a list as relation": json.dumps(sealed(claim(sgd(PAIR, "1"), "<") | {"relation": []}, BY_HAND)),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_the_command_rejects_in_one_line_with_the_reason(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(BROKEN[name])
    done = run(path, "-S")
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith("rejected: ")
    assert len(line) > len("rejected: ")


def test_the_command_fails_where_there_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        done = run(path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "cannot read" in done.stderr


def test_the_command_wants_one_file() -> None:
    done = subprocess.run([sys.executable, "-I", str(CHECKER)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")


def test_the_checker_imports_only_the_standard_library_and_runs_nothing() -> None:
    tree = ast.parse(CHECKER.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name.split(".")[0] for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {(node.module or "").split(".")[0] for node in imports if isinstance(node, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in imports)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "__import__", "float", "getattr", "setattr"}


def test_the_checker_has_no_floats() -> None:
    constants = [node.value for node in ast.walk(ast.parse(CHECKER.read_text())) if isinstance(node, ast.Constant)]
    assert not any(isinstance(value, (float, complex)) for value in constants)


# --- arithmetic -----------------------------------------------------------------------------------------------------------------------------

positive_rationals = st.builds(Fraction, st.integers(1, 10**60), st.integers(1, 10**60))
near_one = st.builds(lambda n, s: 1 + Fraction(s, n), st.integers(2, 10**300), st.sampled_from([-1, 1]))
entries = st.builds(Fraction, st.integers(-6, 6), st.integers(1, 4))


def matrices(largest: int = 5) -> Any:
    return st.integers(1, largest).flatmap(lambda n: st.lists(st.lists(entries, min_size=n, max_size=n), min_size=n, max_size=n))


def product(a: Any, b: Any) -> Any:
    return [[sum((x * y for x, y in zip(row, column, strict=True)), start=Fraction(0)) for column in zip(*b, strict=True)] for row in a]


def transposed(a: Any) -> Any:
    return [list(column) for column in zip(*a, strict=True)]


@given(st.one_of(positive_rationals, near_one), st.sampled_from([64, 160, 400, 1000]))
@QUICK
def test_log_bounds_enclose_the_logarithm_tightly(x: Fraction, bits: int) -> None:
    low, high = log_bound(x, bits, False), log_bound(x, bits, True)
    with mpmath.workprec(bits + 1200):
        exact = mpmath.log(mpmath.mpf(x.numerator) / x.denominator) * mpmath.mpf(2) ** bits
        assert low <= exact <= high
    assert high - low <= 8 * bits * (2 + abs(x.numerator.bit_length() - x.denominator.bit_length()))


@pytest.mark.parametrize("bits", [64, 2500])
def test_log_bounds_at_powers_of_two_and_next_to_them(bits: int) -> None:
    tiny = Fraction(1, 1 << 900)
    assert log_bound(Fraction(1), bits, True) == log_bound(Fraction(1), bits, False) == 0
    for x in (Fraction(1 << 200), Fraction(1, 1 << 200), 2 - tiny, 2 + tiny, 1 + tiny, 1 - tiny, Fraction(10**1999), Fraction(1, 10**1999)):
        with mpmath.workprec(bits + 9000):
            exact = mpmath.log(mpmath.mpf(x.numerator) / x.denominator) * mpmath.mpf(2) ** bits
            assert log_bound(x, bits, False) <= exact <= log_bound(x, bits, True)


@given(st.lists(st.tuples(st.builds(Fraction, st.integers(1, 9), st.integers(1, 9)), positive_rationals), min_size=1, max_size=4), entries)
@QUICK
def test_the_sign_of_a_sum_of_logarithms(terms: list[tuple[Fraction, Fraction]], value: Fraction) -> None:
    with mpmath.workprec(400):
        exact = mpmath.fsum(mpmath.mpf(w.numerator) / w.denominator * mpmath.log(mpmath.mpf(x.numerator) / x.denominator) for w, x in terms)
        exact -= mpmath.mpf(value.numerator) / value.denominator
        assert log_sum_sign(terms, value) == (0 if abs(exact) < 1e-90 else int(mpmath.sign(exact)))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(2, 99)), min_size=1, max_size=4))
@settings(QUICK, max_examples=20)
def test_a_product_of_powers_that_is_one_has_sign_zero_and_its_neighbours_do_not(factors: list[tuple[int, int]]) -> None:
    terms = [(Fraction(w, 7), Fraction(n)) for w, n in factors] + [(Fraction(1, 7), Fraction(1, math.prod(n**w for w, n in factors)))]
    tiny = Fraction(1, 10**300)
    assert log_sum_sign(terms, Fraction(0)) == 0
    assert log_sum_sign([*terms, (Fraction(1), 1 + tiny)], Fraction(0)) == 1
    assert log_sum_sign([*terms, (Fraction(1), 1 - tiny)], Fraction(0)) == -1
    assert log_sum_sign(terms, tiny) == -1
    assert log_sum_sign(terms, -tiny) == 1


def test_log_of_zero_is_minus_infinity_unless_its_weight_vanishes() -> None:
    zero, huge = (Fraction(1, 10**9), Fraction(0)), (Fraction(10**9), Fraction(10**99))
    assert log_sum_sign([zero, huge], Fraction(-(10**99))) == -1
    assert log_sum_sign([(Fraction(0), Fraction(0)), huge], Fraction(0)) == 1
    assert log_sum_sign([], Fraction(0)) == 0


def test_a_comparison_that_is_too_close_is_refused_rather_than_guessed() -> None:
    with mpmath.workprec(9000):
        digits = int(mpmath.floor(mpmath.log(2) * mpmath.mpf(10) ** 1990))
    for value in (Fraction(digits, 10**1990), Fraction(digits + 1, 10**1990)):
        with pytest.raises(Rejected):
            log_sum_sign([(Fraction(1), Fraction(2))], value)


@pytest.mark.parametrize(("upper", "strict", "strictly", "value", "right"), [
    (True, False, False, 0, True), (True, True, False, 0, False), (True, True, True, 0, True),
    (True, False, True, -1, False), (True, True, False, 1, True),
    (False, False, False, 0, True), (False, True, False, 0, False), (False, True, True, 0, True),
    (False, False, True, 1, False), (False, True, False, -1, True),
])  # fmt: skip
def test_a_bound_of_zero_implies_the_goals_that_it_implies(upper: bool, strict: bool, strictly: bool, value: int, right: bool) -> None:
    goal = Goal("lambda", upper, Fraction(value), strict)
    if right:
        assert goal.require([], strictly) is None  # type: ignore[func-returns-value]
    else:
        with pytest.raises(Rejected):
            goal.require([], strictly)


@given(matrices(), st.lists(st.sampled_from([-1, 0, 0, 1]), min_size=5, max_size=5))
@QUICK
def test_inertia_of_a_congruence_is_the_inertia_of_the_diagonal(a: Any, signs: list[int]) -> None:
    n = len(a)
    diagonal = [[Fraction(signs[i] * (i + 1)) if i == j else Fraction(0) for j in range(n)] for i in range(n)]
    if sympy.Matrix(a).det() != 0:
        counts = tuple(sum(s == t for s in signs[:n]) for t in (1, 0, -1))
        assert inertia(product(product(transposed(a), diagonal), a)) == counts


@given(matrices(6))
@QUICK
def test_inertia_agrees_with_the_characteristic_polynomial(a: Any) -> None:
    symmetric = [[a[max(i, j)][min(i, j)] for j in range(len(a))] for i in range(len(a))]
    c = [Fraction(int(x.p), int(x.q)) for x in as_flint(symmetric).charpoly().coeffs()]
    zero = next(k for k, x in enumerate(c) if x)
    changes = sum(x * y < 0 for x, y in itertools.pairwise([x for x in c if x]))  # Descartes: exact for real roots
    assert inertia(symmetric) == (changes, zero, len(a) - zero - changes)


def test_inertia_of_a_zero_diagonal() -> None:
    assert inertia([[Fraction(0), Fraction(-3)], [Fraction(-3), Fraction(0)]]) == (1, 0, 1)
    assert inertia([[Fraction(int(i != j)) for j in range(4)] for i in range(4)]) == (1, 0, 3)
    assert inertia([[Fraction(0)] * 3] * 3) == (0, 3, 0)


def as_flint(rows: Any) -> Any:
    return flint.fmpq_mat(len(rows), len(rows[0]), [flint.fmpq(x.numerator, x.denominator) for row in rows for x in row])


@given(matrices(6))
@QUICK
def test_determinant_and_inverse_agree_with_flint(a: Any) -> None:
    exact = as_flint(a).det()
    assert determinant(a) == Fraction(int(exact.p), int(exact.q))
    if exact != 0:
        assert product(a, inverse(a)) == [[Fraction(i == j) for j in range(len(a))] for i in range(len(a))]
    else:
        with pytest.raises(Rejected):
            inverse(a)


@given(matrices(5), st.integers(1, 5))
@QUICK
def test_row_basis_is_the_greedy_one(a: Any, columns: int) -> None:
    gram = product([row[:columns] for row in a], transposed([row[:columns] for row in a]))
    ranks = [0, *(as_flint(gram[: k + 1]).rank() for k in range(len(gram)))]
    assert row_basis(gram) == [k for k in range(len(gram)) if ranks[k + 1] > ranks[k]]


@given(matrices(4))
@QUICK
def test_row_basis_accepts_exactly_the_semidefinite_matrices(a: Any) -> None:
    symmetric = [[a[max(i, j)][min(i, j)] for j in range(len(a))] for i in range(len(a))]
    if inertia(symmetric)[2]:
        with pytest.raises(Rejected):
            row_basis(symmetric)
    else:
        assert len(row_basis(symmetric)) == inertia(symmetric)[0]


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=7), st.booleans())
@QUICK
def test_a_form_that_has_the_sign_has_it_at_every_point(c: list[int], strict: bool) -> None:
    points = [Fraction(a, b) for a in range(8) for b in range(1, 8)]
    values = [sum(x * t**k for k, x in enumerate(c)) for t in points] + [c[-1]]
    if has_sign(c, strict, 16):
        assert min(values) > 0 or (min(values) == 0 and not strict)
    else:
        assert min(values) < 2 or c[0] <= 0 or c[-1] <= 0


@given(st.integers(1, 4), st.integers(1, 4), st.booleans(), st.booleans(), st.sets(st.integers(0, 3), min_size=1))
@QUICK
def test_batches_have_the_probabilities_of_brute_force(n: int, size: int, replacement: bool, weighted: bool, chosen: set[int]) -> None:
    if not replacement:
        size, weighted = min(size, n), weighted and size == 1
    samples = sorted(i for i in chosen if i < n) or [0]
    data = sgd([[int(i == j) for j in range(n)] for i in range(n)], "1", size, replacement)
    weights = [Fraction(i + 1) if weighted else Fraction(1) for i in range(n)]
    subject = Subject(data | ({"weights": [str(w) for w in weights]} if weighted else {}))
    brute: dict[tuple[int, ...], Fraction] = {}
    total = sum(weights)
    draws = itertools.product(range(n), repeat=size) if replacement or size == 1 else itertools.combinations(range(n), size)
    for draw in draws:
        p = math.prod((weights[i] / total for i in draw), start=Fraction(1)) if replacement or size == 1 else Fraction(1, math.comb(n, size))
        m = tuple(draw.count(i) for i in samples)
        brute[m] = brute.get(m, Fraction(0)) + p
    found = list(subject.batches(samples))
    assert {m: p for m, p in found if p} == brute
    assert sum(p for _, p in found) == 1
    assert [m for m, _ in found] == sorted((m for m, _ in found), reverse=True)


@given(matrices(3), st.sampled_from(["1/2", "1", "3"]), st.integers(1, 2))
@QUICK
def test_the_steps_act_on_residuals_as_the_batch_gradient_does(rows: Any, eta: str, batch: int) -> None:
    if not any(map(any, rows)):
        return
    subject = Subject(featured([[str(x) for x in row] for row in rows], eta, batch))
    n, w = len(rows), [[Fraction(3 * k * k + k + 1)] for k in range(len(rows[0]))]
    gram = product(rows, transposed(rows))
    basis = row_basis(gram)
    residual = product(rows, w)
    found = subject.family(list(range(n)))
    images = set()
    for m, _ in subject.batches(list(range(n))):
        pulls = [Fraction(eta) / batch * sum(m[i] * residual[i][0] * rows[i][k] for i in range(n)) for k in range(len(w))]
        after = product(rows, [[x[0] - y] for x, y in zip(w, pulls, strict=True)])
        images.add(tuple(after[i][0] for i in basis))
    start = [[residual[i][0]] for i in basis]
    assert {tuple(x[0] for x in product(a, start)) for a in found.steps} <= images
    assert images <= {tuple(x[0] for x in product(a, start)) for a in found.steps} | {tuple(x[0] for x in start)}
    assert found.d == len(basis)
    assert sum(found.p) <= 1


# --- bounded work: every size limit is respected, yet the arithmetic would take minutes ------------------------------------------------------------

DIGITS = "9" * 400


def dominant(size: int, digits: int) -> list[list[int]]:
    """A positive definite matrix with large entries."""
    whole = 10**digits
    return [[size * whole + i if i == j else (7 ** (i + j) * whole // 3 ** (2 * i + 2 * j + 1)) % whole for j in range(size)] for i in range(size)]


def long_fraction(seed: int) -> str:
    """A fraction of unrelated numerators and denominators of 1990 digits."""
    return f"{7**2200 % 10**1990 + seed}/{3**4100 % 10**1990 + 2 * seed}"


LONG = [long_fraction(seed) for seed in range(200)]
# Sums over unrelated denominators would outgrow what each addition is charged: they are refused by the size of their common denominator.
OUTGROWING: dict[str, tuple[Any, Any]] = {
    "a long row": (claim(featured([LONG], "1"), "<"), kind("nonexpansive")),
    "a long column": (claim({"optimiser": "gd", "features": [[x] for x in LONG], "step_size": "1"}, "<", 0, "mu"), kind("gd", radius="1")),
    "many multipliers": (
        claim(bare([[[k + 2]] for k in range(200)]), "<", 10**5),
        kind("linear-cones", cones=[[["1"]]], forms=[["1"]], trees=[[["=", *[0] * 200, *LONG]]]),
    ),
    "a product": (
        claim(bare([[LONG[i : i + 14] for i in range(14)]]), "<"),
        kind("words", length=1, norm=[[str(int(i == j)) for j in range(14)] for i in range(14)]),
    ),
}


@pytest.mark.parametrize("name", sorted(OUTGROWING))
def test_sums_that_outgrow_their_charge_are_refused_quickly(name: str) -> None:
    start = time.monotonic()
    with pytest.raises(Rejected, match="common denominator"):
        check(sealed(*OUTGROWING[name]))
    assert time.monotonic() - start < 10


HEAVY: dict[str, tuple[Any, Any]] = {
    "elimination": (claim(sgd(dominant(40, 300), "1"), ">"), kind("nonexpansive")),
    "inversion": (claim(sgd(dominant(60, 12), "1"), ">"), kind("words", length=1, norm=[["1"]])),
    "features": (claim({"optimiser": "gd", "features": [["1"] * 150] * 1000, "step_size": "1"}, "<", 0, "mu"), kind("gd", radius="1")),
    "words": (claim(bare([dominant(12, 9), dominant(12, 8)]), "<"), kind("words", length=8, norm=[[str(int(i == j)) for j in range(12)] for i in range(12)])),
    "logarithms": (claim(bare([[[f"{-k - 1}/{k}"]] for k in range(1, 3000)] + [[[f"{k}/{k + 1}"]] for k in range(1, 3000)]), ">"), kind("determinant")),
    "weights": (claim(sgd([[1, 0], [0, 1]], "1/2", 900, weights=["1/" + DIGITS, "1/7"]), ">"), kind("determinant")),
    "parts": (claim(sgd([[int(i == j) for j in range(30)] for i in range(30)], "1", 2), ">"), parts(*[(list(range(30)), "determinant")] * 500)),
    "small first coefficients": (
        claim(bare([[[1, 0], [0, 2]], [[1, 0], [0, 3]]], [199, 1]), "<", 9999),
        kind("planar-forms", degree=2, rho="1", cones=SWAP_CONE["cones"], forms=[["1", DIGITS, "1"]], trees=[[["=", 0, 0]]]),
    ),
    "images": (
        claim(bare([[[DIGITS, "1"], ["1", DIGITS]]]), "<", 9999),
        kind("planar-forms", degree=400, rho="1", cones=SWAP_CONE["cones"], forms=[["1"] * 401], trees=[[["=", 0]]]),
    ),
    "forms": (
        claim(bare([SWAP, [[1, 1], [0, 1]]], [199, 1]), "<", 9999),
        kind("planar-forms", degree=2, rho="1", cones=SWAP_CONE["cones"], forms=[[DIGITS] * 3], trees=[[["=", 0, 0]]]),
    ),
}


@pytest.mark.parametrize("name", sorted(HEAVY))
def test_hostile_work_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["verify.certificate.check"], "MAX_WORK", 2_000_000)
    start = time.monotonic()
    with pytest.raises(Rejected, match="work"):
        check(sealed(*HEAVY[name]))
    assert time.monotonic() - start < 20


def test_the_work_of_one_check_does_not_count_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["verify.certificate.check"], "MAX_WORK", 2_000_000)
    assert not proves(*HEAVY["inversion"])
    assert proves(*STATEMENTS["planar by hand"])

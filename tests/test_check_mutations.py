"""Corrupted certificates with correct ids: whatever the checker accepts must not contradict an independent numeric reference (oracle.py)."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import oracle
import pytest
import samples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verify.certificate.check import KINDS, Rejected, Statement, check

CERTIFICATES = samples.certificates()
NUMBERS = ["0", "1", "-1", "2", "1/2", "-1/2", "3/2", "1/1000", "-1/1000", "1000001/1000000", "9", "-0", "1" + "0" * 40, "1/1" + "0" * 40, "01", "1/3"]
BAD = ["", " 1", "1 ", "1/0", "1/-2", "+1", "1.5", "1e3", "nan", "inf", "\u0661", "0x1", "1_0", "--1", "1/2/3", "1\n"]
WRONG: list[Any] = [None, True, False, -1, 0, 1, 2, 10**8, [], {}, [[]], "lambda", [["1"]], ""]
RELATIONS, QUANTITIES = ["<", "<=", "=", ">=", ">"], ["lambda", "mu", "ms"]


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inside:
        yield (*path, key)
        yield from nodes(child, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def mutate(draw: st.DrawFn, certificate: Any) -> None:
    """One corruption somewhere in the claim or the proof."""
    root = draw(st.sampled_from(["claim", "proof"]))
    path = draw(st.sampled_from([(root,), *nodes(certificate[root], (root,))]))
    holder, key = at(certificate, path[:-1]), path[-1]
    old = holder[key]
    if key == "relation":
        holder[key] = draw(st.sampled_from(RELATIONS))
    elif key == "quantity":
        holder[key] = draw(st.sampled_from(QUANTITIES))
    elif key == "kind":
        holder[key] = draw(st.sampled_from([*KINDS, "conjunction"]))
    elif isinstance(old, str):
        holder[key] = draw(st.one_of(st.just(moved(draw, old)), st.sampled_from(NUMBERS), st.sampled_from(BAD)))
    elif type(old) is int:
        holder[key] = copy.deepcopy(draw(st.one_of(st.integers(-1, 4), st.sampled_from(WRONG))))
    elif isinstance(old, list) and old:
        edit_list(draw, old)
    else:
        holder[key] = copy.deepcopy(draw(st.sampled_from(WRONG)))


def moved(draw: st.DrawFn, text: str) -> str:
    """A number near the old one."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return text + "x"
    return str(value * Fraction(draw(st.sampled_from(["-1", "1/2", "9/10", "99/100", "101/100", "11/10", "2"]))))


def edit_list(draw: st.DrawFn, old: list[Any]) -> None:
    i, j = draw(st.integers(0, len(old) - 1)), draw(st.integers(0, len(old) - 1))
    action = draw(st.sampled_from(["drop", "double", "swap", "truncate", "wrong", "reverse"]))
    if action == "drop":
        del old[i]
    elif action == "double":
        old.insert(j, copy.deepcopy(old[i]))
    elif action == "swap":
        old[i], old[j] = old[j], old[i]
    elif action == "truncate":
        del old[i:]
    elif action == "wrong":
        old[i] = copy.deepcopy(draw(st.sampled_from([*WRONG, *NUMBERS])))
    else:
        old.reverse()


@st.composite
def corrupted(draw: st.DrawFn, name: str | None = None) -> Any:
    certificate = copy.deepcopy(CERTIFICATES[name or draw(st.sampled_from(sorted(CERTIFICATES)))])
    for _ in range(draw(st.integers(1, 2))):
        mutate(draw, certificate)
    return samples.resealed(certificate)


def claims_of(certificate: Any) -> list[tuple[Any, Any]]:
    """(subject, claim), with the numbers of earlier claims resolved here."""
    whole = certificate["claim"]
    claims: list[Any] = whole.get("all", [whole])
    found: list[tuple[Any, Any]] = []
    for one in claims:
        found.append((found[one["subject"]][0] if isinstance(one["subject"], int) else one["subject"], one))
    return found


def accepted(certificate: Any) -> list[Statement] | None:
    try:
        return check(certificate)
    except Rejected:
        return None


def refuted(certificate: Any) -> list[str]:
    """The accepted claims that the reference contradicts."""
    statements = accepted(certificate)
    if statements is None:
        return []
    claims = claims_of(certificate)
    assert [(s.quantity, s.relation, s.value) for s in statements] == [(c["quantity"], c["relation"], Fraction(c["value"])) for _, c in claims]
    return [json.dumps(c) for subject, c in claims if oracle.contradicts(subject, c["quantity"], c["relation"], Fraction(c["value"]))]


QUICK = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@given(corrupted())
@settings(QUICK, max_examples=2500)
def test_a_corrupted_certificate_is_never_accepted_for_a_false_claim(certificate: Any) -> None:
    assert not refuted(certificate)


@pytest.mark.parametrize("name", sorted(CERTIFICATES))
def test_every_kind_survives_mutation_of_its_own_fields(name: str) -> None:
    @given(corrupted(name))
    @settings(QUICK, max_examples=60)
    def never_false(certificate: Any) -> None:
        assert not refuted(certificate)

    never_false()


@pytest.mark.slow
@given(corrupted())
@settings(QUICK, derandomize=False, max_examples=40_000)
def test_many_corrupted_certificates_are_never_accepted_for_a_false_claim(certificate: Any) -> None:
    assert not refuted(certificate)


@pytest.mark.parametrize("name", sorted(CERTIFICATES))
def test_claims_stronger_than_the_truth_are_rejected(name: str) -> None:
    certificate = copy.deepcopy(CERTIFICATES[name])
    if "all" in certificate["claim"]:
        return assert_every_part_is_needed(certificate)
    claim = certificate["claim"]
    truth, slack = oracle.value(claim["subject"], claim["quantity"])
    for beyond in (Fraction(1, 100), Fraction(1), Fraction(10**30)):
        for relations, sign in ((("<", "<=", "="), -1), ((">", ">=", "="), 1)):
            if math.isfinite(truth) or sign > 0:
                edge = Fraction(truth if math.isfinite(truth) else -1000) + sign * (Fraction(slack) + beyond)
                for relation in relations:
                    claim["relation"], claim["value"] = relation, str(edge.limit_denominator(10**12))
                    assert accepted(samples.resealed(certificate)) is None
    return None


def assert_every_part_is_needed(certificate: Any) -> None:
    for subject, claim in claims_of(certificate):
        kept = dict(claim)
        truth, slack = oracle.value(subject, claim["quantity"])
        below = claim["relation"] in ("<", "<=")
        claim["value"] = str(Fraction(truth + (-slack if below else slack)).limit_denominator(10**6))
        assert accepted(samples.resealed(certificate)) is None
        claim.update(kept)
    assert accepted(samples.resealed(certificate))


@pytest.mark.parametrize("name", sorted(CERTIFICATES))
def test_the_proof_of_one_claim_does_not_prove_the_opposite(name: str) -> None:
    for _, claim in claims_of(certificate := copy.deepcopy(CERTIFICATES[name])):
        kept = claim["relation"]
        claim["relation"] = {"<": ">", "<=": ">", "=": "<", ">=": "<", ">": "<"}[kept]
        assert accepted(samples.resealed(certificate)) is None
        claim["relation"] = kept


@pytest.mark.parametrize("name", sorted(CERTIFICATES))
def test_no_other_subject_takes_over_a_proof_that_is_false_for_it(name: str) -> None:
    for other in sorted(CERTIFICATES):
        swapped = copy.deepcopy(CERTIFICATES[other])
        if "all" not in swapped["claim"]:
            swapped["proof"] = copy.deepcopy(CERTIFICATES[name]["proof"])
            assert not refuted(samples.resealed(swapped))


# --- random problems with plausible proofs of every kind, claimed near the truth on both sides --------------------------------------------------------

SMALL = st.sampled_from(["-3/2", "-1", "-1/2", "-1/3", "0", "0", "1/3", "1/2", "1", "3/2", "2"])
POSITIVE = st.sampled_from(["1/3", "1/2", "1", "1", "3/2", "2", "3"])


@st.composite
def subjects(draw: st.DrawFn, size: int = 3) -> Any:
    n, d = draw(st.integers(1, size)), draw(st.integers(1, 3))
    if draw(st.booleans()) and draw(st.booleans()):
        matrices = [[[draw(SMALL) for _ in range(d)] for _ in range(d)] for _ in range(n)]
        return {"matrices": matrices, "weights": [draw(POSITIVE) for _ in range(n)]}
    rows = [[draw(SMALL) for _ in range(d)] for _ in range(n)]
    if not any(Fraction(x) for row in rows for x in row):
        rows[0][0] = "1"
    exact = [[sum(Fraction(x) * Fraction(y) for x, y in zip(u, v, strict=True)) for v in rows] for u in rows]
    source = {"features": rows} if draw(st.booleans()) else {"gram": samples.texts(exact)}
    largest = max(exact[i][i] for i in range(n))
    eta = draw(st.sampled_from(["1/5", "1/2", "9/10", "1", "3/2", "2", "21/10", "3", "5"]))
    subject: dict[str, Any] = {"step_size": str(Fraction(eta) / (largest if draw(st.booleans()) else 1)), **source}
    if draw(st.integers(0, 5)) == 0:
        return subject | {"optimiser": "gd"}
    replacement = draw(st.booleans())
    subject |= {"optimiser": "sgd", "replacement": replacement, "batch": draw(st.integers(1, 2 if replacement else n))}
    if draw(st.booleans()) and (replacement or subject["batch"] == 1):
        subject["weights"] = [draw(POSITIVE) for _ in range(n)]
    return subject


@st.composite
def plausible(draw: st.DrawFn) -> Any:
    subject = draw(subjects())
    quantity = draw(st.sampled_from(["lambda", "lambda", "lambda", "ms", "mu"] if "matrices" not in subject else ["lambda", "ms"]))
    truth, _ = oracle.value(subject, quantity)
    centre = Fraction(truth).limit_denominator(10**6) if math.isfinite(truth) else Fraction(-5)
    offset = draw(st.sampled_from([0, 0, 1, -1, 3, -3, 30, -30])) * Fraction(1, 20)
    value = draw(st.sampled_from([Fraction(0), Fraction(0), centre + offset, centre + offset]))
    relation = draw(st.sampled_from(RELATIONS))
    proof = draw(proofs(subject, quantity, value, "n" if "matrices" in subject else None))
    return samples.sealed(samples.claim(subject, relation, value, quantity), proof)


def near(draw: st.DrawFn, value: float) -> str:
    centre = Fraction(min(value, 1e6)).limit_denominator(1000)
    return str(abs(centre * Fraction(draw(st.sampled_from(["9/10", "99/100", "1", "101/100", "11/10"])))))


@st.composite
def proofs(draw: st.DrawFn, subject: Any, quantity: str, value: Fraction, bare: str | None, depth: int = 0) -> Any:
    kinds = {"mu": ["gd"], "ms": ["mean-square"]}.get(quantity, [*KINDS])
    kind = draw(st.sampled_from(kinds))
    steps, _ = oracle.family(subject)
    d, m = steps.shape[1], len({json.dumps(a.round(9).tolist()) for a in steps if abs(a - np.eye(steps.shape[1])).max() > 1e-12})
    proof: dict[str, Any] = {"kind": kind}
    if kind == "gd":
        truth = oracle.mu(subject) if bare is None else 0.0
        return proof | {"radius": draw(st.sampled_from(["0", "1", near(draw, math.exp(truth)), near(draw, math.exp(min(5, float(value))))]))}
    if kind == "components":
        n = len(subject.get("gram", subject.get("features", subject.get("matrices"))))
        found = [sorted(draw(st.sets(st.integers(0, n - 1), min_size=1))) for _ in range(draw(st.integers(1, 3)))] if depth < 2 else [[0]]
        inner = [draw(proofs(subject, quantity, value, bare, depth + 1)) if depth < 2 else {"kind": "nonexpansive"} for _ in found]
        return proof | {"parts": [{"component": c, "proof": x} for c, x in zip(found, inner, strict=True)]}
    if kind in ("words", "mean-square"):
        unit = draw(st.booleans())
        root = [[Fraction(i == j) if unit else Fraction(draw(SMALL)) for j in range(d)] for i in range(d)]
        square = [[sum((x * y for x, y in zip(u, v, strict=True)), start=Fraction(0)) for v in root] for u in root]
        more = {"length": draw(st.integers(1, 3)), "norm": samples.texts(square)}
        radius = near(draw, math.exp(2 * min(oracle.mean_square(subject), 5)))
        return proof | (more if kind == "words" else {"matrix": samples.texts(square), "radius": draw(st.sampled_from([radius, "1"]))})
    if kind == "renewal":
        return proof | {"terms": draw(st.sampled_from([1, 2, 5, 30]))}
    if kind in ("linear-cones", "planar-forms"):
        count = draw(st.integers(1, 2))
        degree = draw(st.integers(1, 2))
        width = d if kind == "linear-cones" else degree + 1
        cones = [[[str(draw(st.integers(-2, 3))) for _ in range(d)] for _ in range(d)] for _ in range(count)]
        forms = [[str(draw(st.integers(1, 4))) for _ in range(width)] for _ in range(count)]
        extra = [draw(POSITIVE) for _ in range(m)] if kind == "linear-cones" else []
        trees = []
        for _ in range(count):
            leaves = [["=", *[draw(st.integers(0, count - 1)) for _ in range(m)], *extra] for _ in range(2)]
            trees.append([["/", 0, d - 1, "1", draw(POSITIVE)], *leaves] if d > 1 and draw(st.booleans()) else [leaves[0]])
        rho = draw(st.sampled_from([near(draw, math.exp(min(5.0, float(value) * degree * m))), "1"]))
        return proof | ({"degree": degree, "rho": rho} if kind == "planar-forms" else {}) | {"cones": cones, "forms": forms, "trees": trees}
    return proof


@given(plausible())
@settings(QUICK, max_examples=1200)
def test_plausible_proofs_are_never_accepted_for_false_claims(certificate: Any) -> None:
    assert not refuted(certificate)


@pytest.mark.slow
@given(plausible())
@settings(QUICK, derandomize=False, max_examples=8_000)
def test_many_plausible_proofs_are_never_accepted_for_false_claims(certificate: Any) -> None:
    assert not refuted(certificate)


@st.composite
def conewise(draw: st.DrawFn) -> Any:
    """Nonnegative matrices keep the positive quadrant: random cuts, forms, multipliers and bounds near the truth, of both kinds of cone proofs."""
    count, d = draw(st.integers(1, 3)), draw(st.integers(2, 3))
    matrices = [[[str(draw(st.integers(0, 3))) for _ in range(d)] for _ in range(d)] for _ in range(count)]
    subject: dict[str, Any] = {"matrices": matrices, "weights": [draw(st.sampled_from(["1", "2"])) for _ in range(count)]}
    distinct = [a for k, a in enumerate(matrices) if a not in matrices[:k] and a != [[str(int(i == j)) for j in range(d)] for i in range(d)]]
    truth, _ = oracle.value(subject, "lambda")
    value = Fraction(truth if math.isfinite(truth) else -2).limit_denominator(10**4) + Fraction(draw(st.integers(-40, 40)), 50)
    cone = [[str(int(i == j)) for j in range(d)] for i in range(d)]
    extra = [near(draw, math.exp(-truth)) if math.isfinite(truth) else "1" for _ in distinct]
    degree = draw(st.integers(1, 3))
    planar = d == 2 and draw(st.booleans())
    forms = [[str(draw(st.integers(1, 5))) for _ in range(degree + 1 if planar else d)]]
    leaf = ["=", *[0] * len(distinct), *([] if planar else extra)]
    tree = [["/", 0, 1, "1", "1"], leaf, ["/", 1, 0, "2", "1"], leaf, leaf] if draw(st.booleans()) else [leaf]
    common = math.lcm(*(Fraction(w, sum(map(int, subject["weights"]))).denominator for w in map(int, subject["weights"])))
    proof: dict[str, Any] = {"kind": "planar-forms" if planar else "linear-cones", "cones": [cone], "forms": forms, "trees": [tree]}
    if planar:
        proof |= {"degree": degree, "rho": near(draw, math.exp(min(30.0, float(value) * degree * common)))}
    return samples.sealed(samples.claim(subject, draw(st.sampled_from(RELATIONS)), value), proof)


@given(conewise())
@settings(QUICK, max_examples=500)
def test_cone_proofs_near_the_truth_are_never_accepted_for_false_claims(certificate: Any) -> None:
    assert not refuted(certificate)


@pytest.mark.slow
@given(conewise())
@settings(QUICK, derandomize=False, max_examples=3_000)
def test_many_cone_proofs_near_the_truth_are_never_accepted_for_false_claims(certificate: Any) -> None:
    assert not refuted(certificate)

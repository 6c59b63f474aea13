"""The trusted checker against a second, independent one (`second_checker.py`, which says what it does not cover): the verdicts agree.

The essential direction: what the trusted checker accepts, the second accepts. What only the trusted checker rejects, it rejects because of a limit.
"""

from __future__ import annotations

import math
import random
import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import bare, certificates, claim, gd, resealed, sealed, sgd
from second_checker import NotCovered, accepts
from test_check_ranges import ACCEPTED, FALSE_RANGES, RANGES, REFUSED, over

from verify.certificate.check import Rejected, check

LIMIT = re.compile(r"limit|budget|too (many|large|long|much|deep)|more than", re.IGNORECASE)
ARITHMETIC = ["0", "1", "-1", "1/2", "2", "3/2", "-1/3", "1/100", "99/100", "101/100", "7/5"]


def trusted(certificate: Any) -> tuple[bool, str]:
    try:
        check(certificate)
    except Rejected as caught:
        return False, str(caught)
    return True, ""


def compared(certificate: Any) -> bool | None:
    """The common verdict; None where the second checker has none."""
    try:
        second = accepts(certificate)
    except NotCovered:
        return None
    first, reason = trusted(certificate)
    assert second or not first, f"only the trusted checker accepts {certificate}"
    assert first or not second or LIMIT.search(reason), f"only the trusted checker rejects ({reason}) {certificate}"
    return first


@lru_cache(maxsize=1)
def known() -> dict[str, Any]:
    whole = certificates()
    for dictionary in (ACCEPTED, RANGES, REFUSED, FALSE_RANGES):
        whole |= {f"optimisers and ranges: {name}": sealed(*pair) for name, pair in dictionary.items()}
    return whole


def test_the_verdicts_on_known_certificates_are_the_same() -> None:
    covered = {True: 0, False: 0}
    for name, certificate in known().items():
        try:
            second = accepts(certificate)
        except NotCovered:
            continue
        assert trusted(certificate)[0] == second, name
        covered[second] += 1
    assert covered[True] >= 40
    assert covered[False] >= 20


# --- random certificates -------------------------------------------------------------------------------------------------------------------------


def spots(thing: Any) -> list[tuple[Any, Any]]:
    """All places of a string or an integer: the container and the key."""
    items = list(thing.items()) if isinstance(thing, dict) else list(enumerate(thing)) if isinstance(thing, list) else []
    found = [(thing, key) for key, value in items if isinstance(value, str | int)]
    return found + [spot for _, value in items for spot in spots(value)]


def copied(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {key: copied(value) for key, value in thing.items()}
    return [copied(value) for value in thing] if isinstance(thing, list) else thing


def changed(value: Any, rng: random.Random) -> Any:
    """A number near the old one, mostly."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice([-1, 1])
    if value in ("<", "<=", "=", ">=", ">"):
        return rng.choice(["<", "<=", "=", ">=", ">"])
    if value in ("lambda", "mu", "ms"):
        return rng.choice(["lambda", "mu", "ms"])
    if not re.fullmatch(r"-?\d+(/\d+)?", value):
        return value
    x = Fraction(value)
    return str(rng.choice([x + 1, x - 1, x * 2, -x, x * Fraction(101, 100), x * Fraction(9, 10), x + Fraction(1, 1000), Fraction(rng.choice(ARITHMETIC))]))


def mutated(certificate: Any, rng: random.Random) -> Any:
    """Up to three places changed; a symmetric matrix stays symmetric where it can."""
    new = copied(certificate)
    for _ in range(rng.randint(1, 3)):
        part = rng.choice([new["claim"], new["claim"], new["proof"]])
        container, key = rng.choice(spots(part) or [(new, "version")])
        container[key] = changed(container[key], rng)
    for single in new["claim"].get("all", [new["claim"]]):
        gram = single["subject"].get("gram") if isinstance(single["subject"], dict) else None
        if gram and rng.random() < 0.8:
            for i in range(len(gram)):
                for j in range(i):
                    gram[i][j] = gram[j][i]
    return resealed(new)


def fraction(rng: random.Random, low: int, high: int) -> Fraction:
    q = rng.choice([1, 1, 2, 3, 5, 10])
    return Fraction(rng.randint(low * q, high * q), q)


def near(x: float, rng: random.Random) -> str:
    """Zero, or a value close to x on one side."""
    if not math.isfinite(x) or rng.random() < 0.4:
        return "0"
    return str(Fraction(x).limit_denominator(1000) + rng.choice([-1, 1]) * Fraction(1, rng.choice([10, 1000, 10**6])))


def fresh(rng: random.Random) -> Any:
    """A claim about a random 2 x 2 or 3 x 3 kernel (or two random matrices) with a proof that may prove it."""
    d = rng.choice([2, 2, 3])
    kind = rng.choice(["determinant", "nonexpansive", "equal-norms", "boundary", "orthogonal", "gd", "words", "mean-square", "linear-cones", "planar-forms"])
    gram = [[fraction(rng, 1, 4) if i == j else Fraction(0) for j in range(d)] for i in range(d)]
    if kind in ("equal-norms", "boundary") and rng.random() < 0.8:
        for i in range(d):
            gram[i][i] = gram[0][0]
    for i in range(d):
        for j in range(i):
            gram[i][j] = gram[j][i] = Fraction(0) if kind == "orthogonal" and rng.random() < 0.8 else rng.choice([0, 0, 1, 1, 2, -1]) * Fraction(1, 3)
    largest = max(gram[i][i] for i in range(d))
    eta = rng.choice([abs(fraction(rng, 0, 3)) + Fraction(1, 10), 2 / largest, 2 / largest * Fraction(rng.choice([9, 10, 11, 21]), 10), Fraction(101, 100)])
    batch = rng.choice([1, 1, 1, 2])
    more: Any = {"weights": [str(rng.randint(1, 3)) for _ in range(d)]} if rng.random() < 0.3 else {}
    subject: Any = sgd(gram, str(eta), batch, bool(more) or rng.random() < 0.6, **more)
    if rng.random() < (0.6 if kind == "gd" else 0.1):
        subject = gd(gram, str(eta))
    elif rng.random() < 0.2:
        subject = over(gram, str(rng.choice([Fraction(0), eta * Fraction(9, 10)])), rng.choice([str(eta), "inf"]))
    quantity = rng.choice(["mu", "mu", "lambda", "ms"]) if kind == "gd" else rng.choice(["lambda", "lambda", "ms"]) if kind == "mean-square" else "lambda"
    relation = rng.choice(["<", "<=", ">=", ">", "="])
    k = [[str(x) for x in row] for row in gram]
    one = [[str(int(i == j)) for j in range(d)] for i in range(d)]
    bound, proof = 0.0, {"kind": kind}
    if kind in ("gd", "mean-square"):
        radius = rng.choice([Fraction(1), Fraction(1), abs(1 - eta * largest / d), abs(fraction(rng, 0, 3))])
        proof["radius"] = str(radius)
        bound = math.log(radius) / (2 if kind == "mean-square" else 1) if radius else 0.0
    if kind == "mean-square":
        proof["matrix"] = rng.choice([one, k])
    if kind == "determinant":
        bound = sum(math.log(abs(1 - eta * gram[i][i] / batch) or 1) for i in range(d)) / d**2
    if kind == "words":
        proof |= {"length": rng.choice([1, 2, 3]), "norm": rng.choice([one, k])}
        bound, relation = math.log(d) / 2, rng.choice(["<=", "<"])
    if kind in ("linear-cones", "planar-forms"):
        d = d if kind == "linear-cones" else 2
        a = [[[rng.randint(0, 3) for _ in range(d)] for _ in range(d)] for _ in range(2)]
        subject = bare(a, [rng.randint(1, 2), rng.randint(1, 2)])
        sums = [sum(row[j] for row in x) for x in a for j in range(d)]
        bound, octant = math.log(rng.choice(sums) or 1), [[str(int(i == j)) for j in range(d)] for i in range(d)]
        t = [f"1/{max(sums[side * d : side * d + d]) or 1}" for side in (0, 1)] if kind == "linear-cones" and rng.random() < 0.8 else []
        steps = [x for k, x in enumerate(a) if x not in a[:k] and x != [[int(i == j) for j in range(d)] for i in range(d)]]
        leaf = ["=", *([0] * len(steps)), *t[: len(steps)]]
        degree = 1 if kind == "linear-cones" else rng.choice([1, 2])
        proof |= {"cones": [octant], "trees": [rng.choice([[leaf], [["/", 0, 1, "1", "2"], leaf, leaf]])]}
        proof["forms"] = [[str(math.comb(degree, j)) for j in range(degree + 1)] if kind == "planar-forms" else ["1"] * d]
        if kind == "planar-forms":
            p = math.lcm(*(Fraction(int(w), sum(map(int, subject["weights"]))).denominator for w in subject["weights"]))
            rho = Fraction(max(1, rng.choice([min(sums), max(sums), rng.choice(sums)])) ** (degree * p))
            proof |= {"degree": degree, "rho": str(rho)}
            bound = math.log(rho) / (degree * p)
    return sealed(claim(subject, relation, near(bound, rng), quantity), proof)


TALLY = {True: 0, False: 0, None: 0}


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(st.integers(0, 10**9))
def random_certificates_agree(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        TALLY[compared(fresh(rng))] += 1
    names = sorted(name for name in known() if not name.startswith("engine"))
    for _ in range(8):
        TALLY[compared(mutated(known()[rng.choice(names)], rng))] += 1


def test_random_certificates_agree() -> None:
    random_certificates_agree()
    assert TALLY[True] >= 100
    assert TALLY[False] >= 300


@pytest.mark.parametrize("name", ["engine negative", "engine positive", "planar by hand", "linear cones above"])
def test_corrupted_cones_agree(name: str) -> None:
    rng = random.Random(name)
    for _ in range(8):
        compared(mutated(certificates()[name], rng))


def test_cones_over_ranges_agree() -> None:
    """Proofs found at one step size, tried on ranges around it with a looser bound; the cone by hand as a linear one, with multipliers."""
    tally = {(kind, upper, verdict): 0 for kind in ("planar-forms", "linear-cones") for upper in (True, False) for verdict in (True, False)}
    made = certificates()
    for name, (low, high) in {"engine negative": (-1, 1), "engine positive": (0, 1)}.items():
        content = made[name]
        claims, proofs = (content["claim"]["all"], content["proof"]["parts"]) if "all" in content["claim"] else ([content["claim"]], [content["proof"]])
        gram, eta = claims[0]["subject"]["gram"], Fraction(claims[0]["subject"]["step_size"])
        for single, proof in zip(claims, proofs, strict=True):
            if proof["kind"] != "planar-forms":
                continue
            upper = single["relation"] in ("<", "<=")
            for half, factor in ((10**4, Fraction(11, 10)), (10**4, Fraction(1)), (10, Fraction(11, 10))):
                rho = Fraction(proof["rho"]) * (factor if upper else 1 / factor)
                bound = Fraction(math.log(rho) / (2 * proof["degree"])) + Fraction(1 if upper else -1, 10**9)
                subject = over(gram, str(eta + Fraction(low, half)), str(eta + Fraction(high, half)))
                verdict = compared(sealed(claim(subject, single["relation"], bound), proof | {"rho": str(rho)}))
                assert verdict is not None
                tally["planar-forms", upper, verdict] += 1
    pair = [["1", "1/2"], ["1/2", "2"]]
    for first in ("1", "11/10", "6/5", "3/2"):
        for second in ("5/6", "9/10", "10/11", "1"):
            proof = {"kind": "linear-cones", "cones": [[["9", "16"], ["-1", "16"]]], "forms": [["7", "8"]], "trees": [[["=", 0, 0, first, second]]]}
            for relation, value in (("<=", "1/10"), ("<=", "0"), ("<", "0"), ("<=", "-1/50"), (">=", "-1"), (">=", "1/10")):
                verdict = compared(sealed(claim(over(pair, "1", "101/100"), relation, value), proof))
                assert verdict is not None
                tally["linear-cones", relation != ">=", verdict] += 1
    assert min(tally.values()) >= 1, tally


@pytest.mark.parametrize("junk", [0, "0", "-1", "no number", None, ["1"]])
def test_unused_multipliers_are_numbers_all_the_same(junk: Any) -> None:
    proof = {"kind": "linear-cones", "cones": [[["1", "0"], ["0", "1"]]], "forms": [["1", "1"]], "trees": [[["=", 0, junk]]]}
    assert not trusted(sealed(claim(bare([[[3, 2], [3, 2]]]), ">=", "1"), proof))[0]

"""The trusted checker, format version 2: optimisers with memory, decay, epochs and vector outputs; claims about ranges of step sizes and boxes of kernels."""

from __future__ import annotations

import itertools
import json
import math
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from samples import BLOCKS, BY_HAND, PAIR, POSITIVE, THIRTEEN, bare, claim, gd, linear, parts, resealed, sealed, sgd, texts

import theorems
from verify import SGD, Problem
from verify.certificate.check import Goal, Rejected, Subject, check, compose, composed_grid, grid_product, grid_sign, has_sign

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=60)
TRIPLE = [["1", "1/2", "1/5"], ["1/2", "2", "-3/10"], ["1/5", "-3/10", "3"]]
EQUAL = [["2", "1"], ["1", "2"]]
NATURAL = [["10", "-3"], ["-3", "1"]]  # K^-1 for K = [[1, 3], [3, 10]]
SQUARE = {"kind": "mean-square", "matrix": [["1", "0"], ["0", "1"]], "radius": "1"}


def proves(claim_: Any, proof: Any) -> bool:
    try:
        check(sealed(claim_, proof))
    except Rejected:
        return False
    return True


def reason(claim_: Any, proof: Any) -> str:
    with pytest.raises(Rejected) as caught:
        check(sealed(claim_, proof))
    return str(caught.value)


def epochs(gram: Any, eta: str, batch: int = 1, **more: Any) -> Any:
    return {"optimiser": "reshuffled", "gram": texts(gram), "step_size": eta, "batch": batch, **more}


# --- families ----------------------------------------------------------------------------------------------------------------------------------


def step(gram: Any, eta: float, m: tuple[int, ...], batch: int, q: int, beta: float, omega: float) -> Any:
    """One step, written down from the definition: gradients are the columns of a factor of K."""
    k = np.array([[float(Fraction(x)) for x in row] for row in gram])
    keep = (1 + beta - eta * omega) * np.eye(len(k))
    a = keep - eta / batch * k @ np.diag(np.repeat(m, q))
    if not beta:
        return a
    return np.block([[a, -beta * np.eye(len(k))], [np.eye(len(k)), np.zeros_like(k)]])


@pytest.mark.parametrize("beta", ["0", "9/10"])
@pytest.mark.parametrize("omega", ["0", "1/3"])
@pytest.mark.parametrize(("gram", "q", "batch"), [(PAIR, 1, 1), (PAIR, 1, 2), (TRIPLE, 1, 1), (BLOCKS, 2, 1), (BLOCKS, 2, 2), (BLOCKS, 1, 2)])
def test_families_are_those_of_the_definition(gram: Any, q: int, batch: int, beta: str, omega: str) -> None:
    more = {key: value for key, value in (("momentum", beta), ("weight_decay", omega)) if value != "0"} | ({"outputs": q} if q > 1 else {})
    n = len(gram) // q
    found = Subject(sgd(gram, "2/3", batch, **more)).family(list(range(n)))
    brute: dict[Any, float] = {}
    for draw in itertools.product(range(n), repeat=batch):
        m = tuple(draw.count(i) for i in range(n))
        brute[m] = brute.get(m, 0.0) + n**-batch
    ordered = sorted(brute, reverse=True)
    assert len(found.steps) == len(ordered)
    for a, p, m in zip(found.steps, found.p, ordered, strict=True):
        assert np.allclose(np.array(a, dtype=float), step(gram, 2 / 3, m, batch, q, float(Fraction(beta)), float(Fraction(omega))))
        assert float(p) == pytest.approx(brute[m])


@pytest.mark.parametrize(("gram", "batch"), [(PAIR, 1), (TRIPLE, 1), (BLOCKS, 2)])
def test_epochs_are_products_over_ordered_partitions(gram: Any, batch: int) -> None:
    n = len(gram)
    subject = Subject(epochs(gram, "2/3", batch))
    assert subject.period == n // batch
    found = subject.family(list(range(n)))
    brute: dict[bytes, int] = {}
    for order in itertools.permutations(range(n)):
        a = np.eye(n)
        for start in range(0, n, batch):
            chosen = order[start : start + batch]
            a = step(gram, 2 / 3, tuple(int(i in chosen) for i in range(n)), batch, 1, 0.0, 0.0) @ a
        key = np.round(a, 9) + 0.0
        brute[key.tobytes()] = brute.get(key.tobytes(), 0) + 1
    assert len(found.steps) == len(brute)
    for a, p in zip(found.steps, found.p, strict=True):
        key = (np.round(np.array(a, dtype=float), 9) + 0.0).tobytes()
        assert float(p) == pytest.approx(brute[key] / math.factorial(n))


def test_a_component_of_epochs_is_seen_through_its_own_samples() -> None:
    whole, part = Subject(epochs(BLOCKS, "2/3")).family([0, 1, 2, 3]), Subject(epochs(BLOCKS, "2/3")).family([2, 3])
    blocks = {tuple(tuple(row[2:]) for row in a[2:]) for a in whole.steps}
    assert blocks == {tuple(map(tuple, a)) for a in part.steps}
    assert sum(part.p) == 1


# --- optimisers --------------------------------------------------------------------------------------------------------------------------------


ACCEPTED = {
    "epochs nonexpansive": (claim(epochs(PAIR, "9/10"), "<"), {"kind": "nonexpansive"}),
    "epochs determinant": (claim(epochs(PAIR, "2"), ">"), {"kind": "determinant"}),
    "epochs in parts": (claim(epochs(BLOCKS, "3/5"), "<"), parts(([0, 1], "nonexpansive"), ([2, 3], "nonexpansive"))),
    "decay": (claim(sgd(PAIR, "9/10", weight_decay="1/10"), "<"), {"kind": "nonexpansive"}),
    "decay in batches": (claim(sgd(PAIR, "9/10", 2, weight_decay="1/10"), "<"), {"kind": "nonexpansive"}),
    "vector outputs": (claim(sgd(BLOCKS, "49/100", outputs=2), "<"), {"kind": "nonexpansive"}),
    "vector outputs determinant": (claim(sgd(BLOCKS, "3", outputs=2), ">"), {"kind": "determinant"}),
    "heavy ball determinant": (claim(sgd(PAIR, "1", momentum="1/2"), ">=", "-7/10"), {"kind": "determinant"}),  # (1/4) log(1/4)
    "heavy ball descent": (claim(gd([["1"]], "3", ) | {"momentum": "1/2"}, "=", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "heavy ball descent complex": (claim(gd([["1"]], "1") | {"momentum": "1/4"}, "<=", "-69/100", "mu"), {"kind": "gd", "radius": "1/2"}),
    "decayed descent": (claim(gd([["1"]], "1/2") | {"weight_decay": "1/2"}, "<", "-138/100", "mu"), {"kind": "gd", "radius": "1/4"}),
    "heavy ball full batch": (claim(sgd([["1"]], "3", momentum="1/2"), "=", "0"), {"kind": "gd", "radius": "1"}),
}


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_optimisers_are_accepted(name: str) -> None:
    assert proves(*ACCEPTED[name])


REFUSED = {
    "epochs too strong": (claim(epochs(PAIR, "2"), ">", "4/10"), {"kind": "determinant"}),  # (1/2) (1/2) log 3 per step
    "epochs are not E7": (claim(epochs(EQUAL, "9/10"), "<"), {"kind": "equal-norms"}),
    "epochs of the wrong size": (claim(epochs(TRIPLE, "1/10", 2), "<"), {"kind": "nonexpansive"}),
    "epochs in a range": (claim(epochs(PAIR, "1") | {"step_size": ["1/2", "3/4"]}, "<"), {"kind": "nonexpansive"}),
    "heavy ball is not E5": (claim(sgd(PAIR, "9/10", momentum="1/2"), "<"), {"kind": "nonexpansive"}),
    "heavy ball is not E7": (claim(sgd(EQUAL, "9/10", momentum="1/2"), "<"), {"kind": "equal-norms"}),
    "heavy ball is not E5'": (claim(sgd(PAIR, "1/2", momentum="1/2"), "<"), {"kind": "boundary"}),
    "heavy ball is not E3": (claim(sgd([[1, 0], [0, 2]], "1/2", momentum="1/2"), "<"), {"kind": "orthogonal"}),
    "decay too large": (claim(sgd(PAIR, "9/10", weight_decay="1/4"), "<"), {"kind": "nonexpansive"}),  # 9/10 (2 + 1/4) > 2
    "decay is not E3": (claim(sgd([[1, 0], [0, 2]], "1/2", weight_decay="1/4"), "<"), {"kind": "orthogonal"}),
    "vector outputs as scalars": (claim(sgd(BLOCKS, "3/5", outputs=2), "<"), {"kind": "nonexpansive"}),  # 3/5 (3 + 1) > 2, 3/5 3 < 2
    "vector outputs are not E7": (claim(sgd([[2, 0], [0, 2]], "9/10", outputs=2), "<"), {"kind": "equal-norms"}),
    "outputs that do not fit": (claim(sgd(TRIPLE, "1/10", outputs=2), "<"), {"kind": "nonexpansive"}),
    "momentum of one": (claim(gd([["1"]], "1") | {"momentum": "1"}, "<=", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "negative decay": (claim(sgd(PAIR, "1/10", weight_decay="-1"), "<"), {"kind": "nonexpansive"}),
    "heavy ball descent, strict": (claim(gd([["1"]], "3") | {"momentum": "1/2"}, "<", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "below sqrt(beta)": (claim(gd([["1"]], "1") | {"momentum": "1/4"}, "<", "-7/10", "mu"), {"kind": "gd", "radius": "49/100"}),
    "at sqrt(beta), strict": (claim(bare([[[0, "-1/4"], [1, 0]]]), "<", "-7/10"), {"kind": "gd", "radius": "1/2"}),
    "momentum with radius zero": (claim(gd([["1"]], "1") | {"momentum": "1/4"}, "<=", "0", "mu"), {"kind": "gd", "radius": "0"}),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_false_or_unproved_optimisers_are_refused(name: str) -> None:
    assert not proves(*REFUSED[name])


@QUICK
@given(
    kappa=st.fractions(Fraction(1, 4), 4, max_denominator=6), eta=st.fractions(Fraction(1, 4), 4, max_denominator=6),
    beta=st.fractions(0, Fraction(19, 20), max_denominator=20), omega=st.fractions(0, 2, max_denominator=6),
    radius=st.fractions(Fraction(1, 20), 3, max_denominator=40),
)  # fmt: skip
def test_heavy_ball_descent_against_the_roots(kappa: Fraction, eta: Fraction, beta: Fraction, omega: Fraction, radius: Fraction) -> None:
    subject = gd([[str(kappa)]], str(eta)) | {"momentum": str(beta), "weight_decay": str(omega)}
    truth = max(abs(np.roots([1, -float(1 + beta - eta * (omega + kappa)), float(beta)])))
    assume(abs(truth - float(radius)) > 1e-6)
    value = str(Fraction(math.log(radius)).limit_denominator(10**6) + Fraction(1, 10**5))
    below = str(Fraction(math.log(radius)).limit_denominator(10**6) - Fraction(1, 10**5))
    proof = {"kind": "gd", "radius": str(radius)}
    assert proves(claim(subject, "<=", value, "mu"), proof) == (truth < radius)
    assert proves(claim(subject, ">=", below, "mu"), proof) == (truth > radius)


def test_version_one_knows_none_of_this_and_stays_checkable() -> None:
    new = sealed(*ACCEPTED["decay"]) | {"version": 1}
    with pytest.raises(Rejected, match="unknown"):
        check(resealed(new))
    with pytest.raises(Rejected):
        check(resealed(sealed(claim(sgd(PAIR, "1") | {"step_size": ["0", "1/2"]}, "<"), {"kind": "nonexpansive"}) | {"version": 1}))
    shipped = sorted(Path(theorems.__file__).parent.glob("certificates/*.json"))
    versions = [json.loads(path.read_text())["version"] for path in shipped]
    assert 1 in versions
    assert all(check(json.loads(path.read_text())) for path in shipped)


# --- ranges of step sizes -------------------------------------------------------------------------------------------------------------------------


def over(gram: Any, low: str, high: str, **more: Any) -> Any:
    return sgd(gram, "1", **more) | {"step_size": [low, high]}


RANGES = {
    "S7": (claim(over([["1", "0"], ["0", "1"]], "1/10", "19/10"), "<"), {"kind": "weighted-mean-square", "length": 1, "norm": [["1", "0"], ["0", "1"]],
                                                                         "multipliers": ["1", "1"]}),
    "E5 from zero": (claim(over(PAIR, "0", "999/1000"), "<"), {"kind": "nonexpansive"}),
    "E5 in batches": (claim(over(PAIR, "0", "9/10", batch=2), "<"), {"kind": "nonexpansive"}),
    "E4 to infinity": (claim(over(PAIR, "2", "inf"), ">"), {"kind": "determinant"}),
    "E4 between": (claim(over(PAIR, "8/5", "4"), ">"), {"kind": "determinant"}),
    "E7 below": (claim(over(EQUAL, "0", "999/1000"), "<"), {"kind": "equal-norms"}),
    "E7 above": (claim(over(EQUAL, "1001/1000", "inf"), ">"), {"kind": "equal-norms"}),
    "E11": (claim(over([["1", "0"], ["0", "1"]], "1/10", "19/10"), "<"), SQUARE),
    "E1 and E5": (claim(over(BLOCKS, "0", "3/5"), "<"), parts(([0, 1], "nonexpansive"), ([2, 3], "nonexpansive"))),
    "the cone by hand": (claim(over(PAIR, "1", "101/100"), "<"), BY_HAND),
    "words across a singular step": (claim(over(THIRTEEN, "999999/1000000", "1000001/1000000"), "<"), {"kind": "words", "length": 6, "norm": NATURAL}),
    "descent": (claim(gd([["2"]], "1") | {"step_size": ["0", "999/1000"]}, "<", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "ascent": (claim(gd([["2"]], "1") | {"step_size": ["1001/1000", "inf"]}, ">", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "heavy ball": (claim(gd([["1"]], "1") | {"step_size": ["0", "299/100"], "momentum": "1/2"}, "<", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "heavy ball above": (claim(gd([["1"]], "1") | {"step_size": ["3", "inf"], "momentum": "1/2"}, ">=", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "heavy ball is at least sqrt(beta)": (claim(gd([["1"]], "1") | {"step_size": ["1", "2"], "momentum": "1/4"}, ">", "-7/10", "mu"),
                                          {"kind": "gd", "radius": "4967/10000"}),
    "one end is the old claim": (claim(bare(POSITIVE), "<=", "81/50"), linear(True)),
}


@pytest.mark.parametrize("name", sorted(RANGES))
def test_ranges_are_accepted(name: str) -> None:
    assert proves(*RANGES[name])


WEIGHTED = {"kind": "weighted-mean-square", "length": 1, "norm": [["1", "0"], ["0", "1"]], "multipliers": ["1", "1"]}
FALSE_RANGES = {
    "S7 too far": (claim(over([["1", "0"], ["0", "1"]], "1/10", "21/10"), "<"), WEIGHTED),
    "S7 from below": (claim(over([["1", "0"], ["0", "1"]], "1/10", "1"), ">"), WEIGHTED),
    "S7 with two letters": (claim(over([["1", "0"], ["0", "1"]], "1/10", "1"), "<"), WEIGHTED | {"length": 2, "multipliers": ["1"] * 4}),
    "S7 with a multiplier of zero": (claim(over([["1", "0"], ["0", "1"]], "1/10", "1"), "<"), WEIGHTED | {"multipliers": ["1", "0"]}),
    "E20 is not for ranges": (claim(over(TRIPLE, "3", "4"), ">", "-9"), {"kind": "exterior", "power": 2, "proof": linear(False)}),
    "E4 from zero to infinity": (claim(over(PAIR, "0", "inf"), ">="), {"kind": "determinant"}),
    "E4 from zero to infinity below zero": (claim(over([["1"]], "0", "inf"), ">=", "-3"), {"kind": "determinant"}),
    "E4 from zero in a component": (claim(over([["1"]], "0", "inf"), ">=", "-3"), parts(([0], "determinant"))),
    "E5 too far": (claim(over(PAIR, "0", "1"), "<"), {"kind": "nonexpansive"}),
    "E5 without end": (claim(over(PAIR, "0", "inf"), "<"), {"kind": "nonexpansive"}),
    "E4 across a singular step": (claim(over([["1", "3"], ["3", "10"]], "4/5", "6/5"), ">"), {"kind": "determinant"}),  # lambda = -inf at 1
    "E4 from below": (claim(over(PAIR, "1/4", "inf"), ">"), {"kind": "determinant"}),
    "E4 above is not proved": (claim(over([["1"]], "1/4", "1/2"), "<"), {"kind": "determinant"}),
    "E7 across": (claim(over(EQUAL, "9/10", "11/10"), "<"), {"kind": "equal-norms"}),
    "E7 at the end": (claim(over(EQUAL, "0", "1"), "<"), {"kind": "equal-norms"}),
    "E7 zero": (claim(over(EQUAL, "9/10", "1"), "="), {"kind": "equal-norms"}),
    "E11 from below": (claim(over([["1", "0"], ["0", "1"]], "3", "4"), ">", "0", "ms"), SQUARE),
    "cones need a lower end": (claim(over(PAIR, "0", "101/100"), "<"), BY_HAND),
    "cones need an upper end": (claim(over(PAIR, "1", "inf"), "<"), BY_HAND),
    "the cone too far": (claim(over(PAIR, "1", "11/10"), "<"), BY_HAND),
    "E5' is not for ranges": (claim(over(PAIR, "1/2", "1"), "<"), {"kind": "boundary"}),
    "words too far": (claim(over(THIRTEEN, "99/100", "101/100"), "<"), {"kind": "words", "length": 6, "norm": NATURAL}),
    "words from below": (claim(over(THIRTEEN, "999999/1000000", "1000001/1000000"), ">="), {"kind": "words", "length": 6, "norm": NATURAL}),
    "renewal is not for ranges": (claim(over(PAIR, "9/10", "1"), "<"), {"kind": "renewal", "terms": 40}),
    "descent too far": (claim(gd([["2"]], "1") | {"step_size": ["0", "1"]}, "<", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "descent below one from zero": (claim(gd([["2"]], "1") | {"step_size": ["0", "3/4"]}, "<=", "0", "mu"), {"kind": "gd", "radius": "9/10"}),
    "ascent between": (claim(gd([["2"]], "1") | {"step_size": ["1/100", "inf"]}, ">=", "-1/10", "mu"), {"kind": "gd", "radius": "95/100"}),  # -inf at 1/2
    "ascent from zero": (claim(gd([["2"]], "1") | {"step_size": ["0", "inf"]}, ">=", "-1", "mu"), {"kind": "gd", "radius": "1/2"}),
    "heavy ball too far": (claim(gd([["1"]], "1") | {"step_size": ["0", "3"], "momentum": "1/2"}, "<", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "reversed": (claim(over(PAIR, "1/2", "1/3"), "<"), {"kind": "nonexpansive"}),
    "empty": (claim(over(PAIR, "1/2", "1/2"), "<"), {"kind": "nonexpansive"}),
    "negative": (claim(over(PAIR, "-1", "1/2"), "<"), {"kind": "nonexpansive"}),
    "three ends": (claim(sgd(PAIR, "1") | {"step_size": ["1/4", "1/3", "1/2"]}, "<"), {"kind": "nonexpansive"}),
    "infinity first": (claim(over(PAIR, "inf", "1/2"), "<"), {"kind": "nonexpansive"}),
}


@pytest.mark.parametrize("name", sorted(FALSE_RANGES))
def test_false_or_unproved_ranges_are_refused(name: str) -> None:
    assert not proves(*FALSE_RANGES[name])


@pytest.mark.parametrize(("centre", "width"), [("101/100", "1e-5"), ("21/20", "1e-2"), ("11/10", "1e-2")])
def test_certificates_of_one_step_size_extended_to_ranges(centre: str, width: str) -> None:
    """Planar forms found at the centre are tried on ever wider ranges: what is accepted must be true at every step size inside."""
    problem = Problem.from_gram(PAIR, SGD(centre))
    found: Any = problem.lyapunov(width, estimate=False)
    claims = found.certificate["claim"]
    proofs = [found.certificate["proof"]] if "all" not in claims else found.certificate["proof"]["parts"]
    widest = Fraction(0)
    for half in (Fraction(1, 10**k) for k in (7, 5, 4, 3, 2, 1)):
        low, high = Fraction(centre) - half, Fraction(centre) + half
        for proof, relation in zip(proofs, ("<=", ">="), strict=False):
            slack = 20 * half if relation == "<=" else -20 * half
            if proof["kind"] == "planar-forms":
                rho = Fraction(proof["rho"]) * (1 + slack * proof["degree"] * 2)
                if rho <= 0:
                    continue
                changed = proof | {"rho": str(rho)}
                bound = Fraction(math.log(rho) / (2 * proof["degree"])) + (Fraction(1, 10**12) if relation == "<=" else -Fraction(1, 10**12))
                if proves(claim(over(PAIR, str(low), str(high)), relation, bound), changed):
                    widest = max(widest, half)
                    for eta in (low, (low + 3 * high) / 4, high):
                        there: Any = Problem.from_gram(PAIR, SGD(str(eta))).lyapunov("1e-6", estimate=False)
                        assert there.lo <= bound if relation == "<=" else there.hi >= bound
    assert widest >= Fraction(1, 10**5)


@QUICK
@given(st.lists(st.integers(-3, 9), min_size=3, max_size=3), st.lists(st.integers(-3, 9), min_size=3, max_size=3), st.booleans())
def test_the_sign_of_a_grid_is_the_sign_of_its_values(a: list[int], b: list[int], strict: bool) -> None:
    grid = [a, [x + y for x, y in zip(a, b, strict=True)], b]
    points = [Fraction(i, j) for i in range(5) for j in range(1, 5)]
    values = [sum(x * t**i * u**j for j, row in enumerate(grid) for i, x in enumerate(row)) for t in points for u in points]
    if grid_sign(grid, strict, 16):
        assert min(values) > 0 or (min(values) == 0 and not strict)
    else:
        assert min(values) < 2 or min(a[0], a[-1], b[0], b[-1]) <= 0
    assert grid_sign([a], strict, 16) == has_sign(a, strict, 16) or not has_sign(a, strict, 16)


def test_a_grid_is_the_form_at_every_step_size_between() -> None:
    rng = random.Random(1)
    for _ in range(50):
        form = [rng.randint(1, 9) for _ in range(rng.randint(2, 4))]
        low, high = ([[rng.randint(0, 9) for _ in range(2)] for _ in range(2)] for _ in range(2))
        grid = composed_grid(form, [low, high])
        at = rng.randint(0, 5), rng.randint(1, 5)
        mixed = [[at[1] * x + at[0] * y for x, y in zip(u, v, strict=True)] for u, v in zip(low, high, strict=True)]
        assert compose(form, mixed) == [
            sum(grid[i][j] * at[0] ** i * at[1] ** (len(form) - 1 - i) for i in range(len(form))) for j in range(len(form))
        ]  # fmt: skip
    assert grid_product([[1, 2], [3, 4]], [[1, 1]]) == [[1, 3, 2], [3, 7, 4]]


# --- boxes of kernels ------------------------------------------------------------------------------------------------------------------------------


def box(gram: Any, eta: Any, radius: str) -> Any:
    return sgd(gram, "1") | {"step_size": eta, "radius": radius}


BOXES = {
    "E5": (claim(box(PAIR, "9/10", "1/10"), "<"), {"kind": "nonexpansive"}),
    "E5 for a range": (claim(box(PAIR, ["0", "9/10"], "1/10"), "<"), {"kind": "nonexpansive"}),
    "E4": (claim(box(PAIR, "2", "1/10"), ">"), {"kind": "determinant"}),
    "E4 for a range": (claim(box(PAIR, ["2", "inf"], "1/10"), ">"), {"kind": "determinant"}),
}


@pytest.mark.parametrize("name", sorted(BOXES))
def test_boxes_are_accepted(name: str) -> None:
    assert proves(*BOXES[name])


FALSE_BOXES = {
    "descent is for one K": (claim(box([["1"]], "1", "1/2"), "<=", "-100", "mu"), {"kind": "gd", "radius": "0"}),
    "descent of one sample is for one K": (claim(box([["1"]], "1", "1/2"), "<=", "-100"), {"kind": "gd", "radius": "0"}),
    "descent of two is for one K": (claim(box([["1", "0"], ["0", "1"]], "3", "1/2"), "<", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "ascent is for one K": (claim(box([["1"]], "21/10", "1/2"), ">", "0", "mu"), {"kind": "gd", "radius": "1"}),
    "E4 from zero to infinity": (claim(box([["1"]], ["0", "inf"], "1/2"), ">="), {"kind": "determinant"}),
    "E5 too large": (claim(box(PAIR, "9/10", "1/4"), "<"), {"kind": "nonexpansive"}),
    "E4 too large": (claim(box(PAIR, "2", "1/2"), ">"), {"kind": "determinant"}),
    "E7 is for one K": (claim(box(EQUAL, "9/10", "1/1000"), "<"), {"kind": "equal-norms"}),
    "E11 is for one K": (claim(box(PAIR, "1/10", "1/1000"), "<"), SQUARE),
    "E1 is for one K": (claim(box(BLOCKS, "3/5", "1/1000"), "<"), parts(([0, 1], "nonexpansive"), ([2, 3], "nonexpansive"))),
    "a singular K": (claim(box([["1", "1"], ["1", "1"]], "1/10", "1/1000"), "<"), {"kind": "nonexpansive"}),
    "negative": (claim(box(PAIR, "1/10", "-1/1000"), "<"), {"kind": "nonexpansive"}),
    "features": (claim({k: v for k, v in box(PAIR, "1/10", "1/1000").items() if k != "gram"} | {"features": PAIR}, "<"), {"kind": "nonexpansive"}),
    "batches": (claim(box(PAIR, "1/10", "1/1000") | {"batch": 2}, "<"), {"kind": "nonexpansive"}),
    "words": (claim(box(PAIR, "1/10", "1/1000"), "<"), {"kind": "words", "length": 4, "norm": [["1", "0"], ["0", "1"]]}),
}


@pytest.mark.parametrize("name", sorted(FALSE_BOXES))
def test_false_or_unproved_boxes_are_refused(name: str) -> None:
    assert not proves(*FALSE_BOXES[name])


@pytest.mark.parametrize(("eta", "relation"), [("101/100", "<"), ("11/10", ">")])
def test_boxes_hold_at_their_corners(eta: str, relation: str) -> None:
    """The proof of a sign at the centre is kept for a box of kernels, and every corner of what is accepted has the sign."""
    found: Any = Problem.from_gram(PAIR, SGD(eta)).lyapunov("1e-3", estimate=False)
    claims, proof = found.certificate["claim"], found.certificate["proof"]
    if "all" in claims:
        side = next(i for i, c in enumerate(claims["all"]) if c["relation"] == ("<=" if relation == "<" else ">="))
        proof = proof["parts"][side]
    kept = Fraction(0)
    for delta in ("1/100000", "1/10000", "1/1000", "1/100", "1/10"):
        loose = proof | ({"rho": "1"} if proof["kind"] == "planar-forms" else {})
        if proves(claim(box(PAIR, eta, delta), "<=" if relation == "<" else ">="), loose):
            kept = max(kept, Fraction(delta))
            for a, b, c in itertools.product((-1, 0, 1), repeat=3):
                d = Fraction(delta)
                corner = [[1 + a * d, Fraction(1, 2) + b * d], [Fraction(1, 2) + b * d, 2 + c * d]]
                there: Any = Problem.from_gram(corner, SGD(eta)).lyapunov("1e-4", estimate=False)
                assert there.sign.name == ("NEGATIVE" if relation == "<" else "POSITIVE")
    assert kept >= Fraction(1, 10**5)


def test_a_goal_is_scaled_to_the_epoch() -> None:
    assert Goal("lambda", True, Fraction(0), True).sign([]) == 0
    tight = "27/100"  # (1/2)(1/2)(log 1 + log 3) = 0.2746...
    assert proves(claim(epochs(PAIR, "2"), ">=", tight), {"kind": "determinant"})
    assert "does not imply" in reason(claim(epochs(PAIR, "2"), ">=", "28/100"), {"kind": "determinant"})

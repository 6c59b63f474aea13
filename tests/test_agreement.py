"""Three layers that check each other: on random problems the proved enclosure, the facts and the simulation agree."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

import verify
from verify import SGD, Enclosure, Estimate, Problem, Sign, write_certificate
from verify.exponent.estimate import estimated

CHECKER = Path(verify.__file__).parent / "certificate" / "check.py"
PROBLEMS = 240
# Each interval is wrong with probability 1e-6, so 240 fixed seeds disagree by chance with probability below 2e-4; the seeds are fixed.
CONFIDENCE = 1 - 1e-6


def random_problem(rng: random.Random) -> Problem:
    """Two samples, any angle, step sizes around the critical ones, all batch schemes, sometimes weighted."""
    a, b = Fraction(rng.randint(1, 40), 10), Fraction(rng.randint(1, 40), 10)
    dot = Fraction(rng.randint(-95, 95), 100) * Fraction(str(round(float(a * b) ** 0.5, 3)))
    eta = Fraction(rng.randint(30, 150), 100) * 2 / max(a, b)
    batch, replacement = rng.choice([(1, True), (1, True), (2, True), (3, True)])
    weights = [rng.randint(1, 5), rng.randint(1, 5)] if rng.random() < 0.3 else None
    return Problem.from_gram([[a, dot], [dot, b]], SGD(Fraction(round(eta * 100), 100), batch, replacement, weights))


@pytest.mark.parametrize("chunk", range(4))
def test_the_enclosure_and_the_simulation_agree(chunk: int) -> None:
    compared, rng = 0, random.Random(chunk)
    for seed in range(PROBLEMS // 4):
        problem = random_problem(rng)
        proved = problem.lyapunov("1e-2", estimate=False, time_limit=5)
        assert isinstance(proved, Enclosure)
        lo, hi = proved.ends
        if proved.certificate is None or (lo is None and hi is None):
            continue
        seen = estimated(problem.minimum, problem.optimiser, None, reason="", tried=[], time_limit=0.2, confidence=CONFIDENCE, seed=seed)
        assert isinstance(seen, Estimate)
        assert lo is None or seen.value + seen.half_width >= float(lo), problem
        assert hi is None or seen.value - seen.half_width <= float(hi), problem
        compared += 1
    assert compared >= 50  # four chunks: at least 200 in all


def test_signs_of_facts_and_of_the_sandwich_agree() -> None:
    from verify.exponent.planar import planar_sandwich

    rng, decided = random.Random(11), 0
    for _ in range(60):
        problem = random_problem(rng)
        fact = problem.lyapunov(estimate=False)
        result = planar_sandwich(problem.family, time_limit=3)
        if fact.sign is Sign.NEGATIVE and result.lower:
            assert result.lower.value < 0
            decided += 1
        elif fact.sign is Sign.POSITIVE and result.upper:
            assert result.upper.value > 0
            decided += 1
    assert decided >= 40


def test_a_python_without_packages_accepts_what_the_engine_writes(tmp_path: Path) -> None:
    """`python -I -S` sees the standard library only."""
    k2, k3 = [["1", "1/2"], ["1/2", "2"]], [["1", "1/2", "1/5"], ["1/2", "2", "-3/10"], ["1/5", "-3/10", "3"]]
    cases = [
        (k2, "1/2"), (k2, "1"), (k2, "2"), (k2, "101/100"), (k2, "13/10"), (k3, "67/100"), (k3, "2"), ([["1", "3"], ["3", "10"]], "1"),
        ([["1", "1"], ["1", "1"]], "2"), ([["1", "1/2"], ["1/2", "3/2"]], "1"), ([["1", "0"], ["0", "2"]], "4/5"),
        ([["1", "1/2", "0"], ["1/2", "2", "0"], ["0", "0", "1/3"]], "101/100"),
    ]  # fmt: skip
    for number, (gram, eta) in enumerate(cases):
        problem = Problem.from_gram(gram, SGD(eta))
        for name, result in (("lambda", problem.lyapunov(estimate=False)), ("mu", problem.mu()), ("ms", problem.mean_square())):
            assert isinstance(result, Enclosure)
            assert result.certificate is not None, (gram, eta, name)
            path = tmp_path / f"{number}-{name}.json"
            write_certificate(result.certificate, path)
            command = [sys.executable, "-I", "-S", str(CHECKER), str(path)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, (gram, eta, name, done.stdout)
            assert done.stdout.startswith(f"accepted: {name}")


def test_reducible_families_leave_standard_output_alone(tmp_path: Path) -> None:
    """A family that fixes two directions makes Poisson's equation singular; the linear algebra behind it must not print."""
    path = tmp_path / "diagonal.toml"
    path.write_text('matrices = [[["-6", "0"], ["0", "1"]], [["1", "0"], ["0", "-5"]]]\nweights = ["1", "1"]\n')
    command = [sys.executable, "-m", "verify", "exponent", str(path), "--json"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert json.loads(found.stdout)["lambda"]["sign"] == "positive"

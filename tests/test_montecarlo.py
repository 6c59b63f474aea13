"""Monte Carlo estimates against values known otherwise. Seeds are fixed; the stated probabilities are those of a false alarm if a seed is changed."""

import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from verify.exact import InputError
from verify.exponent.montecarlo import GrowthEstimate, family_growth, features_growth, sgd_growth, sgd_threshold

K2 = [[1, 1 / 2], [1 / 2, 2]]
K3 = [[1, 1 / 2, 1 / 5], [1 / 2, 2, -3 / 10], [1 / 5, -3 / 10, 3]]
POLLICOTT = ([[[2, 1], [1, 1]], [[3, 1], [2, 1]]], [0.5, 0.5])
SURE = 1 - 1e-8

# (estimate, lambda): enclosures to many digits, or closed forms.
REFERENCES: dict[str, tuple[Callable[..., GrowthEstimate], float]] = {
    "below the threshold": (lambda **k: sgd_growth(K2, 1.01, **k), -0.0381146893977720),
    "above the threshold": (lambda **k: sgd_growth(K2, 1.3, **k), 0.1832060185591783),
    "nearly parallel": (lambda **k: sgd_growth([[1, 0.9], [0.9, 4]], 0.6, **k), 0.1184365588368104),
    "weighted": (lambda **k: sgd_growth(K2, 1.05, weights=[1, 2], **k), 0.0245645374445),
    "Pollicott": (lambda **k: family_growth(*POLLICOTT, **k), 1.14331103510294924584),
    "Kaczmarz": (lambda **k: sgd_growth([[1, 0.5], [0.5, 1]], 1.0, **k), 0.5 * math.log(0.5)),
    "reflections": (lambda **k: sgd_growth([[1, 0.5, 0.2], [0.5, 1, -0.3], [0.2, -0.3, 1]], 2.0, **k), 0.0),
    "weakly coupled reflections": (lambda **k: sgd_growth([[1, 0.01], [0.01, 1]], 2.0, **k), 0.0),
    "each sample twice": (lambda **k: sgd_growth(np.kron(K2, np.ones((2, 2))), 1.3, **k), 0.1832060185591783),
    "two copies side by side": (lambda **k: sgd_growth(np.kron(np.eye(2), K2), 1.3, **k), 0.1832060185591783 / 2),
    "mostly the identity": (lambda **k: family_growth([[[2, 1], [1, 1]]], [0.01], **k), 0.01 * math.log((3 + math.sqrt(5)) / 2)),
}


def agree(a: GrowthEstimate, b: GrowthEstimate) -> bool:
    return abs(a.value - b.value) <= math.hypot(a.half_width, b.half_width)


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_values(name: str) -> None:
    estimate, truth = REFERENCES[name]
    found = estimate(confidence=SURE, steps=5_000_000, seed=1)
    assert abs(found.value - truth) <= found.half_width < 2e-3


@pytest.mark.parametrize("name", REFERENCES)
def test_coverage(name: str) -> None:
    """Of 200 intervals at 90% about 20 miss. The bounds fail with probability 3e-8 each, below 1e-6 over all the cases, where the coverage is nominal."""
    estimate, truth = REFERENCES[name]
    found = [estimate(confidence=0.9, steps=300_000, seed=seed) for seed in range(200)]
    misses = sum(abs(one.value - truth) > one.half_width for one in found)
    bound = int(binom.isf(3e-8, 200, 0.1))
    assert misses <= bound
    if name in ("above the threshold", "weighted", "Pollicott", "each sample twice"):  # not wider than it should be, either
        assert misses >= binom.ppf(3e-8, 200, 0.1)


def test_target_half_width() -> None:
    found = sgd_growth(K2, 1.3, target_half_width=2e-4)
    assert found.half_width <= 2e-4
    assert abs(found.value - 0.1832060185591783) < 4e-4
    assert sgd_growth(K2, 1.3, target_half_width=1e-9, time_limit=0.05).half_width > 1e-9


@pytest.mark.parametrize("eta", [0.5, 1.9, 2.5])
@pytest.mark.parametrize(("batch", "replacement"), [(2, True), (2, False), (3, True)])
def test_batches_against_all_subsets(eta: float, batch: int, replacement: bool) -> None:
    gram = np.array(K3)
    draws = itertools.product(range(3), repeat=batch) if replacement else itertools.combinations(range(3), batch)
    family = np.array([np.eye(3) - eta / batch * sum(np.outer(gram[:, i], np.eye(3)[i]) for i in draw) for draw in draws])
    options = {"confidence": SURE, "steps": 2_000_000}
    explicit = family_growth(family, np.full(len(family), 1 / len(family)), seed=5, **options)
    assert agree(sgd_growth(gram, eta, batch=batch, replacement=replacement, **options), explicit)


def test_weighted_batches_of_separate_components() -> None:
    """Batches reach both components; the family has a block diagonal of a pair and a single sample."""
    gram = np.zeros((3, 3))
    gram[:2, :2], gram[2, 2] = K2, 1.5
    p = np.array([0.2, 0.3, 0.5])
    draws = list(itertools.product(range(3), repeat=2))
    options = {"confidence": SURE, "steps": 2_000_000}
    for eta in (0.9, 1.7):
        family = [np.eye(3) - eta / 2 * sum(np.outer(gram[:, i], np.eye(3)[i]) for i in draw) for draw in draws]
        explicit = family_growth(family, [p[i] * p[j] for i, j in draws], seed=5, **options)
        assert agree(sgd_growth(gram, eta, batch=2, weights=p, **options), explicit)


def test_full_batch_is_gradient_descent() -> None:
    found = sgd_growth(K3, 1.7, batch=3, replacement=False)
    assert found.value == pytest.approx(np.log(np.abs(1 - 1.7 / 3 * np.linalg.eigvalsh(K3)).max()), abs=1e-13)


def test_orthogonal_gradients_are_exact() -> None:
    """lambda = max_i p_i log|1 - c_i|, without sampling; with batches the multiplicities are binomial."""
    found = sgd_growth(np.diag([1.0, 2.5]), 1.2, weights=[3, 1])
    assert (found.steps, found.chains) == (0, 0)
    assert found.value == pytest.approx(max(0.75 * math.log(0.2), 0.25 * math.log(2)), abs=1e-14)
    found = sgd_growth(np.diag([1.0, 2.5]), 1.2, batch=2)
    assert found.value == pytest.approx(max(0.5 * math.log(abs(1 - 0.6 * k)) + 0.25 * math.log(abs(1 - 1.2 * k)) for k in (1.0, 2.5)), abs=1e-14)


def test_singular_gram_matrices() -> None:
    assert sgd_growth([[1, 1], [1, 1]], 0.3).value == pytest.approx(math.log(0.7), abs=1e-14)
    assert sgd_growth([[1, 1], [1, 1]], 0.3, batch=2, steps=1000).value == pytest.approx(math.log(0.7), abs=1e-14)
    rows = np.array([[1, 0], [0.6, 0.8], [0.5, -1]])
    options = {"confidence": SURE, "steps": 2_000_000}
    explicit = family_growth([np.eye(2) - 1.5 * np.outer(x, x) for x in rows], np.full(3, 1 / 3), seed=7, **options)
    assert explicit.value < -0.1
    assert agree(sgd_growth(rows @ rows.T, 1.5, **options), explicit)
    assert agree(features_growth(rows, 1.5, **options), explicit)
    assert agree(features_growth(np.pad(rows, ((0, 0), (0, 3))), 1.5, **options), explicit)


def test_features_with_weights_and_batches() -> None:
    rows = np.random.default_rng(3).standard_normal((12, 4))
    options = {"confidence": SURE, "steps": 1_000_000}
    for extra in ({"batch": 3}, {"batch": 3, "replacement": False}, {"weights": np.arange(1, 13)}):
        assert agree(features_growth(rows, 0.4, **extra, **options), sgd_growth(rows @ rows.T, 0.4, seed=9, **extra, **options))


@pytest.mark.parametrize("size", [5, 33, 130])
def test_padded_and_weighted_kernels(size: int) -> None:
    """Equal weights by the weighted kernel, by the batch kernel (batches of one from the family) and by the uniform kernel."""
    z = np.random.default_rng(size).standard_normal((size, 2 * size))
    gram = z @ z.T / (2 * size)
    options = {"confidence": SURE, "steps": 500_000}
    almost = np.ones(size)
    almost[0] += 1e-12
    uniform = sgd_growth(gram, 2.4, **options)
    assert agree(sgd_growth(gram, 2.4, weights=almost, seed=2, **options), uniform)
    if size < 100:
        family = np.array([np.eye(size) - 2.4 * np.outer(gram[:, i], np.eye(size)[i]) for i in range(size)])
        assert agree(family_growth(family, np.full(size, 1 / size), seed=3, **options), uniform)


def test_result_depends_on_the_seed_only() -> None:
    first = sgd_growth(K3, 0.7, steps=100_000, seed=4)
    assert sgd_growth(K3, 0.7, steps=100_000, seed=4) == first
    assert sgd_growth(K3, 0.7, steps=100_000, seed=5).value != first.value
    assert replace(first, seed=5) != first


def test_common_random_numbers() -> None:
    """The same seed draws the same samples: a difference of neighbours is known far better than either value."""
    differences = [sgd_growth(K2, 1.301, steps=10**5, seed=s).value - sgd_growth(K2, 1.3, steps=10**5, seed=s).value for s in range(20)]
    values = [sgd_growth(K2, 1.3, steps=10**5, seed=s).value for s in range(20)]
    assert np.std(differences) < np.std(values) / 20


def test_extreme_step_sizes() -> None:
    """Large steps: (1/N) sum log c_i + (1/N^2) sum log|cos|; small steps: -eta kappa_min / N; both up to terms of order eta^-1 and eta^2."""
    for eta in (1e10, 1e100):
        c = eta * np.array([1.0, 2.0])
        expected = np.log(c).mean() + 2 / 4 * math.log(0.5 / math.sqrt(2))
        found = sgd_growth(K2, eta, confidence=SURE, steps=2_000_000)
        assert abs(found.value - expected) <= found.half_width < 1e-2
    found = sgd_growth(K2, 1e-6, confidence=SURE)
    assert abs(found.value + 1e-6 * np.linalg.eigvalsh(K2)[0] / 2) <= found.half_width < 1e-9
    found = sgd_growth([[1, 0.5], [0.5, 1]], 1 + 1e-10, confidence=SURE, steps=2_000_000)  # each step shrinks its own gradient by 1e10
    assert abs(found.value - 0.5 * math.log(0.5)) <= found.half_width + 1e-8


def test_vanishing_products() -> None:
    assert sgd_growth([[1, 3], [3, 10]], 1.0, steps=10_000).value == -math.inf  # A_1 A_2 A_1 = 0
    assert sgd_growth(np.eye(2), 1.0).value == -math.inf
    assert family_growth([[[0, 1], [0, 0]], [[1, 0], [1, 1]]], [0.5, 0.5], steps=10_000).value == -math.inf
    assert family_growth([[[1, 1], [0, 0]], [[1, 0], [1, 1]]], [0.5, 0.5], steps=10_000).value > 0  # singular, but no product vanishes
    assert family_growth([[[1, 0], [0, 0]], [[0, 0], [0, 1]]], [0.5, 0.5]).value == -math.inf
    nilpotent = family_growth([[[1, 1], [-1, -1]]], [1.0], steps=10_000)
    assert (nilpotent.value, nilpotent.half_width) == (-math.inf, 0.0)


def test_block_triangular_family() -> None:
    """Two diagonal blocks of equal exponents: the vector's direction never settles, but the blocks are run one by one."""
    matrices = np.zeros((2, 4, 4))
    matrices[:, :2, :2], matrices[:, 2:, 2:], matrices[:, :2, 2:] = POLLICOTT[0], POLLICOTT[0][::-1], 1
    found = family_growth(matrices, [0.5, 0.5], confidence=SURE, steps=2_000_000)
    assert abs(found.value - 1.14331103510294924584) <= found.half_width < 2e-3


@pytest.mark.parametrize(("gram", "lo", "hi", "truth"), [(K2, 0.9, 1.5, 1.0508256808263), (K3, 0.3, 1.2, 0.6739297)])
def test_threshold(gram: list[list[float]], lo: float, hi: float, truth: float) -> None:
    seen: list[tuple[float, float]] = []
    low, high, reason = sgd_threshold(gram, lo=lo, hi=hi, width=1e-3, confidence=1 - 1e-7, progress=lambda a, b, _: seen.append((a, b)))
    assert not reason
    assert low < truth < high <= low + 1e-3
    assert seen[-1] == (low, high)
    assert all(a <= c and d <= b for (a, b), (c, d) in itertools.pairwise(seen))


def test_threshold_says_why_it_stopped() -> None:
    low, high, reason = sgd_threshold(K2, lo=0.9, hi=1.5, width=1e-9, time_limit=0.3)
    assert low < 1.0508256808263 < high
    assert high - low < 0.1
    assert "time" in reason
    with pytest.raises(InputError, match="same sign"):
        sgd_threshold(K2, lo=0.1, hi=0.2, width=1e-3)


def test_threshold_error_rate() -> None:
    """At 80% confidence, at most 20% of 60 brackets may miss: 29 are exceeded with probability below 1e-6."""
    misses = 0
    for seed in range(60):
        low, high, _ = sgd_threshold(K2, lo=1.0, hi=1.1, width=0.01, confidence=0.8, seed=seed)
        misses += not low < 1.0508256808263 < high
    assert misses <= binom.isf(1e-6, 60, 0.2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sgd_growth([[1, 2], [2, 1]], 1.0), "K_ij"),
        (lambda: sgd_growth([[1, 0.5], [0.4, 1]], 1.0), "symmetric"),
        (lambda: sgd_growth([[1.0, math.nan], [math.nan, 1]], 1.0), "finite"),
        (lambda: sgd_growth([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]], 1.0), "eigenvalue"),
        (lambda: sgd_growth(K2, -1.0), "step_size"),
        (lambda: sgd_growth(K2, math.inf), "step_size"),
        (lambda: sgd_growth(K2, 1.0, batch=3, replacement=False), "batch = 3"),
        (lambda: sgd_growth(K2, 1.0, batch=0), "batch = 0"),
        (lambda: sgd_growth(K2, 1.0, weights=[1, 0]), "weights"),
        (lambda: sgd_growth(K3, 1.0, weights=[1, 2, 3], batch=2, replacement=False), "replacement"),
        (lambda: sgd_growth([[0.0]], 1.0), "zero"),
        (lambda: sgd_growth(K2, 1.0, confidence=1.0), "confidence"),
        (lambda: family_growth([[[1.0]]], [1.5]), "probabilities"),
        (lambda: family_growth([[[1.0, 2.0]]], [1.0]), "shape"),
        (lambda: sgd_threshold(K2, lo=2, hi=1, width=0.1), "lo = 2"),
    ],
)
def test_bad_input(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_numba_is_imported_only_for_an_estimate() -> None:
    code = "import sys, verify.exponent.montecarlo; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

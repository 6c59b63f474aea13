"""The definitions of mu, lambda, regularity and the link to the neural tangent kernel; each is checked against a computation from first principles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

from verify.exact import Matrix
from verify.minimum import rank
from verify.optimiser import SGD, GradientDescent
from verify.result import as_float

from .case import Case
from .domains import anywhere
from .evidence import enclosed, estimated, sign_agrees, value_agrees
from .linear_stability import SETTING
from .sources import CHEMNITZ_ENGEL, FURSTENBERG_KESTEN, GOLDSHEID_MARGULIS, JACOT, THEORY
from .statement import Condition, Fact, Statement, Variable, related

MAX_BATCHES = 4096


def _mu_from_floats(case: Case) -> Fact:
    """The certified enclosure of mu against the floating-point eigenvalues of K."""
    import numpy as np

    proved = enclosed(case.mu)
    kappa = np.linalg.eigvalsh(case.minimum.gram_floats())[-case.minimum.rank :]
    factors = np.abs(1 - as_float(case.eta) * kappa / len(case.gram))
    value = math.log(factors.max()) if factors.max() > 1e-12 else -math.inf
    if value < -20 and proved.lo < -20:
        return Fact(True, f"mu is below -20, by the certificate and by floating-point eigenvalues ({proved.reason})", proved.certificates)
    return value_agrees(value, value, "floating-point eigenvalues of K", proved, 1e-6)


def _lambda_from_products(case: Case) -> Fact:
    """The certified bounds or sign of lambda against Monte Carlo products of the steps."""
    wide = case.enclosure("1/50")
    if not math.isfinite(wide.hi - wide.lo) and wide.hi != -math.inf:
        wide = enclosed(case.lambda_)
    seen = estimated(case.problem, case.seconds, case.seed, case.error_probability, 1 / 200)
    if wide.lo > seen.hi or wide.hi < seen.lo:
        return Fact(False, f"proved: {wide.reason}; {seen.reason}", wide.certificates, seen.error_probability)
    if wide.hi == -math.inf or wide.hi - wide.lo <= 1 / 10:
        return value_agrees(wide.lo, wide.hi, wide.reason, seen, 1 / 10)
    return sign_agrees(wide.sign, wide.reason, seen) if wide.sign.value != "undecided" else Fact(None, f"nothing is proved: {wide.reason}")


def batches_listed(case: Case) -> Iterator[tuple[tuple[int, ...], Fraction]]:
    """Every ordered draw of a batch with its probability, straight from the definition of the optimiser."""
    n, optimiser = len(case.gram), case.optimiser
    if isinstance(optimiser, GradientDescent):
        yield tuple(range(n)), Fraction(1)
        return
    assert isinstance(optimiser, SGD)
    weights = optimiser.weights or (Fraction(1),) * n
    total = sum(weights, start=Fraction(0))
    if optimiser.replacement or optimiser.batch == 1:
        for draw in itertools.product(range(n), repeat=optimiser.batch):
            yield draw, math.prod((weights[i] / total for i in draw), start=Fraction(1))
    else:
        sets = list(itertools.combinations(range(n), optimiser.batch))
        for draw in sets:
            yield draw, Fraction(1, len(sets))


def residual_steps(case: Case) -> dict[Matrix, Fraction]:
    """The law of the linearised step on range(K), in the coordinates r_I of the greedy row basis I, by moving weights (or residuals) exactly.

    With features the step is made in weight space, w <- w - (eta/B) sum r_i x_i, and the residuals are read off afterwards.
    """
    gram, eta = case.gram, case.eta
    n, x = len(gram), case.minimum.features
    basis: list[int] = []
    for i in range(n):
        if rank(tuple(gram[j] for j in [*basis, i])) > len(basis):
            basis.append(i)
    law: dict[Matrix, Fraction] = {}
    starts = _residuals_with_unit_coordinates(gram, basis)
    for draw, p in batches_listed(case):
        images = []
        for y, r in starts:  # r = K y
            if x is not None:  # w = X^T y has the residuals X w = r
                w = [sum((x[i][a] * y[i] for i in range(n)), start=Fraction(0)) for a in range(len(x[0]))]
                w = [w[a] - eta / len(draw) * sum(r[i] * x[i][a] for i in draw) for a in range(len(w))]
                image = [sum((x[i][a] * w[a] for a in range(len(w))), start=Fraction(0)) for i in basis]
            else:
                image = [r[j] - eta / len(draw) * sum(r[i] * gram[j][i] for i in draw) for j in basis]
            images.append(image)
        matrix = tuple(tuple(images[k][j] for k in range(len(basis))) for j in range(len(basis)))
        law[matrix] = law.get(matrix, Fraction(0)) + p
    return law


def _residuals_with_unit_coordinates(gram: Matrix, basis: list[int]) -> list[tuple[list[Fraction], list[Fraction]]]:
    """Pairs (y, K y) with (K y)_I the unit vectors."""
    from flint import fmpq, fmpq_mat

    d, n = len(basis), len(gram)
    block = fmpq_mat(d, d, [fmpq(gram[i][j].numerator, gram[i][j].denominator) for i in basis for j in basis]).inv()
    found = []
    for k in range(d):
        y = [Fraction(0)] * n
        for a, i in enumerate(basis):
            y[i] = Fraction(int(block[a, k].p), int(block[a, k].q))
        found.append((y, [sum((gram[j][i] * y[i] for i in basis), start=Fraction(0)) for j in range(n)]))
    return found


def _few_batches(case: Case) -> Fact:
    n, optimiser = len(case.gram), case.optimiser
    count = n ** (optimiser.batch if isinstance(optimiser, SGD) else 0)
    return Fact(count <= MAX_BATCHES or None, f"{count} ordered batches to write down")


def _step_from_definition(case: Case) -> Fact:
    """K = X X^T, and the exact family of the engine equals the law of the step computed from the definition."""
    x = case.minimum.features
    if x is not None and any(sum((a * b for a, b in zip(u, v, strict=True)), start=Fraction(0)) != k for u, row in zip(x, case.gram, strict=True)
                             for v, k in zip(x, row, strict=True)):  # fmt: skip
        return Fact(False, "K is not the matrix of inner products of the gradients")
    expected = residual_steps(case)
    family = case.problem.family
    d = family.dimension
    identity = tuple(tuple(Fraction(i == j) for j in range(d)) for i in range(d))
    engine = dict(zip(family.matrices, family.probabilities, strict=True))
    rest = 1 - sum(family.probabilities, start=Fraction(0))
    if rest:
        engine[identity] = rest
    where = "weight space" if x is not None else "residual coordinates"
    if engine == expected:
        return Fact(True, f"the {len(expected)} different steps and their probabilities agree exactly with steps made in {where}")
    wrong = next((m for m in expected if engine.get(m) != expected[m]), None) or next(iter(engine))
    return Fact(False, f"the step {[[str(x) for x in row] for row in wrong]} has probability {expected.get(wrong, 0)}, the engine says {engine.get(wrong, 0)}")


def _regularity_recomputed(case: Case) -> Fact:
    """R1 by determinants of the steps made from the definition, R2 by powers of |K|, against the facts."""
    from flint import fmpq, fmpq_mat, fmpz_mat

    facts, n = case.hypotheses, len(case.gram)
    stated = facts.regular_steps.value, facts.connected.value
    determinants = set()
    law = residual_steps(case)
    d = len(next(iter(law)))
    identity = tuple(tuple(Fraction(i == j) for j in range(d)) for i in range(d))
    for matrix in law:
        if matrix != identity or case.single_draws:
            determinant = fmpq_mat(d, d, [fmpq(x.numerator, x.denominator) for row in matrix for x in row]).det()
            determinants.add(Fraction(int(determinant.p), int(determinant.q)))
    power, steps = fmpz_mat([[int(case.gram[i][j] != 0 or i == j) for j in range(n)] for i in range(n)]), 1
    while steps < n:
        power, steps = power * power, 2 * steps
    connected = all(int(power[i, j]) for i in range(n) for j in range(n))
    found = not determinants & {Fraction(0), Fraction(1), Fraction(-1)}, connected
    text = f"R1 {'holds' if found[0] else 'fails'}, R2 {'holds' if found[1] else 'fails'} by determinants of the steps and by powers of the adjacency matrix"
    if None in stated:
        return Fact(None, f"{text}; the facts do not say")
    return Fact(stated == found, f"{text}; the facts say {stated}")


FEW_BATCHES = Condition("few enough batches to list", _few_batches)

D_MU = Statement(
    id="D-mu",
    title="The exponent of gradient descent",
    plain="mu is the growth rate of gradient descent linearised at w*, per step: the largest log |1 - eta kappa / N| over the nonzero eigenvalues kappa of K.",
    latex=r"\mu(w^*)=\max_{\kappa\in\operatorname{spec}(K),\,\kappa\neq0}\log\left|1-\frac{\eta\kappa}{N}\right|",
    variables=SETTING,
    hypotheses=(),
    conclusion=Condition("the certified mu is the one that the eigenvalues of K give", _mu_from_floats),
    references=(CHEMNITZ_ENGEL, THEORY.format("section 1")),
    evidence="definition",
)
D_LAMBDA = Statement(
    id="D-lambda",
    title="The exponent of stochastic gradient descent",
    plain="lambda is the top Lyapunov exponent of the linearised SGD steps: the almost sure growth rate of the norm of their product, in nats per step.",
    latex=r"\lambda(w^*)=\lim_{n\to\infty}\frac1n\log\left\|A_{\xi_n}\cdots A_{\xi_1}\right\|,\qquad A_i=I-\eta\,Ke_ie_i^{\mathsf T}",
    variables=(*SETTING, Variable("xi_n", "i.i.d. on {1..N}", "the sample (or batch) drawn in step n")),
    hypotheses=(),
    conclusion=Condition("the certified lambda is the growth rate of simulated products", _lambda_from_products),
    references=(CHEMNITZ_ENGEL, FURSTENBERG_KESTEN, THEORY.format("section 1, (1)")),
    evidence="definition",
    drawn=anywhere(batches=(1, 2), weighted=True),
)
D_REGULAR = Statement(
    id="D-regular",
    title="Regular minima",
    plain="A minimum is regular for SGD with batch 1 if no c_i = eta K_ii is 1 or 2 (R1) and the graph of nonzero K_ij is connected (R2). The steps are then "
    "strongly irreducible and the Lyapunov spectrum is simple. The wording is this project's, rebuilt from public summaries of the paper.",
    latex=r"c_i=\eta K_{ii}\notin\{1,2\}\ \forall i,\qquad\bigl(\{1..N\},\{ij:K_{ij}\ne0\}\bigr)\text{ connected}",
    variables=SETTING,
    hypotheses=(FEW_BATCHES,),
    conclusion=Condition("R1 and R2 as reported agree with determinants of the steps and powers of the adjacency matrix", _regularity_recomputed),
    references=(CHEMNITZ_ENGEL, THEORY.format("section 1"), GOLDSHEID_MARGULIS),
    evidence="definition",
    relations=related(see="T2"),
    drawn=anywhere(batches=(1, 2), replacement=(True, False), kinds=("gd", "sgd")),
)
D_NTK = Statement(
    id="D-ntk",
    title="The neural tangent kernel decides",
    plain="In residual coordinates the linearised step on sample i is r <- r - eta r_i K e_i with the empirical neural tangent kernel K: stability depends on "
    "the model through K alone.",
    latex=r"K_{ij}=\langle\nabla_wF(w^*,y_i),\nabla_wF(w^*,y_j)\rangle,\qquad r\leftarrow\Bigl(I-\frac\eta B\sum_{i\in S}Ke_ie_i^{\mathsf T}\Bigr)r",
    variables=(*SETTING, Variable("S", "multisets of B samples", "the batch")),
    hypotheses=(FEW_BATCHES,),
    conclusion=Condition("the engine's steps and probabilities are those of the definition", _step_from_definition),
    references=(JACOT, CHEMNITZ_ENGEL, THEORY.format("section 1, residual coordinates")),
    evidence="proved here",
    drawn=anywhere(batches=(1, 2, 3), replacement=(True, False), kinds=("gd", "sgd"), weighted=True),
)

STATEMENTS = (D_MU, D_LAMBDA, D_REGULAR, D_NTK)

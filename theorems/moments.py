"""E9 to E14: averages over isotropic inputs, large and small steps, mean square, joint spectral radius, dependence on the step size."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

from verify.exact import InputError
from verify.family import MatrixFamily
from verify.optimiser import probabilities
from verify.result import Sign, as_float

from .case import Case
from .conditions import SINGLE, exact_fact, listed
from .domains import anywhere, far_from_one, populations
from .elementary import ISLANDS, ONE_CONE, WIDTH
from .evidence import FACTS, Evidence, value_agrees
from .linear_stability import SETTING
from .sources import (
    AVILA_ESKIN_VIANA,
    BOCKER_VIANA,
    BOUGEROL_LACROIX,
    LE_PAGE,
    MA_YING,
    MULAYOFF_MICHAELI,
    ROTA_STRANG,
    RUELLE,
    THEORY,
    WU_MA_E,
    ZIYIN,
)
from .statement import Condition, Fact, Instance, Statement, Variable, related

STANDARD_ERRORS = 6.0  # two-sided normal probability 2e-9, for averages of many independent chains


def isotropic_exponent(c: float, d: int) -> float:
    """E9 by quadrature: (1/2) E log(1 - (2c - c^2) t^2), t^2 ~ Beta(1/2, (d-1)/2)."""
    import mpmath

    if d == 1:
        return math.log(abs(1 - c)) if c != 1 else -math.inf
    sigma = 2 * c - c * c

    def integrand(a: Any) -> Any:
        return mpmath.log(1 - sigma * mpmath.cos(a) ** 2) * mpmath.sin(a) ** (d - 2)

    total = mpmath.quad(integrand, [0, mpmath.pi / 4, mpmath.pi / 2])
    mass = mpmath.quad(lambda a: mpmath.sin(a) ** (d - 2), [0, mpmath.pi / 4, mpmath.pi / 2])
    return float(total / mass / 2)


def _population(case: Case) -> Fact:
    found = getattr(case.problem, "population", None)
    if found is None or found.law != "isotropic":
        return Fact(False, "the inputs are not fresh isotropic ones at every step (give a problem with population = {law = \"isotropic\", ...})")
    numbers = [found.dimension, found.scale, case.problem.optimiser.step_size]  # type: ignore[union-attr]
    return Fact(all(x.is_number for x in numbers) or None, f"dimension {numbers[0]}, scale {numbers[1]}, step size {numbers[2]}")


def _isotropic(case: Case) -> Fact:
    problem: Any = case.problem
    d, c = int(problem.population.dimension), float(problem.optimiser.step_size * problem.population.scale**2)
    value = isotropic_exponent(c, d)
    return value_agrees(value, value, f"the average over the sphere, c = {c:.6g}, d = {d}", _isotropic_products(c, d, case.seed), 1 / 20)


def _isotropic_products(c: float, d: int, seed: int, chains: int = 4000, steps: int = 200) -> Evidence:
    """Products of I - c u u^T with fresh u on the sphere, simulated."""
    import numpy as np

    rng = np.random.default_rng(seed)
    v = np.zeros((chains, d))
    v[:, 0] = 1.0
    growth = np.zeros(chains)
    for _ in range(steps):
        u = rng.standard_normal((chains, d))
        u /= np.linalg.norm(u, axis=1)[:, None]
        v = v - c * (u * v).sum(axis=1)[:, None] * u
        size = np.linalg.norm(v, axis=1)
        if (size < 1e-12).any():
            return Evidence(-math.inf, -math.inf, Sign.NEGATIVE, "a simulated product vanished")
        growth += np.log(size)
        v /= size[:, None]
    rate = growth / steps
    slack = STANDARD_ERRORS * float(rate.std()) / math.sqrt(chains) + 1e-12
    lo, hi = float(rate.mean()) - slack, float(rate.mean()) + slack
    sign = Sign.NEGATIVE if hi < 0 else Sign.POSITIVE if lo > 0 else Sign.UNDECIDED
    return Evidence(lo, hi, sign, f"simulated products, in [{lo:.6g}, {hi:.6g}]", error_probability=1e-6)


@lru_cache(maxsize=4)  # cases are compared by identity
def _expansion(case: Case) -> Any:
    """The expansion of the symbolic layer whose range of validity holds the step size, or the reason why not."""
    import sympy

    from verify.symbolic import Refused, large_steps, small_steps

    reasons, eta = [], sympy.Rational(case.eta.numerator, case.eta.denominator)
    for expand in (large_steps, small_steps):
        try:
            found = expand(case.problem)
        except (Refused, InputError) as reason:
            reasons.append(str(reason))
            continue
        if bool(found.valid.subs(found.eta, eta)):
            return found, eta
        reasons.append(f"{found.valid} fails")
    return "; ".join(reasons), None


def _in_range(case: Case) -> Fact:
    found, eta = _expansion(case)
    return Fact(False, f"eta = {case.eta}: {found}") if eta is None else Fact(True, f"valid for {found.valid}")


def _expanded(case: Case) -> Fact:
    found, eta = _expansion(case)
    value, error = float(found.value.subs(found.eta, eta)), float(found.remainder.subs(found.eta, eta))
    why = f"expansion ({found.derivation[0].fact}), remainder at most {error:.3g}"
    return value_agrees(value - error, value + error, why, case.other(FACTS, WIDTH), error + 1 / 20)


def _mean_square(case: Case) -> Fact:
    """lambda <= ms, by proofs of lambda that do not use the mean square."""
    ms = case.ms
    low, high = (None if x is None else as_float(x) for x in ms.ends)
    if low is None or high is None:
        return Fact(None, f"ms is not enclosed: {ms.reason or ms}")
    without = ("mean square (E11)", "isometries (E4, E11)")
    seen = case.other(without)
    if ms.sign is Sign.NEGATIVE and seen.sign is not Sign.UNDECIDED:
        text = f"ms is negative; lambda is {seen.reason}"
        return Fact(seen.sign is Sign.NEGATIVE, text, (*_certificate(ms), *seen.certificates), seen.error_probability)
    seen = case.other(without, "1/100")
    text = f"ms in [{low:.6g}, {high:.6g}]; lambda: {seen.reason}"
    if seen.lo > high or seen.hi <= low:
        return Fact(seen.hi <= low, text, (*_certificate(ms), *seen.certificates), seen.error_probability)
    return Fact(None, f"{text}: too close to tell")


def _certificate(result: Any) -> tuple[Any, ...]:
    return () if getattr(result, "certificate", None) is None else (result.certificate,)


def semidefinite(rows: list[list[Fraction]]) -> bool:
    """By the signs of the characteristic polynomial of a symmetric matrix."""
    from flint import fmpz_mat

    scale = math.lcm(*(x.denominator for row in rows for x in row))
    coefficients = fmpz_mat([[int(x * scale) for x in row] for row in rows]).charpoly().coeffs()
    return all((-1) ** (len(rows) - k) * int(c) >= 0 for k, c in enumerate(coefficients))


def _joint_spectral_radius(case: Case) -> Fact:
    """The norm v^T K^-1 v of residuals proves rho <= 1; an eigenvalue 1 - c_i of a step proves rho > 1."""
    from flint import fmpq, fmpq_mat

    family: MatrixFamily = case.problem.family
    d, large = family.dimension, [c for c in case.c if c > 2]
    steps = [fmpq_mat(d, d, [fmpq(x.numerator, x.denominator) for row in a for x in row]) for a in family.matrices]
    one = fmpq_mat(d, d, [int(i == j) for i in range(d) for j in range(d)])
    if large:
        c = max(large)
        eigen = any((a - one * fmpq((1 - c).numerator, (1 - c).denominator)).det() == 0 for a in steps)
        return exact_fact(eigen, f"c = {c} > 2, and {'a' if eigen else 'no'} step has the eigenvalue {1 - c}: the joint spectral radius is at least {c - 1}")
    s = fmpq_mat(d, d, [fmpq(x.numerator, x.denominator) for row in case.gram for x in row]).inv()
    kept = []
    for a in steps:
        gap = s - a.transpose() * s * a
        kept.append(semidefinite([[Fraction(int(gap[i, j].p), int(gap[i, j].q)) for j in range(d)] for i in range(d)]))
    fixed = all((a - one).det() == 0 for a in steps)
    return exact_fact(all(kept) and fixed, "all c_i <= 2: every step is a contraction in the norm of K^-1 and has the eigenvalue 1, so the radius is 1")


def circle_average(case: Case, radius: float, chains: int = 4000, steps: int = 300) -> tuple[float, float]:
    """(mean, error) of lambda over step sizes on a circle in the complex plane about the case's own, by simulation with random angles."""
    import numpy as np

    rng = np.random.default_rng(case.seed)
    k, p = case.minimum.gram_floats(), np.array([float(x) for x in probabilities(case.optimiser, len(case.gram))])
    eta = as_float(case.eta) + radius * np.exp(2j * np.pi * rng.random(chains))
    r = (k @ rng.standard_normal((len(k), chains))).T.astype(complex)
    growth, burn = np.zeros(chains), steps // 5
    for t in range(steps):
        i = rng.choice(len(p), size=chains, p=p)
        r = r - (eta * r[np.arange(chains), i])[:, None] * k[i]
        size = np.linalg.norm(r, axis=1)
        growth += np.log(size) if t >= burn else 0.0
        r /= size[:, None]
    rate = growth / (steps - burn)
    return float(rate.mean()), STANDARD_ERRORS * float(rate.std()) / math.sqrt(chains) + 3 / steps


def _subharmonic(case: Case) -> Fact:
    eta = as_float(case.eta)
    # A circle around some 1/K_ii, where log |det| has a pole: there the inequality is strict.
    radius = max(2 * min(abs(eta - 1 / float(k)) for k in case.minimum.diagonal if k), eta)
    mean, error = circle_average(case, radius)
    seen = case.enclosure(WIDTH)
    if not math.isfinite(seen.hi):
        seen = case.other((), WIDTH)
    text = f"lambda: {seen.reason}; its mean on a circle of radius {radius:.3g} about eta is {mean:.4g} +- {error:.2g} (simulated)"
    if seen.lo > mean + error:
        return Fact(False, text, seen.certificates, 1e-6 + seen.error_probability)
    return Fact(True if seen.hi <= mean - error else None, text, seen.certificates, 1e-6 + seen.error_probability)


def _several_dimensions(case: Case) -> Fact:
    n, rank = len(case.gram), case.minimum.rank
    return Fact(rank == n >= 2, f"N = {n}, rank K = {rank}")


E9 = Statement(
    id="E9",
    title="Isotropic inputs",
    plain="Population SGD on fresh inputs x = R u, u uniform on the unit sphere of R^d, c = eta R^2: lambda is an explicit average, negative iff c < 2.",
    latex=r"\lambda=\tfrac12\,\mathbb E\log\bigl(1-(2c-c^2)t^2\bigr),\quad t^2\sim\mathrm{Beta}\bigl(\tfrac12,\tfrac{d-1}2\bigr);"
    r"\qquad d=2:\ \lambda=\log\tfrac{1+|1-c|}2",
    variables=(Variable("d", "{1, 2, ...}", "dimension of the inputs"), Variable("c", "(0, infinity)", "eta R^2")),
    hypotheses=(Condition("isotropic inputs, fresh at every step", _population),),
    conclusion=Condition("simulated products grow at the average over the sphere", _isotropic),
    references=(THEORY.format("E9"),),
    evidence="proved here",
    drawn=populations,
)
E10 = Statement(
    id="E10",
    title="Large and small steps",
    plain="For large steps (all K_ij nonzero) lambda is (1/N) sum log c_i + (1/N^2) sum log |cos(g_i, g_j)| up to O(1/eta); for small steps it is "
    "-eta kappa_min / N up to O(eta^2), proved for N = 2 and wherever signs can be chosen with all K_ij <= 0.",
    latex=r"\lambda=\frac1N\sum_i\log c_i+\frac1{N^2}\sum_{i,j}\log|\cos(g_i,g_j)|+O(1/\eta),\qquad\lambda=-\frac{\eta\kappa_{\min}}N+O(\eta^2)",
    variables=SETTING,
    hypotheses=(SINGLE, Condition("eta is where an expansion with explicit remainder is valid", _in_range)),
    conclusion=Condition("lambda is the expansion within its remainder", _expanded),
    references=(THEORY.format("E10"),),
    evidence="proved here",
    remark="The lower bound for small steps and general K is open; no certificate uses it.",
    drawn=far_from_one,
)
E11 = Statement(
    id="E11",
    title="Mean square",
    plain="The mean square contracts iff ms = (1/2) log rho(E[A (x) A]) < 0, and lambda is at most ms: mean-square stability implies lambda < 0. The converse "
    "fails.",
    latex=r"\lambda\le\tfrac12\log\rho\bigl(\mathbb E[A\otimes A]\bigr);\qquad\mathbb E|r_n|^2\to0\ \forall r_0\iff\rho<1;\qquad\eta_{\mathrm{ms}}=1/\rho(S)",
    variables=(*SETTING, Variable("S", "N x N, nonnegative", "S_ij = integral over t > 0 of (K exp(-tK))_ij^2")),
    hypotheses=(),
    conclusion=Condition("lambda is at most ms, and negative where ms is", _mean_square),
    references=(THEORY.format("E11"), MULAYOFF_MICHAELI, WU_MA_E, MA_YING),
    evidence="proved here",
    relations=related(see="F-mean-square"),
    drawn=anywhere(batches=(1, 2), weighted=True),
)
E12 = Statement(
    id="E12",
    title="Joint spectral radius",
    plain="Batch 1, K positive definite, N >= 2: the joint spectral radius of the steps is 1 iff all c_i <= 2, and larger otherwise.",
    latex=r"\rho_{\mathrm{JSR}}(A_1,\dots,A_N)=1\iff c_i\le2\ \forall i",
    variables=SETTING,
    hypotheses=(SINGLE, Condition("K is positive definite and N >= 2", _several_dimensions)),
    conclusion=Condition("a norm proves radius 1, or an eigenvalue proves more", _joint_spectral_radius),
    references=(THEORY.format("E12"), ROTA_STRANG),
    evidence="proved here",
    relations=related(see="F-jsr"),
)
E13 = Statement(
    id="E13",
    title="Dependence on the step size",
    plain="As a function of eta, lambda is upper semicontinuous and the restriction of a subharmonic function of complex eta; continuous where no c_i = 1, "
    "Hoelder where regular, analytic under domination.",
    latex=r"\lambda(\eta)\le\frac1{2\pi}\int_0^{2\pi}\lambda(\eta+\rho e^{i\theta})\,d\theta\qquad\forall\rho>0",
    variables=(*SETTING, Variable("rho", "(0, infinity)", "radius in the complex plane")),
    hypotheses=(SINGLE,),
    conclusion=Condition("lambda is at most its mean on a circle of complex step sizes", _subharmonic),
    references=(THEORY.format("E13"), AVILA_ESKIN_VIANA, BOCKER_VIANA, LE_PAGE, RUELLE, BOUGEROL_LACROIX),
    evidence="published proof",
    remark="The check is about subharmonicity, the part with a finite test.",
)

FLAT = Instance("c = (21/10, 21/10), nearly orthogonal", (("lambda", "positive"),), "1", (("21/10", "1/10"), ("1/10", "21/10")))
SHARP = Instance("c = (19/10, 19/10), nearly parallel", (("lambda", "negative"),), "1", (("19/10", "9/5"), ("9/5", "19/10")))
ORTHOGONAL = Instance("c = (101/100, 101/50), orthogonal", (("lambda", "positive"),), "101/100", (("1", "0"), ("0", "2")))
E14_INSTANCES = (ISLANDS[2], ISLANDS[4], FLAT, SHARP, ORTHOGONAL, ONE_CONE)


def _one_of_the_examples(case: Case) -> Fact:
    label = next((i.label for i in E14_INSTANCES if i.problem.subject == case.problem.subject), "")
    return Fact(bool(label), label or f"the examples are {'; '.join(i.label for i in E14_INSTANCES)}")


def _stated_sign(case: Case) -> Fact:
    from .conditions import general_sign

    wanted = next(dict(i.signs)["lambda"] for i in E14_INSTANCES if i.problem.subject == case.problem.subject)
    return general_sign(case, Sign(wanted), listed("c", case.c))


E14 = Statement(
    id="E14",
    title="Folklore that fails",
    plain="Smaller steps need not be safer, larger batches need not be safer, flatter minima need not be safer, and correlated gradients need not destabilise.",
    latex=r"\lambda(\tfrac45)>0>\lambda(\tfrac{10001}{10000})\text{ for }K=\begin{pmatrix}1&3\\3&10\end{pmatrix}",
    hypotheses=(Condition("the case is one of the examples", _one_of_the_examples),),
    conclusion=Condition("lambda has the sign that the example states", _stated_sign),
    references=(THEORY.format("E14"), ZIYIN),
    evidence="machine-checked",
    relations=related(refutes=["F-smaller-steps", "F-larger-batch", "F-flatter", "F-correlated"]),
    instances=E14_INSTANCES,
)

STATEMENTS = (E9, E10, E11, E12, E13, E14)

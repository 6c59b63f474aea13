"""S1 to S6, the residual sandwich: bounds made by certificates (or by a function h) confronted with simulated products, which know nothing of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from verify.certificate import Rejected, check, claim, seal
from verify.exponent.planar import PlanarResult, planar_sandwich
from verify.problem import Problem

from .case import Case
from .conditions import PLANAR
from .domains import anywhere
from .elementary import WIDTH
from .evidence import FACTS, bound_agrees, estimated, value_agrees
from .sources import BOUGEROL_LACROIX, POLLICOTT, PROTASOV_JUNGERS, THEORY
from .statement import Condition, Fact, Statement, Variable, related

WIDE = Fraction(1, 10)
TOLERANCE = 3 / 20
ANGLES = 4000
MAX_WORDS = 64


def _searched(case: Case, linear: bool) -> PlanarResult:
    return planar_sandwich(case.problem.family, width=WIDE, time_limit=case.seconds, linear=linear)


def _certified_bounds(case: Case, linear: bool) -> Fact:
    """The bounds of a certificate that the trusted checker accepts, against simulated products."""
    found = _searched(case, linear)
    certificates, values = [], {}
    for relation, side in (("<=", found.upper), (">=", found.lower)):
        if side is None:
            continue
        certificate = seal([(claim(case.problem.subject, "lambda", relation, side.value), side.proof)])
        try:
            check(certificate)
        except Rejected as refusal:
            return Fact(None, f"the checker refuses the certificate of lambda {relation} {side.value}: {refusal}")
        certificates.append(certificate)
        values[relation] = float(side.value)
    if not values:
        return Fact(None, f"no certificate was found: {found.reason}")
    seen = estimated(case.problem, case.seconds, case.seed, case.error_probability, 1 / 100)
    why = f"a certificate of kind {'linear-cones' if linear else 'planar-forms or linear-cones'}, accepted by the checker"
    if len(values) == 2:
        fact = value_agrees(values[">="], values["<="], why, seen, TOLERANCE)
    else:
        relation, value = next(iter(values.items()))
        fact = bound_agrees(value, relation == "<=", why, seen)
    return Fact(fact.value, fact.reason, tuple(certificates), fact.error_probability)


def _any_h(case: Case) -> Fact:
    """S1 for h(v) = |v|_S exp(sin(2 a)/10), S = K^-1 where there is a K: the residual on a fine grid of directions a, against simulated products."""
    import numpy as np

    matrices, p = case.problem.family.as_floats()
    form = np.eye(2)
    if case.problem.minimum is not None and case.minimum.independent:
        form = np.linalg.inv(case.minimum.gram_floats())
    a = (np.arange(ANGLES) + 0.5) * math.pi / ANGLES
    root = np.linalg.cholesky(form).T
    v = np.linalg.solve(root, np.array([np.cos(a), np.sin(a)]))

    def log_h(w: Any) -> Any:
        u = root @ w
        return np.log(np.hypot(u[0], u[1])) + 0.1 * np.sin(2 * np.arctan2(u[1], u[0]))

    r = sum(q * (log_h(m @ v) - log_h(v)) for q, m in zip(p, matrices, strict=True))
    lo, hi = float(r.min()), float(r.max())
    seen = estimated(case.problem, case.seconds, case.seed, case.error_probability, 1 / 100)
    grid = float(np.abs(np.diff(np.append(r, r[0]))).max())  # between the nodes
    text = f"inf r = {lo:.4g}, sup r = {hi:.4g} on {ANGLES} directions, independently {seen.reason}"
    if seen.hi < lo - grid or seen.lo > hi + grid:
        return Fact(False, text, error_probability=seen.error_probability)
    return Fact(True if lo - 1e-9 <= seen.lo and seen.hi <= hi + 1e-9 else None, text, error_probability=seen.error_probability)


def _invertible(case: Case) -> Fact:
    singular = [s for s, x in enumerate(case.problem.family.determinants) if not x]
    return Fact(not singular, f"step {singular[0]} is singular" if singular else "every step is invertible")


def _blocks(case: Case) -> Fact:
    """lambda of the words of length 2 against twice lambda."""
    family = case.problem.family
    d = family.dimension
    steps = list(zip(family.matrices, family.probabilities, strict=True))
    rest = 1 - sum(family.probabilities, start=Fraction(0))
    if rest:
        steps.append((tuple(tuple(Fraction(i == j) for j in range(d)) for i in range(d)), rest))
    words, weights = [], []
    for (a, p), (b, q) in itertools.product(steps, repeat=2):
        words.append([[str(sum(b[i][k] * a[k][j] for k in range(d))) for j in range(d)] for i in range(d)])
        weights.append(str(p * q))
    one = case.enclosure("1/100")
    pairs = case.of(Problem.from_matrices(words, weights, name="words of length 2")).other(FACTS, WIDTH)
    return value_agrees(2 * one.lo, 2 * one.hi, f"twice lambda: {one.reason}", pairs, 1 / 10)


def _few_words(case: Case) -> Fact:
    count = (len(case.problem.family.matrices) + 1) ** 2
    return Fact(count <= MAX_WORDS or None, f"about {count} words of length 2")


@dataclass(frozen=True)
class _Shifted:
    """A certificate of S4 that is accepted at two step sizes, with the weaker of its bounds."""

    proof: dict[str, Any]
    relation: str
    value: Fraction
    ends: tuple[Fraction, Fraction]


SPREADS = tuple(Fraction(1, 10**k) for k in (2, 3, 4, 5))


def _accepted(case: Case, step_size: Fraction, relation: str, value: Fraction, proof: dict[str, Any]) -> dict[str, Any] | None:
    certificate = seal([(claim(case.at(step_size).problem.subject, "lambda", relation, value), proof)])
    try:
        check(certificate)
    except Rejected:
        return None
    return certificate


def _loosened(proof: dict[str, Any], slack: Fraction) -> dict[str, Any]:
    """All multipliers of an upper bound made smaller by the factor 1 - slack."""
    trees = [[node if node[0] != "=" else [x if isinstance(x, int) or x == "=" else str(Fraction(x) * (1 - slack)) for x in node] for node in tree]
             for tree in proof["trees"]]  # fmt: skip
    return {**proof, "trees": trees}


@lru_cache(maxsize=4)  # cases are compared by identity
def _two_ends(case: Case) -> _Shifted | str:
    """A conewise linear certificate that stands at eta and a little above, with the same signs of images."""
    found, slack = _searched(case, True), Fraction(1, 50)
    for relation, side in (("<=", found.upper), (">=", found.lower)):
        if side is None or side.proof["kind"] != "linear-cones":
            continue
        upper = relation == "<="
        proof, value = (_loosened(side.proof, slack), side.value + 2 * slack) if upper else (side.proof, side.value - slack)
        for spread in SPREADS:
            ends = case.eta, case.eta * (1 + spread)
            if all(_accepted(case, eta, relation, value, proof) for eta in ends) and len({_signs(case.at(eta), proof) for eta in ends}) == 1:
                return _Shifted(proof, relation, value, ends)
    return f"no certificate was found that stands at two step sizes: {found.reason or 'its cones leave no room'}"


def _signs(case: Case, proof: dict[str, Any]) -> tuple[int, ...]:
    """The sign of every step's image on every piece: of the coordinates of A_s (e_0 + e_1) in the cone that the leaf names."""
    cones = [[[int(x) for x in e] for e in cone] for cone in proof["cones"]]
    result = []
    for k, tree in enumerate(proof["trees"]):
        for (e0, e1), leaf in _leaves(tree, cones[k]):
            middle = [x + y for x, y in zip(e0, e1, strict=True)]
            for a, label in zip(case.problem.family.matrices, leaf, strict=False):
                image = [sum(x * y for x, y in zip(row, middle, strict=True)) for row in a]
                (p, q), (r, s) = cones[label]
                determinant = p * s - q * r
                first, second = (image[0] * s - image[1] * r) / determinant, (p * image[1] - q * image[0]) / determinant
                result.append((first + second > 0) - (first + second < 0))
    return tuple(result)


def _leaves(tree: list[list[Any]], root: list[list[int]]) -> Iterator[tuple[list[list[int]], list[int]]]:
    """(generators, labels) of the leaves of a bisection tree in preorder."""
    nodes = iter(tree)

    def walk(rays: list[list[int]]) -> Iterator[tuple[list[list[int]], list[int]]]:
        node = next(nodes)
        if node[0] == "=":
            yield rays, [x for x in node[1:] if isinstance(x, int)]
            return
        i, j, a, b = node[1], node[2], int(node[3]), int(node[4])
        new = [a * x + b * y for x, y in zip(rays[i], rays[j], strict=True)]
        yield from walk([new if k == j else ray for k, ray in enumerate(rays)])
        yield from walk([new if k == i else ray for k, ray in enumerate(rays)])

    yield from walk(root)


def _stands_twice(case: Case) -> Fact:
    found = _two_ends(case)
    return Fact(None, found) if isinstance(found, str) else Fact(True, f"lambda {found.relation} {found.value} at {found.ends[0]} and {found.ends[1]}")


def _stands_between(case: Case) -> Fact:
    found = _two_ends(case)
    if isinstance(found, str):
        return Fact(None, found)
    lo, hi = found.ends
    certificates = []
    for k in range(1, 6):
        certificate = _accepted(case, lo + (hi - lo) * Fraction(k, 6), found.relation, found.value, found.proof)
        if certificate is None:
            return Fact(False, f"the certificate stands at {lo} and {hi}, but is refused at {lo + (hi - lo) * Fraction(k, 6)}")
        certificates.append(certificate)
    return Fact(True, f"the checker accepts the same cones at five step sizes between {lo} and {hi}", tuple(certificates[:1]))


def _has_steps(case: Case) -> Fact:
    if case.problem.optimiser is None:
        return Fact(False, "a family of bare matrices has no step size")
    return Fact(case.minimum.independent, f"rank K = {case.minimum.rank}, N = {len(case.gram)}")


FAMILY = (
    Variable("A_s, p_s", "d x d matrices, probabilities", "the steps; the identity has the rest of the probability"),
    Variable("h", "positive, homogeneous of degree one", "the gauge"),
)
S1 = Statement(
    id="S1",
    title="The residual sandwich",
    plain="For every positive even h, homogeneous of degree one and comparable to a norm, lambda lies between the infimum and the supremum over directions of "
    "the mean of log h(A v)/h(v). No irreducibility and no stationary measure is needed, and h need be neither convex nor continuous.",
    latex=r"\inf_vr(v)\le\lambda\le\sup_vr(v),\qquad r(v)=\sum_sp_s\log\frac{h(A_sv)}{h(v)}",
    variables=FAMILY,
    hypotheses=(PLANAR, Condition("every step is invertible", _invertible)),
    conclusion=Condition("simulated products grow at a rate between inf r and sup r for a chosen h", _any_h),
    references=(THEORY.format("S1"), BOUGEROL_LACROIX, PROTASOV_JUNGERS),
    evidence="proved here",
    relations=related(special_case_of="S2"),
    drawn=anywhere(connected=True),
)
S2 = Statement(
    id="S2",
    title="Labels and invariant sets",
    plain="The sandwich on a set of labelled directions that the steps map into itself: the infimum of r over it bounds lambda from below, the supremum from "
    "above if the set spans.",
    latex=r"A_sJ\subset\pm J:\quad\inf_Jr\le\lambda;\qquad\operatorname{span}J=\mathbb R^d\Rightarrow\lambda\le\sup_Jr",
    variables=(*FAMILY, Variable("J", "cones with labels", "invariant up to sign")),
    hypotheses=(PLANAR,),
    conclusion=Condition("the bounds of an accepted certificate hold for simulated products", lambda case: _certified_bounds(case, False)),
    references=(THEORY.format("S2"),),
    evidence="proved here",
    relations=related(generalises="S1", implies=["S4", "S5"]),
    drawn=anywhere(connected=True),
)
S3 = Statement(
    id="S3",
    title="Blocks",
    plain="The family of all words of length n has n times the exponent.",
    latex=r"\lambda\bigl(\{A_w:|w|=n\}\bigr)=n\,\lambda",
    variables=FAMILY,
    hypotheses=(PLANAR, Condition("few words", _few_words)),
    conclusion=Condition("the words of length 2 have twice the exponent", _blocks),
    references=(THEORY.format("S3"),),
    evidence="proved here",
    drawn=anywhere(connected=True),
)
S4 = Statement(
    id="S4",
    title="Conewise linear certificates",
    plain="With a linear form on each of finitely many cones, lower bounds need to be checked at the generators only, upper bounds become linear inequalities "
    "by weighted AM-GM: integer arithmetic, any dimension.",
    latex=r"\sum_sp_s\log\tfrac{L_s(e_j)}{L_0(e_j)}\ge y\ \forall e_j\Rightarrow\lambda\ge y;"
    r"\qquad\sum_sp_st_sL_s(e_j)\le P_0L_0(e_j)\ \forall e_j\Rightarrow\lambda\le-\sum_sp_s\log t_s",
    variables=(*FAMILY, Variable("e_j, t_s", "integer vectors, positive rationals", "generators of a piece, multipliers")),
    hypotheses=(PLANAR,),
    conclusion=Condition("the bounds of an accepted conewise linear certificate hold for simulated products", lambda case: _certified_bounds(case, True)),
    references=(THEORY.format("S4"),),
    evidence="proved here",
    relations=related(follows_from="S2", implies="S6"),
    remark="The certificates and the checker work in every dimension; the search, and with it the check, in the plane.",
    drawn=anywhere(connected=True),
)
S5 = Statement(
    id="S5",
    title="Planar forms",
    plain="In the plane h may be the q-th root of a form of degree q with positive coefficients on each cone: one sign of the coefficients of a binary form "
    "decides a piece.",
    latex=r"\prod_sF_{k_s}(A_sv)^{P_s}\le\rho F_k(v)^{P}\text{ on every piece}\Rightarrow\lambda\le\frac{\log\rho}{qP}\quad(\text{and}\ge)",
    variables=(*FAMILY, Variable("F_k", "binary forms of degree q, positive coefficients", "h = F_k^(1/q) on cone k")),
    hypotheses=(PLANAR,),
    conclusion=Condition("the bounds of an accepted certificate hold for simulated products", lambda case: _certified_bounds(case, False)),
    references=(THEORY.format("S5"), POLLICOTT),
    evidence="proved here",
    relations=related(follows_from="S2"),
    drawn=anywhere(connected=True),
)
S6 = Statement(
    id="S6",
    title="Whole intervals of step sizes",
    plain="A conewise linear certificate that is valid at two step sizes, with the same signs of images, is valid at every step size between them.",
    latex=r"\text{S4 valid at }\eta_0,\eta_1\Rightarrow\text{valid on }[\eta_0,\eta_1]",
    variables=FAMILY,
    hypotheses=(PLANAR, Condition("an optimiser, and K positive definite", _has_steps), Condition("a certificate stands at two step sizes", _stands_twice)),
    conclusion=Condition("the checker accepts it between them", _stands_between),
    references=(THEORY.format("S6"),),
    evidence="proved here",
    relations=related(follows_from="S4"),
    drawn=anywhere(regular=True),
)

STATEMENTS = (S1, S2, S3, S4, S5, S6)

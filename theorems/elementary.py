"""E1 to E8: facts that decide a case by arithmetic on K. Each claim is computed here and confronted with proofs that use none of these facts."""

from __future__ import annotations

import math
from fractions import Fraction

from verify.exact import InputError
from verify.optimiser import SGD, probabilities
from verify.problem import Problem
from verify.result import Sign, as_float
from verify.threshold.bracket import critical_bracket

from .case import Case
from .conditions import DEFINITE, GRADIENTS, NONSINGULAR, SINGLE, general_sign, listed, sign_of
from .domains import anywhere, boundary, equal_norms, full_batch, one_singular, outside_bracket, stable
from .evidence import FACTS, Evidence, bound_agrees, enclosed, long_products, sign_agrees, value_agrees
from .linear_stability import SETTING
from .sources import ANDREYEV_BENEVENTANO, CHEMNITZ_ENGEL, STROHMER_VERSHYNIN, THEORY
from .statement import Condition, Fact, Instance, Statement, Variable, related

WIDTH, TOLERANCE = "1/50", 1 / 10
EXPANDS_NOWHERE = ("boundary (E5')", "nonexpansive (E5)", "equal norms (E7)")


def _log(x: Fraction) -> float:
    return math.log(abs(x)) if x else -math.inf


def _components(case: Case) -> Fact:
    """The maximum over the components, each on its own, against the whole."""
    optimiser, p = case.optimiser, probabilities(case.optimiser, len(case.gram))
    lows, highs, names = [], [], []
    for part in case.minimum.components:
        share = sum((p[i] for i in part), start=Fraction(0))
        alone = Problem.from_gram(case.minimum.block(part), SGD(optimiser.step_size, weights=[p[i] for i in part]))
        found = case.of(alone).enclosure(WIDTH)
        if not math.isfinite(found.hi):
            found = case.of(alone).other((), WIDTH)
        lows.append(as_float(share) * found.lo)
        highs.append(as_float(share) * found.hi)
        names.append(f"{list(part)}: [{lows[-1]:.4g}, {highs[-1]:.4g}]")
    return value_agrees(max(lows), max(highs), "; ".join(names), _mixed(case, max(highs)), TOLERANCE)


def _mixed(case: Case, claimed: float) -> Evidence:
    """Simulated products of the whole family in mixed coordinates, where no method sees the components; for -infinity a proof by other methods."""
    family = case.problem.family
    if claimed == -math.inf or family.dimension == 1:
        return case.other(FACTS, WIDTH)
    return long_products(*family.as_floats(), seed=case.seed)


def _disconnected(case: Case) -> Fact:
    count = len(case.minimum.components)
    return Fact(count > 1, f"the graph of K has {count} component{'s' * (count > 1)} with gradients")


def _full_batch(case: Case) -> Fact:
    mu = enclosed(case.mu)
    return value_agrees(mu.lo, mu.hi, f"mu from the eigenvalues of K: {mu.reason}", case.other(FACTS, WIDTH), TOLERANCE)


def _orthogonal(case: Case) -> Fact:
    """max_i E log |1 - eta m_i K_ii / B|, m_i binomial (with replacement) or 0 or 1."""
    optimiser, p, n = case.optimiser, probabilities(case.optimiser, len(case.gram)), len(case.gram)
    values = []
    for i, c in enumerate(case.c):
        if not c:
            continue
        if isinstance(optimiser, SGD):
            b = optimiser.batch
            if optimiser.replacement:
                law = [(math.comb(b, m) * p[i] ** m * (1 - p[i]) ** (b - m), m) for m in range(b + 1)]
            else:
                law = [(Fraction(b, n) if b > 1 else p[i], 1), (1 - (Fraction(b, n) if b > 1 else p[i]), 0)]
        else:
            b, law = n, [(Fraction(1), 1)]
        values.append(sum(as_float(q) * _log(1 - m * c / b) for q, m in law if q))
    value = max(values)
    return value_agrees(value, value, "the largest E log |1 - eta m_i K_ii / B|", _mixed(case, value), TOLERANCE)


def _diagonal(case: Case) -> Fact:
    pairs = [(i, j) for i, row in enumerate(case.gram) for j in range(i) if row[j]]
    return Fact(not pairs, f"K[{pairs[0][0]}][{pairs[0][1]}] is not 0" if pairs else "K is diagonal")


def _sum_rule(case: Case) -> Fact:
    p, d = probabilities(case.optimiser, len(case.gram)), case.minimum.rank
    bound = sum(as_float(q) * _log(1 - c) for q, c in zip(p, case.c, strict=True)) / d
    why = f"(1/{d}) sum p_i log |1 - c_i|"
    if d == 1:
        return value_agrees(bound, bound, f"equality in one dimension: {why}", case.other(FACTS, WIDTH), TOLERANCE)
    fact = Fact(None, "not looked at")
    for width in (WIDTH, "1/10000"):
        fact = bound_agrees(bound, False, why, case.other(FACTS, width))
        if fact.value is not None:
            break
    return fact


def _small(case: Case, edge: bool) -> Fact:
    bad = [c for c in case.c if not 0 < c <= 2 or (c == 2 and not edge)]
    return Fact(not bad, listed("c", case.c))


def _boundary(case: Case) -> Fact:
    """lambda < 0 iff every component has some c_i < 2, else zero."""
    reflecting = [part for part in case.minimum.components if all(case.c[i] == 2 for i in part)]
    if reflecting:
        return sign_agrees(Sign.ZERO, f"the component {list(reflecting[0])} consists of reflections", case.other(EXPANDS_NOWHERE))
    return general_sign(case, Sign.NEGATIVE, "every component has some c_i < 2")


def _outside_bracket(case: Case) -> Fact:
    optimiser = case.optimiser
    if not isinstance(optimiser, SGD):
        raise InputError("gradient descent has no critical bracket of this kind")
    bracket = critical_bracket(case.minimum, optimiser)
    lower, upper = bracket.lower, bracket.upper[1]
    return Fact(not lower <= case.eta <= upper, f"eta = {case.eta}, the bracket is [{as_float(lower):.6g}, {as_float(upper):.6g}]")


def _bracket(case: Case) -> Fact:
    below = case.eta < 2 / max(case.minimum.diagonal)
    return general_sign(case, Sign.NEGATIVE if below else Sign.POSITIVE, "below 2/max K_ii" if below else "above eta_det")


def _equal_norms(case: Case) -> Fact:
    claimed = sign_of(case.c[0] - 2)
    if claimed is Sign.ZERO:
        return sign_agrees(claimed, "eta k = 2", case.other(EXPANDS_NOWHERE))
    return general_sign(case, claimed, f"eta k = {case.c[0]}")


def _two_with_one_singular(case: Case) -> Fact:
    return Fact(len(case.gram) == 2 and 1 in case.c, f"N = {len(case.gram)}, {listed('c', case.c)}")


def renewal_value(case: Case) -> float:
    """The series of E8 in double precision, to 1e-12 or 20000 terms; -inf where a term vanishes (decided exactly for the first 60)."""
    first = 0 if case.c[0] == 1 else 1
    x, gram = 1 - case.c[1 - first], case.gram
    s2 = 1 - gram[0][1] ** 2 / (gram[0][0] * gram[1][1])
    p = probabilities(case.optimiser, 2)[first]
    if any(1 - s2 * (1 - (x**k if k else Fraction(1))) == 0 for k in range(60)):
        return -math.inf
    q, s, rest, y, total = as_float(1 - p), as_float(s2), as_float(1 - s2), as_float(x), 0.0
    for k in range(1, 20000):
        weight = q**k
        if weight * (k + 1) < 1e-13:
            break
        size = k * math.log(abs(y)) if y else -math.inf  # of x^k, whose double may be out of range
        total += weight * (size + math.log(s) if size > 300 or not rest else math.log(abs(rest + s * y**k)))
    return as_float(p) ** 2 * total


def _renewal(case: Case) -> Fact:
    value = renewal_value(case)
    return value_agrees(value, value, "the renewal series", case.other(FACTS, WIDTH), TOLERANCE)


PAIR, THIRTEEN = (("1", "1/2"), ("1/2", "2")), (("1", "3"), ("3", "10"))
ONE_CONE = Instance("one cone by hand", (("lambda", "negative"),), "101/100", PAIR)
ISLANDS = tuple(
    Instance(f"K = [[1,3],[3,10]], eta = {eta}", (("lambda", sign), *more), eta, THIRTEEN)
    for eta, sign, more in (
        ("1/5", "negative", ()), ("1/4", "positive", (("mu", "negative"),)), ("4/5", "positive", ()), ("1", "negative", ()),
        ("10001/10000", "negative", (("mu", "positive"),)), ("6/5", "positive", ()),
    )
)  # fmt: skip


def _is_instance(instances: tuple[Instance, ...]) -> Condition:
    def test(case: Case) -> Fact:
        for instance in instances:
            if case.problem.subject == instance.problem.subject:
                return Fact(True, instance.label)
        return Fact(False, f"this is an example about {', '.join(i.label for i in instances)}")

    return Condition("the case is one of the examples", test)


def _instance_sign(instances: tuple[Instance, ...]) -> Condition:
    def test(case: Case) -> Fact:
        for instance in instances:
            if case.problem.subject == instance.problem.subject:
                return general_sign(case, Sign(dict(instance.signs)["lambda"]), instance.label)
        return Fact(None, "not one of the examples")

    return Condition("lambda has the sign that the example states", test)


C = Variable("c_i", "[0, infinity)", "eta K_ii")
E1 = Statement(
    id="E1",
    title="Components",
    plain="lambda is the maximum over the connected components of K's graph, each run with its own samples and the identity otherwise (uniform samples: the "
    "share of the component times its exponent alone).",
    latex=r"\lambda=\max_C\lambda(C),\qquad\lambda(C)=\tfrac{|C|}{N}\,\lambda_{C\text{ alone}}",
    variables=SETTING,
    hypotheses=(SINGLE, Condition("at least two components", _disconnected)),
    conclusion=Condition("lambda of the whole is the largest lambda of a component", _components),
    references=(THEORY.format("E1"),),
    evidence="proved here",
    relations=related(generalises="E3"),
    remark="Holds for every batch scheme; the check is for batch 1.",
    drawn=anywhere(connected=False, weighted=True),
)
E2 = Statement(
    id="E2",
    title="Full batch",
    plain="If every step uses every sample, lambda equals mu.",
    latex=r"B=N\text{ without replacement}\Rightarrow\lambda=\mu",
    variables=SETTING,
    hypotheses=(Condition("every step uses every sample", lambda case: Fact(case.full_batch, "full batch" if case.full_batch else "random batches")),),
    conclusion=Condition("lambda by products of the step equals mu by eigenvalues of K", _full_batch),
    references=(THEORY.format("E2"),),
    evidence="proved here",
    relations=related(uses=["D-mu", "D-lambda"]),
    drawn=full_batch,
)
E3 = Statement(
    id="E3",
    title="Orthogonal gradients",
    plain="If K is diagonal, lambda is the largest mean logarithm of the factor of one sample; for batch 1, p_i log |1 - c_i|.",
    latex=r"K\text{ diagonal}\Rightarrow\lambda=\max_i\mathbb E\log\left|1-\tfrac{\eta m_iK_{ii}}{B}\right|,\qquad B=1:\ \lambda=\max_i p_i\log|1-c_i|",
    variables=(*SETTING, C, Variable("m_i", "{0..B}", "how often sample i is in the batch")),
    hypotheses=(Condition("K is diagonal", _diagonal),),
    conclusion=Condition("lambda is the largest mean logarithm", _orthogonal),
    references=(THEORY.format("E3"),),
    evidence="proved here",
    relations=related(special_case_of="E1"),
    drawn=anywhere(connected=False, batches=(1, 2), weighted=True),
)
E4 = Statement(
    id="E4",
    title="Sum rule",
    plain="The exponents of the spectrum add up to the mean log |1 - c_i|, so lambda is at least that divided by d = rank K; strictly if regular and d >= 2.",
    latex=r"\lambda\ \ge\ \frac1d\sum_ip_i\log|1-c_i|,\qquad\prod_i|1-c_i|>1\Rightarrow\lambda>0",
    variables=(*SETTING, C, Variable("d", "{1..N}", "rank K")),
    hypotheses=(SINGLE, NONSINGULAR),
    conclusion=Condition("lambda is at least the mean log determinant over d", _sum_rule),
    references=(THEORY.format("E4"),),
    evidence="proved here",
    relations=related(implies=["E6", "E7"]),
    drawn=anywhere(connected=True, weighted=True),
)
E5 = Statement(
    id="E5",
    title="Nonexpansive steps",
    plain="If 0 < c_i < 2 for all i, lambda is negative: no step expands in span{g_i} and the product over all samples contracts.",
    latex=r"0<c_i<2\ \forall i\Rightarrow\lambda<0",
    variables=(*SETTING, C),
    hypotheses=(SINGLE, Condition("0 < c_i < 2 for all i", lambda case: _small(case, False))),
    conclusion=Condition("lambda < 0", lambda case: general_sign(case, Sign.NEGATIVE, "all 0 < c_i < 2")),
    references=(THEORY.format("E5"),),
    evidence="proved here",
    relations=related(special_case_of="E5'", implies=["E6", "E7"]),
    drawn=stable,
)
E5_PRIME = Statement(
    id="E5'",
    title="On the boundary of nonexpansiveness",
    plain="If 0 < c_i <= 2 for all i, lambda is negative iff every component of K's graph contains some c_i < 2; otherwise lambda is zero.",
    latex=r"0<c_i\le2\ \forall i\Rightarrow\bigl(\lambda<0\iff\forall C\,\exists i\in C:c_i<2\bigr),\ \text{else }\lambda=0",
    variables=(*SETTING, C),
    hypotheses=(SINGLE, Condition("0 < c_i <= 2 for all i", lambda case: _small(case, True))),
    conclusion=Condition("lambda is negative or zero as stated", _boundary),
    references=(THEORY.format("E5'"),),
    evidence="proved here",
    relations=related(generalises="E5"),
    drawn=boundary,
)
E6 = Statement(
    id="E6",
    title="Critical bracket",
    plain="Every step size with lambda = 0 lies between 2/max K_ii and eta_det, the largest root of sum p_i log |1 - eta K_ii|: lambda is negative below and "
    "positive above.",
    latex=r"\lambda(\eta)=0\Rightarrow\frac2{\max_iK_{ii}}\le\eta\le\eta_{\det},\qquad\sum_ip_i\log|1-\eta_{\det}K_{ii}|=0",
    variables=SETTING,
    hypotheses=(SINGLE, GRADIENTS, Condition("eta is outside the bracket", _outside_bracket)),
    conclusion=Condition("lambda < 0 below the bracket, > 0 above", _bracket),
    references=(THEORY.format("E6"),),
    evidence="proved here",
    relations=related(follows_from=["E4", "E5"], see=["E6''"]),
    drawn=outside_bracket,
)
E6_PRIME = Statement(
    id="E6'",
    title="One cone by hand",
    plain="For K = [[1,1/2],[1/2,2]] and eta = 101/100 lambda is negative although c_2 = 101/50 > 2: one cone, spanned by (9,16) and (-1,16), with "
    "h = 7s + 8t proves it by hand.",
    latex=r"K=\begin{pmatrix}1&\frac12\\\frac12&2\end{pmatrix},\ \eta=\tfrac{101}{100}\Rightarrow\lambda<0,\ c_2>2",
    hypotheses=(_is_instance((ONE_CONE,)),),
    conclusion=_instance_sign((ONE_CONE,)),
    references=(THEORY.format("E6'"),),
    evidence="machine-checked",
    relations=related(refutes="F-jsr", uses="S5"),
    instances=(ONE_CONE,),
)
E6_PRIMES = Statement(
    id="E6''",
    title="Stable step sizes need not be an interval",
    plain="For K = [[1,3],[3,10]] lambda is negative at 1/5, positive at 1/4 and 4/5, negative again at 1 and 10001/10000, positive at 6/5.",
    latex=r"K=\begin{pmatrix}1&3\\3&10\end{pmatrix}:\quad\operatorname{sign}\lambda(\eta)=-,+,+,-,-,+\ \text{at }"
    r"\eta=\tfrac15,\tfrac14,\tfrac45,1,\tfrac{10001}{10000},\tfrac65",
    hypotheses=(_is_instance(ISLANDS),),
    conclusion=_instance_sign(ISLANDS),
    references=(THEORY.format("E6''"),),
    evidence="machine-checked",
    relations=related(refutes=["F-smaller-steps", "F-monotone", "F-gd-sgd", "F-sgd-gd"], see="E6"),
    instances=ISLANDS,
)
E7 = Statement(
    id="E7",
    title="Equal norms",
    plain="If all K_ii = k, the sign of lambda is the sign of eta k - 2, whatever the angles.",
    latex=r"K_{ii}=k\ \forall i\Rightarrow\operatorname{sign}\lambda=\operatorname{sign}(\eta k-2)",
    variables=SETTING,
    hypotheses=(SINGLE, GRADIENTS, Condition("all K_ii are equal", lambda case: Fact(len(set(case.c)) == 1, listed("c", case.c)))),
    conclusion=Condition("lambda has the sign of eta k - 2", _equal_norms),
    references=(THEORY.format("E7"), ANDREYEV_BENEVENTANO),
    evidence="proved here",
    relations=related(follows_from=["E4", "E5"]),
    drawn=equal_norms,
)
E8 = Statement(
    id="E8",
    title="Renewal",
    plain="Two samples, c_1 = 1, K positive definite: every visit of the singular step resets the direction and lambda is an explicit series; it is "
    "2 p q log |cos| if both c_i = 1 (randomised Kaczmarz).",
    latex=r"N=2,\ c_1=1:\quad\lambda=p^2\sum_{k\ge0}q^k\log\left|1-s_2\bigl(1-(1-c_2)^k\bigr)\right|,\quad s_2=1-\frac{K_{12}^2}{K_{11}K_{22}}",
    variables=(*SETTING, C, Variable("p, q", "(0, 1), p + q = 1", "probabilities of samples 1 and 2")),
    hypotheses=(SINGLE, DEFINITE, Condition("N = 2 and some c_i = 1", _two_with_one_singular)),
    conclusion=Condition("lambda is the renewal series", _renewal),
    references=(THEORY.format("E8"), STROHMER_VERSHYNIN, CHEMNITZ_ENGEL),
    evidence="proved here",
    relations=related(see="E6''"),
    drawn=one_singular,
)

STATEMENTS = (E1, E2, E3, E4, E5, E5_PRIME, E6, E6_PRIME, E6_PRIMES, E7, E8)

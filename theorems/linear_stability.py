"""T1, T2, T2' (Chemnitz and Engel 2025) and T3 (linear models): what the sign of the exponent says about convergence. Proofs: THEORY.md.

`conclude` says what follows from known facts. `check` tests the statements on linear models: a certified sign on one side, simulation on the other. For a
linear model with lambda < 0 the limit exists almost surely and its law has full support on M, so w* is in the support; if lambda > 0 and the minimum is
regular the iterates leave almost surely, so there is no limit and the support is empty.
"""

from __future__ import annotations

from .case import Case
from .conclusion import Conclusion, Examined, Facts, Verdict, examine
from .domains import anywhere, stable_and_connected
from .sources import BOUGEROL_PICARD, CHEMNITZ_ENGEL, FURSTENBERG_KIFER, THEORY
from .statement import Condition, Evidence, Fact, Statement, Variable, both, related


def of_facts(name: str, fact: str, gradient_descent: bool = False) -> Condition:
    """A hypothesis that is a field of `Facts`, for the optimiser of the case or for gradient descent at its step size."""

    def test(case: Case) -> Fact:
        found: Fact = getattr((case.gradient_descent if gradient_descent else case).hypotheses, fact)
        return found

    return Condition(name, test, fact)


def _stochastic(case: Case) -> Fact:
    return Fact(not case.full_batch, "every step uses every sample: this is gradient descent (E2)" if case.full_batch else "the batches are random")


H1, H2 = of_facts("H1 smoothness", "smooth"), of_facts("H2 rank", "gradients_independent")
H3, H3_GD = of_facts("H3 non-singular steps", "steps_nonsingular"), of_facts("H3 non-singular steps", "steps_nonsingular", gradient_descent=True)
R1, R2 = of_facts("R1 c_i not in {1, 2}", "regular_steps"), of_facts("R2 connected graph", "connected")
LINEAR, SOLVABLE = of_facts("linear model", "linear_model"), of_facts("solvable", "solvable")
STOCHASTIC = Condition("SGD with batches that are not full", _stochastic)
MU_NONZERO = Condition("mu(w*) is not zero", lambda case: ~case.is_sign("mu", "zero"))
LAMBDA_NONZERO = Condition("lambda(w*) is not zero", lambda case: ~case.is_sign("lambda", "zero"))

T1_HYPOTHESES = (H1, H2, H3_GD)
T2_HYPOTHESES = (H1, H2, H3, R1, R2)
T3_HYPOTHESES = (LINEAR, SOLVABLE)
STATIONARY_HYPOTHESES = (LINEAR, of_facts("contraction off the gradients", "rest_contracts"))

SETTING = (
    Variable("w*", "M", "a global minimum, L(w*) = 0"),
    Variable("K", "symmetric positive semidefinite N x N", "Gram matrix of the sample gradients at w* (empirical NTK)"),
    Variable("eta", "(0, infinity)", "step size"),
)


def _failing(hypotheses: tuple[Examined, ...]) -> str:
    return "; ".join(f"{h.name} fails: {h.reason}" for h in hypotheses if h.status == "fails")


def _support(statement: str, exponent: str, facts: Facts, hypotheses: tuple[Condition, ...], extension: str) -> Conclusion:
    """The common part of T1 and T2."""
    evidence: Evidence = "extension of a published proof, not proved" if extension else "published proof"
    examined = examine(hypotheses, facts)

    def says(verdict: Verdict, reason: str) -> Conclusion:
        return Conclusion(statement, verdict, reason, examined, evidence, extension)

    if facts.weight_decay:
        reason = f"with weight decay w* is no common fixed point of the steps (unless w* = 0); {exponent} is the exponent of their linear part"
        return Conclusion(statement, "no statement", reason, examined, "published proof")
    if facts.optimiser != ("gd" if exponent == "mu" else "sgd"):
        return says("no statement", f"{statement} is about {'gradient descent' if exponent == 'mu' else 'SGD with batches that are not full'}")
    if failing := _failing(examined):
        return says("no statement", failing)
    if facts.sign == "undecided":
        return says("no statement", f"the sign of {exponent} is not proved")
    if facts.sign == "zero":
        return says("no statement", f"{exponent} = 0, and {statement} is silent there")
    return says("in the support" if facts.sign == "negative" else "not in the support", f"{exponent} is {facts.sign}")


def _extension(statement: str, setting: str, facts: Facts) -> str:
    cases = [
        (facts.batch > 1 and statement == "T2", f"batch {facts.batch}"),
        (facts.outputs > 1, f"{facts.outputs} outputs"),
        (not facts.uniform and statement == "T2", "non-uniform samples"),
        (facts.reshuffled, "reshuffled epochs"),
        (facts.momentum, "momentum"),
    ]
    beyond = ", ".join(name for applies, name in cases if applies)
    return f"{statement} is published for {setting}; for {beyond} this is an extension, not a published theorem" if beyond else ""


def conclude_t1(facts: Facts) -> Conclusion:
    """T1 on a case; no statement for SGD, for a failing hypothesis, and for mu = 0 or undecided."""
    return _support("T1", "mu", facts, T1_HYPOTHESES, _extension("T1", "one output", facts))


def conclude_t2(facts: Facts) -> Conclusion:
    """T2 on a case; no statement for full batches, for a failing hypothesis, with weight decay, and for lambda = 0 or undecided. Batches above 1, vector
    outputs, non-uniform samples, reshuffled epochs and momentum are labelled an extension."""
    return _support("T2", "lambda", facts, T2_HYPOTHESES, _extension("T2", "batch 1, one output and uniform samples", facts))


def conclude_t3(facts: Facts) -> Conclusion:
    """T3 on a case: an equivalence, so that exponent zero decides too. Its proof covers every batch scheme, epochs, vector outputs and momentum; with weight
    decay there is another conclusion, in one direction: a negative exponent means a unique stationary law."""
    if facts.weight_decay:
        return _stationary(facts)
    examined, exponent = examine(T3_HYPOTHESES, facts), "mu" if facts.optimiser == "gd" else "lambda"

    def says(verdict: Verdict, reason: str) -> Conclusion:
        return Conclusion("T3", verdict, reason, examined, "proved here")

    if failing := _failing(examined):
        return says("no statement", failing)
    if facts.sign == "undecided":
        return says("no statement", f"the sign of {exponent} is not proved")
    if facts.sign == "negative":
        return says("converges almost surely from every start", f"{exponent} is negative")
    if facts.sign == "zero":
        return says("does not converge almost surely from every start", f"{exponent} is zero; from some starts it may converge")
    single = facts.optimiser == "sgd" and facts.batch == facts.outputs == 1 and not (facts.momentum or facts.reshuffled)
    every = single and facts.connected.value is True and facts.steps_nonsingular.value is True
    detail = "; the residual grows at rate lambda from every start outside the solutions" if every else ""
    return says("does not converge almost surely from every start", f"{exponent} is positive{detail}")


def _stationary(facts: Facts) -> Conclusion:
    """A linear model with weight decay: w <- M w + b with independent (M, b). If the exponent of M is negative, two runs with the same draws approach each
    other geometrically and M_1 .. M_(n-1) b_n sums to the unique stationary law. The labels play no part."""
    examined, exponent = examine(STATIONARY_HYPOTHESES, facts), "mu" if facts.optimiser == "gd" else "lambda"

    def says(verdict: Verdict, reason: str) -> Conclusion:
        return Conclusion("T3", verdict, reason, examined, "proved here")

    if failing := _failing(examined):
        return says("no statement", failing)
    if facts.sign != "negative":
        sign = "is not proved" if facts.sign == "undecided" else f"is {facts.sign}"
        return says("no statement", f"with weight decay only a negative exponent says something, and the sign of {exponent} {sign}")
    if facts.optimiser == "gd":
        return says("converges in law to a unique stationary law", "mu is negative; the law is a point, the one where L + (omega/2)|w|^2 is stationary")
    tail = "bounded if every step contracts, else with a tail r^-s, L(s) = 0, where the theorem of Kesten and Goldie applies"
    return says("converges in law to a unique stationary law", f"lambda is negative; the law is no point, unless one point is fixed by all steps; {tail}")


def _support_seen(case: Case, quantity: str) -> Fact:
    """In the support iff the exponent is negative: its certified sign against a simulation of the linear model."""
    negative = case.is_sign(quantity, "negative")
    if negative.value is None:
        return negative
    seen = case.simulated("converges")
    agree = None if seen.value is None else seen.value == negative.value
    return Fact(agree, f"{negative.reason}; {seen.reason}", negative.certificates, seen.error_probability)


def _converges(case: Case) -> Fact:
    if case.full_batch:
        return both(of_facts("H3", "steps_nonsingular", gradient_descent=True)(case), case.simulated("converges"))
    return both(H3(case), R1(case), R2(case), case.simulated("converges"))


def _limit_is_stable(case: Case) -> Fact:
    return case.is_sign("mu" if case.full_batch else "lambda", "negative", "zero")


T1 = Statement(
    id="T1",
    title="Stability for gradient descent",
    plain="If mu is negative at a minimum w*, then every neighbourhood of w* receives the limit of gradient descent with positive probability over the random "
    "start; if mu is positive, some neighbourhood receives it with probability zero. Silent at mu = 0.",
    latex=r"\mu(w^*)<0\Rightarrow w^*\in\operatorname{supp}X^{\mathrm{GD}}_{\lim},\quad "
    r"\mu(w^*)>0\Rightarrow w^*\notin\operatorname{supp}X^{\mathrm{GD}}_{\lim}",
    variables=SETTING,
    hypotheses=(*T1_HYPOTHESES, MU_NONZERO),
    conclusion=Condition("w* is in the support of the limit of gradient descent iff mu < 0", lambda case: _support_seen(case.gradient_descent, "mu")),
    references=(f"{CHEMNITZ_ENGEL}, Theorem A",),
    evidence="published proof",
    relations=related(implies="T2'", uses="D-mu"),
    rule=conclude_t1,
    drawn=anywhere(kinds=("gd", "sgd")),
)
T2 = Statement(
    id="T2",
    title="Stability for stochastic gradient descent",
    plain="If lambda is negative at a regular minimum w*, then every neighbourhood of w* receives the limit of SGD with positive probability; if lambda is "
    "positive, some neighbourhood receives it with probability zero. Silent at lambda = 0 and at irregular minima. R1 and R2 state regularity in this "
    "project's words, rebuilt from public summaries of the paper.",
    latex=r"\lambda(w^*)<0\Rightarrow w^*\in\operatorname{supp}X^{\mathrm{SGD}}_{\lim},\quad "
    r"\lambda(w^*)>0\Rightarrow w^*\notin\operatorname{supp}X^{\mathrm{SGD}}_{\lim}",
    variables=SETTING,
    hypotheses=(STOCHASTIC, *T2_HYPOTHESES, LAMBDA_NONZERO),
    conclusion=Condition("w* is in the support of the limit of SGD iff lambda < 0", lambda case: _support_seen(case, "lambda")),
    references=(f"{CHEMNITZ_ENGEL}, Theorem B",),
    evidence="published proof",
    relations=related(implies="T2'", uses=["D-lambda", "D-regular"], see=["T3", "F-slogan"]),
    remark="Published for batch 1, one output and uniform samples; beyond that an extension.",
    rule=conclude_t2,
    drawn=anywhere(),
)
T2_PRIME = Statement(
    id="T2'",
    title="Limits are stable",
    plain="Almost surely: if SGD converges to a regular minimum w, then lambda(w) is at most 0; if gradient descent converges to a minimum w, then mu(w) is at "
    "most 0.",
    latex=r"X^{\mathrm{SGD}}_n\to w\in M\text{ regular}\Rightarrow\lambda(w)\le0,\qquad X^{\mathrm{GD}}_n\to w\in M\Rightarrow\mu(w)\le0\qquad\text{a.s.}",
    variables=SETTING,
    hypotheses=(H1, H2, Condition("it converges, to a regular minimum if by SGD (simulated)", _converges)),
    conclusion=Condition("the exponent at the limit is at most zero", _limit_is_stable),
    references=(THEORY.format("T2'"), f"{CHEMNITZ_ENGEL}, Theorems A and B"),
    evidence="proved here",
    relations=related(follows_from=["T1", "T2"]),
    drawn=stable_and_connected,
)
T3 = Statement(
    id="T3",
    title="Linear models",
    plain="On a linear model with a solution, SGD (or gradient descent) converges almost surely to a solution from every start "
    "if and only if its exponent is negative.",
    latex=r"\forall w_0:\ w_n\to w_\infty\in M\ \text{a.s.}\iff\lambda<0",
    variables=SETTING,
    hypotheses=T3_HYPOTHESES,
    conclusion=Condition("it converges from every start iff its exponent is negative", lambda case: _support_seen(case, "mu" if case.full_batch else "lambda")),
    references=(THEORY.format("T3"), BOUGEROL_PICARD, FURSTENBERG_KIFER),
    evidence="proved here",
    relations=related(refutes="F-slogan", see="T2"),
    rule=conclude_t3,
    drawn=anywhere(batches=(1, 2), replacement=(True, False), kinds=("gd", "sgd"), weighted=True),
)

STATEMENTS = (T1, T2, T2_PRIME, T3)

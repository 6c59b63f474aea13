"""T1, T2 (Chemnitz and Engel 2025) and T3 (linear models): what the sign of the exponent says about convergence. Proofs: THEORY.md."""

from __future__ import annotations

from .statement import Conclusion, Evidence, Examined, Facts, Hypothesis, Statement, Verdict, examine

CHEMNITZ_ENGEL = (
    "D. Chemnitz, M. Engel, Characterizing Dynamical Stability of Stochastic Gradient Descent in Overparameterized Learning, "
    "JMLR 26(134):1-46, 2025, arXiv:2407.20209"
)
BOUGEROL_PICARD = "P. Bougerol, N. Picard, Strict stationarity of generalized autoregressive processes, Ann. Probab. 20, 1992, Lemma 3.4"
FURSTENBERG_KIFER = "H. Furstenberg, Y. Kifer, Random matrix products and measures on projective spaces, Israel J. Math. 46, 1983"

H1 = Hypothesis("H1 smoothness", "smooth")
H2 = Hypothesis("H2 rank", "gradients_independent")
H3 = Hypothesis("H3 non-singular steps", "steps_nonsingular")
R1 = Hypothesis("R1 c_i not in {1, 2}", "regular_steps")
R2 = Hypothesis("R2 connected graph", "connected")
LINEAR = Hypothesis("linear model", "linear_model")
SOLVABLE = Hypothesis("solvable", "solvable")

T1_HYPOTHESES = (H1, H2, H3)
T2_HYPOTHESES = (H1, H2, H3, R1, R2)
T3_HYPOTHESES = (LINEAR, SOLVABLE)


def _failing(hypotheses: tuple[Examined, ...]) -> str:
    return "; ".join(f"{h.name} fails: {h.reason}" for h in hypotheses if h.status == "fails")


def _support(statement: str, exponent: str, facts: Facts, hypotheses: tuple[Hypothesis, ...], extension: str) -> Conclusion:
    """The common part of T1 and T2."""
    evidence: Evidence = "extension of a published proof, not proved" if extension else "published proof"
    examined = examine(hypotheses, facts)

    def says(verdict: Verdict, reason: str) -> Conclusion:
        return Conclusion(statement, verdict, reason, examined, evidence, extension)

    if facts.optimiser != ("gd" if exponent == "mu" else "sgd"):
        return says("no statement", f"{statement} is about {'gradient descent' if exponent == 'mu' else 'SGD with batches that are not full'}")
    if failing := _failing(examined):
        return says("no statement", failing)
    if facts.sign == "undecided":
        return says("no statement", f"the sign of {exponent} is not proved")
    if facts.sign == "zero":
        return says("no statement", f"{exponent} = 0, and {statement} is silent there")
    return says("in the support" if facts.sign == "negative" else "not in the support", f"{exponent} is {facts.sign}")


def _extension(facts: Facts) -> str:
    cases = ((facts.batch > 1, f"batch {facts.batch}"), (facts.outputs > 1, f"{facts.outputs} outputs"), (not facts.uniform, "non-uniform samples"))
    beyond = ", ".join(name for applies, name in cases if applies)
    return f"T2 is published for batch 1, one output and uniform samples; for {beyond} this is an extension, not a published theorem" if beyond else ""


def conclude_t1(facts: Facts) -> Conclusion:
    """T1 on a case; no statement for SGD, for a failing hypothesis, and for mu = 0 or undecided."""
    several = f"T1 is published for one output; for {facts.outputs} outputs this is an extension, not a published theorem" if facts.outputs > 1 else ""
    return _support("T1", "mu", facts, T1_HYPOTHESES, several)


def conclude_t2(facts: Facts) -> Conclusion:
    """T2 on a case; no statement for full batches, for a failing hypothesis, and for lambda = 0 or undecided. Batches above 1 are labelled an extension."""
    return _support("T2", "lambda", facts, T2_HYPOTHESES, _extension(facts))


def conclude_t3(facts: Facts) -> Conclusion:
    """T3 on a case: an equivalence, so that exponent zero decides too."""
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
    every = facts.optimiser == "sgd" and facts.batch == 1 and facts.outputs == 1 and facts.connected.value is True and facts.steps_nonsingular.value is True
    detail = "; the residual grows at rate lambda from every start outside the solutions" if every else ""
    return says("does not converge almost surely from every start", f"{exponent} is positive{detail}")


T1 = Statement(
    id="T1",
    title="Stability for gradient descent",
    plain="If mu is negative at a minimum w*, then every neighbourhood of w* receives the limit of gradient descent with positive probability over the random "
    "start; if mu is positive, some neighbourhood receives it with probability zero. Silent at mu = 0.",
    latex=r"\mu(w^*)<0\Rightarrow w^*\in\operatorname{supp}X^{\mathrm{GD}}_{\lim},\quad "
    r"\mu(w^*)>0\Rightarrow w^*\notin\operatorname{supp}X^{\mathrm{GD}}_{\lim}",
    hypotheses=T1_HYPOTHESES,
    references=(f"{CHEMNITZ_ENGEL}, Theorem A",),
    evidence="published proof",
    conclude=conclude_t1,
)
T2 = Statement(
    id="T2",
    title="Stability for stochastic gradient descent",
    plain="If lambda is negative at a regular minimum w*, then every neighbourhood of w* receives the limit of SGD with positive probability; if lambda is "
    "positive, some neighbourhood receives it with probability zero. Silent at lambda = 0 and at irregular minima. R1 and R2 state regularity in this "
    "project's words, rebuilt from public summaries of the paper.",
    latex=r"\lambda(w^*)<0\Rightarrow w^*\in\operatorname{supp}X^{\mathrm{SGD}}_{\lim},\quad "
    r"\lambda(w^*)>0\Rightarrow w^*\notin\operatorname{supp}X^{\mathrm{SGD}}_{\lim}",
    hypotheses=T2_HYPOTHESES,
    references=(f"{CHEMNITZ_ENGEL}, Theorem B",),
    evidence="published proof",
    conclude=conclude_t2,
)
T3 = Statement(
    id="T3",
    title="Linear models",
    plain="On a linear model with a solution, SGD (or gradient descent) converges almost surely to a solution from every start "
    "if and only if its exponent is negative.",
    latex=r"\forall w_0:\ w_n\to w_\infty\in M\ \text{a.s.}\iff\lambda<0",
    hypotheses=T3_HYPOTHESES,
    references=("theorems/THEORY.md, T3", BOUGEROL_PICARD, FURSTENBERG_KIFER),
    evidence="proved here",
    conclude=conclude_t3,
)

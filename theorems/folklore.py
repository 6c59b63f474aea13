"""Folklore: beliefs about the stability of SGD that fail, each with a shipped counterexample whose signs are certified.

Where a belief compares two minima or two ways of training, the second one (the companion) is made from the first by a fixed rule, so that a belief is a
predicate over one problem and can be searched like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from verify.optimiser import SGD
from verify.problem import Problem

from .case import Case
from .companions import (
    LADDER,
    diagonal_floats,
    flatter_ones,
    larger_batch,
    room_for_flatter,
    rotated_floats,
    same_spectrum,
    smaller_steps,
    splits,
    uncorrelated,
    without_replacement,
)
from .conditions import SINGLE, listed
from .domains import anywhere, with_labels
from .linear_stability import SETTING
from .margins import NEGATIVE, POSITIVE, Margin, Wanted, at_step, with_grams
from .sources import (
    ANDREYEV_BENEVENTANO,
    CHEMNITZ_ENGEL,
    COHEN,
    HOCHREITER,
    KESKAR,
    MA_YING,
    MULAYOFF_MICHAELI,
    ROTA_STRANG,
    THEORY,
    WU_MA_E,
    ZIYIN,
)
from .statement import Condition, Fact, Instance, Statement, both, related

SEVERAL = Condition("several samples", lambda case: Fact(len(case.gram) > 1, f"N = {len(case.gram)}"))
STABLE = Condition("lambda < 0", lambda case: case.is_sign("lambda", "negative"))
GD_STABLE = Condition("mu < 0", lambda case: case.is_sign("mu", "negative"))


def _case(rows: str, eta: str, signs: str, **more: Any) -> Instance:
    """An instance in short: rows "1 2; 2 5", signs "lambda < 0, ms > 0"."""
    words = {"<": "negative", ">": "positive", "=": "zero"}
    found = tuple((quantity, words[relation]) for quantity, relation, _ in (part.split() for part in signs.split(",")))
    scheme = f", batch {more['batch']} {'with' if more.get('replacement', True) else 'without'} replacement" if "batch" in more else ""
    return Instance(f"K = [[{rows.replace('; ', '], [').replace(' ', ', ').replace(',,', ',')}]], eta = {eta}{scheme}", found, eta,
                    tuple(tuple(row.split()) for row in rows.split(";")), **more)  # fmt: skip


def _never_unstable(companions: Callable[[Case], Iterator[tuple[str, Case]]]) -> Callable[[Case], Fact]:
    """A conclusion: no companion has lambda > 0. One certified positive sign refutes; all must be decided to hold."""

    def test(case: Case) -> Fact:
        facts = []
        for label, companion in companions(case):
            fact = companion.is_sign("lambda", "negative", "zero")
            facts.append(Fact(fact.value, f"{label}: {fact.reason}", fact.certificates))
            if fact.value is False:
                break
        return both(*facts) if facts else Fact(None, "the rule gives no companion here")

    return test


def _iff_mean_square(case: Case) -> Fact:
    stable, contracts = case.is_sign("lambda", "negative"), case.is_sign("ms", "negative")
    value = None if None in (stable.value, contracts.value) else stable.value == contracts.value
    return Fact(value, f"{stable.reason}; {contracts.reason}", (*stable.certificates, *contracts.certificates))


def _radius_at_most_one(case: Case) -> Fact:
    """Batch 1: an eigenvalue 1 - c_i of modulus above 1 refutes; otherwise all c_i <= 2 and E12."""
    return Fact(max(case.c) <= 2, f"{listed('c', case.c)}; the step of sample i has the eigenvalue 1 - c_i")


def _one_sign_change(case: Case) -> Fact:
    """Along the ladder of step sizes no positive sign is followed by a negative one."""
    etas = sorted({case.eta * f for f in LADDER} | {case.eta} | {case.eta / f for f in LADDER[:5]})
    cases = [(eta, case if eta == case.eta else case.at(eta)) for eta in etas]
    signs = [(eta, one.is_sign("lambda", "positive"), one.is_sign("lambda", "negative")) for eta, one in cases]
    unstable = next(((eta, fact) for eta, fact, _ in signs if fact.value), None)
    if unstable is not None:
        again = next(((eta, fact) for eta, _, fact in signs if eta > unstable[0] and fact.value), None)
        if again is not None:
            return Fact(False, f"lambda > 0 at {unstable[0]}, lambda < 0 at {again[0]}", (*unstable[1].certificates, *again[1].certificates))
    if any(fact.value is None for _, fact, _ in signs):
        return Fact(None, "some sign on the ladder of step sizes is not proved")
    return Fact(True, f"one sign change at most among {len(etas)} step sizes", tuple(c for _, fact, _ in signs for c in fact.certificates))


def _spectrum_decides(case: Case) -> Fact:
    own = case.is_sign("lambda", "negative")
    for label, companion in same_spectrum(case):
        there = companion.is_sign("lambda", "negative")
        zero = case.is_sign("lambda", "zero").value or companion.is_sign("lambda", "zero").value
        value = None if None in (own.value, there.value) or zero else own.value == there.value
        return Fact(value, f"{own.reason}; {label}: {there.reason}", (*own.certificates, *there.certificates))
    return Fact(None, "one sample has no companion")


def _slogan(case: Case) -> Fact:
    """Two ways in which it fails exactly: labels without a solution, and starts in a stable component."""
    sign = case.is_sign("lambda", "negative")
    if case.hypotheses.solvable.value is False:
        value = None if sign.value is None else not sign.value
        return Fact(value, f"M is empty ({case.hypotheses.solvable.reason}), so SGD converges to no minimum; {sign.reason}", sign.certificates)
    if sign.value is False and isinstance(case.optimiser, SGD) and case.single_draws and not case.full_batch:
        p = case.optimiser.weights or (Fraction(1),) * len(case.gram)
        for part in case.minimum.components if len(case.minimum.components) > 1 else ():
            alone = case.of(Problem.from_gram(case.minimum.block(part), SGD(case.eta, weights=[p[i] for i in part]), name=f"component {list(part)}"))
            inside = alone.is_sign("lambda", "negative")
            if inside.value:
                text = f"{sign.reason}, yet from every start in the span of the gradients {list(part)} SGD converges almost surely: there {inside.reason}"
                return Fact(False, text, (*sign.certificates, *inside.certificates))
    if sign.value is None:
        return sign
    seen = case.simulated("converges")
    return Fact(None if seen.value is None else seen.value == sign.value, f"{sign.reason}; {seen.reason}", sign.certificates, seen.error_probability)


def _less_than_all(case: Case) -> Fact:
    optimiser = case.optimiser
    batch = optimiser.batch if isinstance(optimiser, SGD) else len(case.gram)
    return Fact(batch < len(case.gram), f"batch {batch}, N = {len(case.gram)}")


def _true_batches(case: Case) -> Fact:
    optimiser = case.optimiser
    fits = isinstance(optimiser, SGD) and optimiser.replacement and optimiser.weights is None and 2 <= optimiser.batch <= len(case.gram)
    return Fact(fits, f"batch {optimiser.batch if isinstance(optimiser, SGD) else 'full'}, N = {len(case.gram)}")



def _folklore(test: Callable[[Case], Fact], conclusion: str, refuted_by: str, **fields: Any) -> Statement:
    """What all entries of this file have in common."""
    references = (*fields.pop("references"), THEORY.format(refuted_by))
    relations = related(refuted_by=refuted_by) + fields.pop("relations", ())
    condition = Condition(conclusion, test)
    return Statement(variables=SETTING, conclusion=condition, references=references, evidence="refuted", relations=relations, **fields)


STATEMENTS = (
    _folklore(
        _iff_mean_square,
        "lambda < 0 iff ms < 0",
        "E14",
        id="F-mean-square",
        title="lambda < 0 iff mean-square stable",
        plain="SGD is stable if and only if its second moment contracts.",
        latex=r"\lambda<0\iff\rho(\mathbb E[A\otimes A])<1",
        hypotheses=(),
        instances=(_case("1 2; 2 5", "1/2", "lambda < 0, ms > 0"),),
        margin=Margin((NEGATIVE,), cheap=lambda batch: batch.mean_square() - 1e-9),
        references=(WU_MA_E, MA_YING, MULAYOFF_MICHAELI),
        relations=related(see="E11"),
        remark="Mean-square stability implies lambda < 0 (E11).",
    ),
    _folklore(
        lambda case: case.is_sign("lambda", "negative"),
        "lambda < 0",
        "E6''",
        id="F-gd-sgd",
        title="Stable under gradient descent implies stable under SGD",
        plain="A minimum at which gradient descent is stable is stable for SGD with the same step size.",
        latex=r"\mu<0\Rightarrow\lambda<0",
        hypotheses=(SINGLE, GD_STABLE),
        instances=(_case("1 1; 1 2", "3/2", "mu < 0, lambda > 0"), _case("1 0; 0 1", "3", "mu < 0, lambda > 0")),
        margin=Margin((POSITIVE,), cheap=lambda batch: -batch.mu() - 1e-9),
        references=(WU_MA_E, CHEMNITZ_ENGEL),
    ),
    _folklore(
        lambda case: case.is_sign("mu", "negative"),
        "mu < 0",
        "E6''",
        id="F-sgd-gd",
        title="Stable under SGD implies stable under gradient descent",
        plain="A minimum at which SGD is stable is stable for gradient descent with the same step size.",
        latex=r"\lambda<0\Rightarrow\mu<0",
        hypotheses=(SINGLE, STABLE),
        instances=(_case("2 3; 3 5", "3/5", "lambda < 0, mu > 0"),),
        margin=Margin((NEGATIVE,), cheap=lambda batch: batch.mu() - 1e-9),
        references=(WU_MA_E, COHEN, CHEMNITZ_ENGEL),
    ),
    _folklore(
        _spectrum_decides,
        "a minimum with the same spectrum has the same sign of lambda",
        "E3",
        id="F-spectrum",
        title="lambda depends only on the spectrum of K",
        plain="The eigenvalues of K (of the Hessian) and the step size decide whether SGD is stable.",
        latex=r"\operatorname{spec}K=\operatorname{spec}K'\Rightarrow\operatorname{sign}\lambda(K)=\operatorname{sign}\lambda(K')",
        hypotheses=(SINGLE, SEVERAL),
        instances=(_case("1 1; 1 5", "3/7", "lambda > 0"), _case("2 2; 2 4", "3/7", "lambda < 0")),
        margin=Margin((NEGATIVE,), (Wanted(1, with_grams(rotated_floats)),)),
        references=(COHEN, CHEMNITZ_ENGEL),
        remark="Both kernels have trace 6 and determinant 4. The companion in a check is K rotated by 45 degrees.",
    ),
    _folklore(
        _never_unstable(flatter_ones),
        "a flatter minimum is stable as well",
        "E14",
        id="F-flatter",
        title="Flatter implies smaller lambda",
        plain="If a minimum is stable, so is every minimum with a smaller top Hessian eigenvalue and a smaller trace.",
        latex=r"\|K'\|<\|K\|,\ \operatorname{tr}K'<\operatorname{tr}K\Rightarrow\lambda(K')\le\lambda(K)",
        hypotheses=(SINGLE, SEVERAL, STABLE),
        instances=(_case("3 2; 2 3", "3/5", "lambda < 0"), _case("1 1; 1 4", "3/5", "lambda > 0")),
        margin=Margin((NEGATIVE,), cheap=room_for_flatter),
        references=(HOCHREITER, KESKAR, WU_MA_E),
        relations=related(see="E7"),
        remark="K' = [[1,1],[1,4]] has trace 5 < 6 and top eigenvalue (5 + sqrt 13)/2 < 5. The companion in a check is diagonal.",
    ),
    _folklore(
        _never_unstable(larger_batch),
        "it is stable for the next larger batch",
        "E14",
        id="F-larger-batch",
        title="A larger batch is never less stable",
        plain="If SGD is stable for some batch size, it is stable for every larger one.",
        latex=r"\lambda_B<0\Rightarrow\lambda_{B+1}<0",
        hypotheses=(Condition("a batch of fewer than N samples", _less_than_all), STABLE),
        instances=(
            _case("2 3; 3 5", "3/5", "lambda < 0"),
            _case("2 3; 3 5", "3/5", "lambda > 0", batch=2, replacement=False),
            _case("4 7; 7 16", "7/29", "lambda < 0"),
            _case("4 7; 7 16", "7/29", "lambda > 0", batch=2),
        ),
        margin=Margin((NEGATIVE,), tuple(Wanted(1, None, {"batch": 2, "replacement": r}) for r in (True, False))),
        drawn=anywhere(),
        references=(KESKAR, WU_MA_E, ANDREYEV_BENEVENTANO),
    ),
    _folklore(
        _radius_at_most_one,
        "the joint spectral radius is at most 1",
        "E6'",
        id="F-jsr",
        title="A joint spectral radius of at most 1 is necessary",
        plain="SGD can be stable only if no sequence of steps expands.",
        latex=r"\lambda<0\Rightarrow\rho_{\mathrm{JSR}}\le1",
        hypotheses=(SINGLE, SEVERAL, STABLE),
        instances=(_case("2 2; 2 3", "3/4", "lambda < 0"),),
        margin=Margin((NEGATIVE,), cheap=lambda batch: batch.c().max(axis=1) - 2 - 1e-9),
        references=(ROTA_STRANG,),
        relations=related(see="E12"),
        remark="c_2 = 9/4, so the second step has the eigenvalue -5/4.",
    ),
    _folklore(
        _never_unstable(smaller_steps),
        "no smaller step size is unstable",
        "E6''",
        id="F-smaller-steps",
        title="Smaller steps are safer",
        plain="If SGD is stable at a step size, it is stable at every smaller one.",
        latex=r"\lambda(\eta)<0,\ \eta'<\eta\Rightarrow\lambda(\eta')\le0",
        hypotheses=(STABLE,),
        instances=(_case("1 2; 2 5", "4/5", "lambda > 0"), _case("1 2; 2 5", "1", "lambda < 0"), _case("1 2; 2 5", "80/81", "lambda < 0")),
        margin=Margin((NEGATIVE,), tuple(Wanted(1, at_step(float(f))) for f in LADDER)),
        references=(COHEN, CHEMNITZ_ENGEL),
        relations=related(equivalent_to="F-monotone"),
        remark="The companions in a check are at fixed fractions of the step size.",
    ),
    _folklore(
        _never_unstable(uncorrelated),
        "with orthogonal gradients of the same norms it is stable as well",
        "E14",
        id="F-correlated",
        title="Correlated gradients destabilise",
        plain="If a minimum is stable, it stays stable when its gradients are made orthogonal.",
        latex=r"\lambda(K)<0\Rightarrow\lambda(\operatorname{diag}K)\le0",
        hypotheses=(SINGLE, SEVERAL, STABLE),
        instances=(_case("2 0; 0 3", "3/4", "lambda > 0"), _case("2 2; 2 3", "3/4", "lambda < 0")),
        margin=Margin((NEGATIVE,), (Wanted(1, with_grams(diagonal_floats)),)),
        references=(WU_MA_E, ZIYIN),
    ),
    _folklore(
        _never_unstable(without_replacement),
        "it is stable without replacement",
        "E14",
        id="F-without-replacement",
        title="Without replacement is at least as stable as with",
        plain="Drawing the samples of a batch without replacement is never less stable than drawing them with replacement.",
        latex=r"\lambda_{B,\text{with}}<0\Rightarrow\lambda_{B,\text{without}}<0",
        hypotheses=(Condition("batches of 2 to N samples, drawn uniformly with replacement", _true_batches), STABLE),
        instances=(_case("2 3; 3 5", "3/5", "lambda < 0", batch=2), _case("2 3; 3 5", "3/5", "lambda > 0", batch=2, replacement=False)),
        margin=Margin((Wanted(-1, None, {"batch": 2}), Wanted(1, None, {"batch": 2, "replacement": False})), batch=2),
        drawn=anywhere(batches=(2,)),
        references=(ANDREYEV_BENEVENTANO, WU_MA_E),
        remark="About batches; reshuffled epochs are another family and remain open here.",
    ),
    _folklore(
        _one_sign_change,
        "no step size with lambda > 0 lies below one with lambda < 0",
        "E6''",
        id="F-monotone",
        title="The sign of lambda is monotone in the step size",
        plain="SGD is stable below a critical step size and unstable above it.",
        latex=r"\exists\,\eta^*:\ \lambda<0\text{ on }(0,\eta^*),\ \lambda\ge0\text{ on }(\eta^*,\infty)",
        hypotheses=(),
        instances=tuple(_case("1 2; 2 5", eta, f"lambda {sign} 0") for eta, sign in (("1/6", "<"), ("4/5", ">"), ("80/81", "<"), ("6/5", ">"))),
        margin=Margin((NEGATIVE,), tuple(Wanted(1, at_step(float(f))) for f in LADDER)),
        references=(COHEN, CHEMNITZ_ENGEL),
        relations=related(equivalent_to="F-smaller-steps", see="E13"),
        remark="True for gradient descent and for equal norms (E7). The check looks at a ladder of step sizes.",
    ),
    _folklore(
        _slogan,
        "it converges to a minimum, from the start at hand, iff lambda < 0",
        "T3",
        id="F-slogan",
        title="SGD converges iff lambda < 0",
        plain="Without any hypothesis: SGD converges to a global minimum if and only if lambda is negative.",
        latex=r"w_n\to w_\infty\in M\iff\lambda<0",
        hypotheses=(),
        instances=(
            Instance("labels without a solution: M is empty, yet lambda < 0", (("lambda", "negative"),), "1/2", features=(("1",), ("1",)), labels=("0", "1")),
            _case("1 0; 0 3", "1", "lambda > 0"),
        ),
        margin=Margin((POSITIVE,), cheap=splits),
        drawn=with_labels,
        references=(CHEMNITZ_ENGEL,),
        remark="It fails without a solution, and at a reducible minimum: K = diag(1, 3) at eta = 1 has lambda = (1/2) log 2 > 0 (E3), yet from a start with "
        "r = (1, 0) SGD reaches the minimum as soon as sample 1 is drawn. On a nonlinear model it fails further: T2 is about the support of the limit.",
    ),
)

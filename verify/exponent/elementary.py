"""The elementary facts E2 to E7: each decides a case by one line of arithmetic, and each is a certificate kind of its own.

All of them are exact. A fact that does not apply says why.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..balls import LogSum, log_sum_bounds, log_sum_expression
from ..minimum import Minimum
from ..optimiser import MAX_STEPS, SGD, GradientDescent, batches, count_batches, is_full_batch, single_steps
from .gradient_descent import gd_finding
from .question import Bound, Finding, Question

ZERO = Fraction(0)
# The checker forms K exactly up to this many samples.
MAX_SAMPLES = 200
NEEDS_OPTIMISER = "needs an optimiser and a Gram matrix, not bare matrices"
NEEDS_SINGLE_DRAWS = "is a fact for batch 1 and a plain optimiser (one output, no momentum, weight decay or epochs)"
NEEDS_PLAIN = "is a fact for plain SGD (one output, no momentum, weight decay or epochs)"


def full_batch(question: Question) -> Finding:
    """E2: a full batch without replacement is gradient descent, lambda = mu."""
    if question.minimum is None or question.optimiser is None:
        return Finding(NEEDS_OPTIMISER)
    if question.samples is not None or not is_full_batch(question.optimiser, question.minimum.size):
        return Finding("the batch is not the full data set")
    return gd_finding(question.minimum, question.optimiser, question.width)


def one_dimension(question: Question) -> Finding:
    """d = 1 (one sample, or parallel gradients): lambda = sum p_s log |a_s|, the determinant formula with equality."""
    if question.minimum is not None and question.samples is None and question.minimum.rank > 1:
        return Finding("the gradients span more than one dimension")
    if question.why_no_family:
        return Finding(question.why_no_family)
    if question.family.dimension != 1:
        return Finding("the gradients span more than one dimension")
    terms = [(p, abs(a[0][0])) for a, p in zip(question.family.matrices, question.family.probabilities, strict=True)]
    return exactly(terms, {"kind": "determinant"}, question.fine_width)


def orthogonal(question: Question) -> Finding:
    """E3: orthogonal gradients, lambda = max_i E log |1 - eta m_i K_ii / B|."""
    if question.minimum is None or question.optimiser is None:
        return Finding(NEEDS_OPTIMISER)
    if not question.plain:
        return Finding(NEEDS_PLAIN)
    coordinates = list(question.step_sizes_times_norms)
    if any(question.minimum.gram[i][j] for i in coordinates for j in coordinates if i != j):
        return Finding("the gradients are not orthogonal")
    if count_batches(question.optimiser, question.minimum.size, 1) > 1001:
        return Finding("too many batches")
    sums = [_coordinate_terms(question.minimum, question.optimiser, i) for i in coordinates]
    width = question.fine_width
    while True:
        findings = [exactly(terms, {"kind": "orthogonal"}, width) for terms in sums]
        best = max(findings, key=lambda finding: (finding.expression != "-oo", finding.upper.value if finding.upper else ZERO))
        if best.expression == "-oo" or all(f.expression in (best.expression, "-oo") or is_below(f, best) for f in findings):
            return best
        if width < Fraction(1, 10**60):  # a tie that cannot be told apart: the value is enclosed, the expression is not claimed
            return replace(best, expression=None)
        width /= 10**12


def _coordinate_terms(minimum: Minimum, optimiser: object, i: int) -> LogSum:
    assert isinstance(optimiser, SGD)
    c = optimiser.step_size * minimum.gram[i][i] / optimiser.batch
    return [(p, abs(1 - e * c)) for (e,), p in batches(optimiser, minimum.size, [i]) if e]


def equal_norms(question: Question) -> Finding:
    """E7: all K_ii = k. lambda has the sign of eta k - 2, whatever the angles; at eta k = 2 it is exactly 0."""
    if not question.single_draws:
        return Finding(NEEDS_SINGLE_DRAWS)
    values = set(question.step_sizes_times_norms.values())
    if len(values) > 1 or len(question.step_sizes_times_norms) < len(question.indices):
        return Finding("the gradients have different norms")
    (c,), proof = values, {"kind": "equal-norms"}
    if c == 2:
        return Finding("all steps are reflections", Bound(ZERO, proof), Bound(ZERO, proof), "0")
    return Finding("", upper=Bound(ZERO, proof, True)) if c < 2 else Finding("", lower=Bound(ZERO, proof, True))


def nonexpansive(question: Question) -> Finding:
    """E5: no step expands and every gradient is contracted, so lambda < 0. Any batch: room M^-1 - K_SS positive definite, room = (2 - eta omega) B/eta, for
    each batch with multiplicities M on its support S. Weight decay, epochs and vector outputs included; not momentum, whose steps expand."""
    minimum, optimiser = question.minimum, question.optimiser
    if minimum is None or optimiser is None:
        return Finding(NEEDS_OPTIMISER)
    if optimiser.momentum:
        return Finding("is no fact for momentum")
    draws, size = single_steps(optimiser), minimum.size
    batch = size if isinstance(draws, GradientDescent) else draws.batch
    room = (2 - optimiser.step_size * optimiser.weight_decay) * batch / optimiser.step_size
    contracts = Finding("every batch contracts", upper=Bound(ZERO, {"kind": "nonexpansive"}, True))
    if batch == 1 and minimum.outputs == 1:
        eta = optimiser.step_size
        too_large = [(i, eta * minimum.gram[i][i]) for i in question.indices if minimum.gram[i][i] >= room]
        if too_large:
            return Finding(f"c_{too_large[0][0]} = {too_large[0][1]} >= {2 - eta * optimiser.weight_decay}")
        return replace(contracts, reason="all c_i < 2" if optimiser.plain else "all eta (omega + K_ii) < 2")
    cap = draws.batch if isinstance(draws, SGD) and draws.replacement else 1
    gram = minimum.block(question.indices)
    if positive_definite([[(room / cap if i == j else ZERO) - x for j, x in enumerate(row)] for i, row in enumerate(gram)]):
        return contracts
    if count_batches(draws, size, len(question.indices)) > MAX_STEPS:
        return Finding("there are too many batches to look at each")
    for m, p in batches(draws, size, question.indices):
        support = [(a, e) for a, e in zip(minimum.rows(question.indices), (e for e in m for _ in range(minimum.outputs)), strict=True) if e]
        block = [[(room / e if a == b else ZERO) - minimum.gram[a][b] for b, _ in support] for a, e in support]
        if p and support and not positive_definite(block):
            return Finding(f"the batch {m} does not contract all its directions")
    return contracts


def boundary(question: Question) -> Finding:
    """E5': all c_i <= 2. lambda < 0 iff every component of the graph contains some c_i < 2; otherwise lambda = 0."""
    if not question.single_draws:
        return Finding(NEEDS_SINGLE_DRAWS)
    c = question.step_sizes_times_norms
    if max(c.values()) > 2:
        return Finding("some c_i > 2")
    assert question.minimum is not None
    proof = {"kind": "boundary"}
    for component in question.minimum.components:
        if set(component) <= set(c) and all(c[i] == 2 for i in component):
            return Finding(f"the component {list(component)} consists of reflections", Bound(ZERO, proof), Bound(ZERO, proof), "0")
    return Finding("", upper=Bound(ZERO, proof, True))


def determinant(question: Question) -> Finding:
    """E4: lambda >= (1/d) E log |det A|, so E log |det A| > 0 proves lambda > 0. For batch 1, det A_i = 1 - c_i."""
    if question.single_draws:
        p, c = question.draw_probabilities, question.step_sizes_times_norms
        terms = [(p[i] / question.rank, abs(1 - c[i])) for i in c]
    elif question.why_no_family:
        return Finding(question.why_no_family)
    else:
        family = question.family
        terms = [(p / family.dimension, abs(a)) for a, p in zip(family.determinants, family.probabilities, strict=True)]
    bounds = log_sum_bounds(terms, Fraction(1, 10**30))
    if bounds is None:
        return Finding("a step is singular, so the mean of log |det A| is -infinity")
    low = outward_short(bounds[0])
    if question.single_draws and low > 0 and len(question.indices) > MAX_SAMPLES:  # the sign alone does not need d
        return Finding("", lower=Bound(ZERO, {"kind": "determinant"}, True))
    return Finding("" if low > 0 else "the mean of log |det A| is not positive", lower=Bound(low, {"kind": "determinant"}))


def is_below(rival: Finding, best: Finding) -> bool:
    """Whether the rival's value is certainly the smaller one."""
    return bool(rival.upper and best.lower and rival.upper.value < best.lower.value)


def exactly(terms: LogSum, proof: dict[str, object], width: Fraction) -> Finding:
    """A value known as a sum of logarithms; zero and -infinity are recognised, and the enclosure shows the sign."""
    expression = log_sum_expression(terms)
    bounds = log_sum_bounds(terms, width)
    if bounds is None:
        return Finding("some step annihilates the direction", upper=Bound(ZERO, proof, True), expression="-oo")
    if _is_zero(terms):
        return Finding("the product of the powers is 1", Bound(ZERO, proof), Bound(ZERO, proof), "0")
    while bounds[0] <= 0 <= bounds[1] and width > Fraction(1, 10**1000):
        width /= 10**6
        bounds = log_sum_bounds(terms, width) or bounds
    return Finding("", Bound(bounds[0], proof), Bound(bounds[1], proof), expression)


def _is_zero(terms: LogSum) -> bool:
    """Whether sum w log x = 0, by comparing powers where those are small enough to write down."""
    import math

    common = math.lcm(*(w.denominator for w, _ in terms)) if terms else 1
    if sum(abs(w) * common * (x.numerator.bit_length() + x.denominator.bit_length()) for w, x in terms) > 50_000:
        return all(x == 1 for _, x in terms)
    return math.prod((x ** int(w * common) for w, x in terms), start=Fraction(1)) == 1


def outward_short(number: Fraction) -> Fraction:
    """Round down to 15 significant decimals, so that certificates stay readable."""
    if not number:
        return number
    size = len(str(abs(number.numerator) // number.denominator)) if abs(number) >= 1 else -(len(str(number.denominator)) - len(str(abs(number.numerator)))) + 1
    scale = Fraction(10) ** (15 - size)
    return (number * scale).__floor__() / scale


def positive_definite(rows: list[list[Fraction]]) -> bool:
    """Exactly: the characteristic polynomial of a symmetric matrix has strictly alternating signs."""
    import math

    from flint import fmpz_mat

    scale = math.lcm(*(x.denominator for row in rows for x in row))
    coefficients = fmpz_mat([[int(x * scale) for x in row] for row in rows]).charpoly().coeffs()
    return all((-1) ** (len(rows) - k) * int(c) > 0 for k, c in enumerate(coefficients))

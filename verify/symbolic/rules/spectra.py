"""The eigenvalues of K that decide what gradient descent does, in closed form: of any K of one or two samples, of structured K of any size, and by components.

max_j |s - eta kappa_j/N| depends on the least and the largest kappa only, so the parts of `spectral_parts` are reduced to candidates for these two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy

from ..algebra import is_zero
from ..assumptions import Assumptions
from ..case import Case, Refused, need
from ..problem import Matrix
from ..result import Step
from .spectral_parts import FACT, FINDERS, Eigenvalue, Part, compare, tidy

MAX_CANDIDATES = 16


@dataclass(frozen=True)
class Spectrum:
    """Nonzero eigenvalues of K: the least is one of `lows`, the largest one of `highs` (one each where the assumptions decide the order).

    `defined`: conditions without which the formulas have no value; `positive`: those without which some eigenvalue vanishes and drops out.
    """

    lows: tuple[Any, ...]
    highs: tuple[Any, ...]
    defined: tuple[Any, ...]
    positive: tuple[Any, ...]
    steps: tuple[Step, ...]

    @property
    def conditions(self) -> tuple[Any, ...]:
        """All conditions."""
        return (*self.defined, *(x for x in self.positive if x not in self.defined))

    @property
    def only(self) -> Any | None:
        """The eigenvalue, if there is one candidate for both ends."""
        return self.lows[0] if self.lows == self.highs and len(self.lows) == 1 else None

    @property
    def ends(self) -> tuple[Any, Any] | None:
        """(least, largest) where both are decided."""
        return (self.lows[0], self.highs[0]) if len(self.lows) == len(self.highs) == 1 else None


def spectrum(case: Case) -> Spectrum:
    """The extreme nonzero eigenvalues of K on the samples of the case. Raises `Refused` where no finder knows a block of K."""
    need(case.indices, "no sample has a gradient")
    matrix, steps = _smaller(case)
    found = [_part(block) for block in dict.fromkeys(_blocks(matrix))]
    steps += [step for part in found for step in part.steps]
    if len(found) > 1:
        steps.append(Step("E1", f"K is block diagonal up to the order of samples, with {len(found)} different blocks: its eigenvalues are those of the blocks"))
    lows = _reduced([x for part in found for x in (part.values[:1] if part.ascending else part.values)], case.assumptions, 1)
    highs = _reduced([x for part in found for x in (part.values[-1:] if part.ascending else part.values)], case.assumptions, -1)
    count = len({x.value for x in (*lows, *highs)})
    need(count <= MAX_CANDIDATES, f"{count} eigenvalues may be the least or the largest, too many for one formula")
    if count > 1:
        steps.append(Step(FACT, f"the least nonzero eigenvalue is {_listed(lows)}, the largest {_listed(highs)}"))
    need(all(not x.value.is_number or compare(x.value, sympy.Integer(0)) == 1 for x in lows), "an eigenvalue of K could not be told from zero")
    defined = tuple(_condition(x, case.assumptions, nonzero=True) for part in found for x in part.defined)
    positive = tuple(_condition(x.witness, case.assumptions) for x in lows)
    return Spectrum(tuple(x.value for x in lows), tuple(x.value for x in highs), _known(defined), _known(positive), tuple(steps))


def _smaller(case: Case) -> tuple[Matrix, list[Step]]:
    """K, or X^T X where that is smaller: the same nonzero eigenvalues."""
    features = case.problem.features
    if features is None or features.cols >= len(case.indices):
        return case.gram, []
    rows = features.extract(list(case.indices), list(range(features.cols)))
    dual = sympy.ImmutableDenseMatrix((rows.T * rows).applyfunc(tidy))
    identities = tuple(rows * (rows.T * rows) - (rows * rows.T) * rows) if rows.rows * rows.cols <= 40 else ()
    text = "X (X^T X) = K X: X maps eigenvectors of X^T X outside its kernel to those of K = X X^T, one to one"
    return dual, [Step(FACT, text, identities)]


def _blocks(matrix: Matrix) -> list[Matrix]:
    """The blocks of the connected components of the graph of entries that do not vanish identically; zero blocks are left out."""
    left, found = list(range(matrix.rows)), []
    while left:
        component, grow = [], [left[0]]
        left = left[1:]
        while grow:
            i = grow.pop()
            component.append(i)
            near = [j for j in left if not is_zero(matrix[i, j])]
            left = [j for j in left if j not in near]
            grow += near
        component.sort()
        if len(component) > 1 or not is_zero(matrix[component[0], component[0]]):
            found.append(matrix.extract(component, component))
    return found


def _part(block: Matrix) -> Part:
    for finder in FINDERS:
        part = finder(block)
        if part is not None:
            return part
    raise Refused("K has a block without a known structure")


def _reduced(candidates: list[Eigenvalue], known: Assumptions, sense: int) -> list[Eigenvalue]:
    """Candidates for the least (sense 1) or largest (sense -1) without those that another one surely beats."""
    kept: list[Eigenvalue] = []
    for x in candidates:
        if any(at_least(sense * (x.value - y.value), known) for y in kept):
            continue
        kept = [y for y in kept if not at_least(sense * (y.value - x.value), known)] + [x]
    return kept


def at_least(difference: Any, known: Assumptions) -> bool:
    """Whether difference >= 0 is proved."""
    if difference.is_number:
        return compare(difference, sympy.Integer(0)) in (0, 1)
    if difference.has(sympy.acos) or _fails_somewhere(difference, known):
        return False
    return known.nonnegative(difference)


def _fails_somewhere(difference: Any, known: Assumptions) -> bool:
    """Whether the difference is negative at one of two allowed points: spares the attempt at a proof."""
    symbols = sorted(difference.free_symbols, key=str)
    if known.facts or any(s in known.bounds for s in symbols):
        return False  # the points might not be allowed
    for values in (range(2, 2 + len(symbols)), range(1 + len(symbols), 1, -1)):
        point = {s: -x if s.is_negative or s.is_nonpositive else x for s, x in zip(symbols, values, strict=True)}
        if difference.subs(point).is_negative:
            return True
    return False


def _condition(expression: Any, known: Assumptions, *, nonzero: bool = False) -> Any:
    if expression.is_number:  # not zero, and of a positive semidefinite K
        return sympy.true
    sign = known.sign(expression)
    if sign == 1 or (nonzero and sign == -1):
        return sympy.true
    return sympy.Ne(expression, 0) if nonzero else sympy.StrictGreaterThan(expression, 0, evaluate=False)


def _known(conditions: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(condition for condition in conditions if condition != sympy.true))


def _listed(values: list[Eigenvalue]) -> str:
    return str(values[0].value) if len(values) == 1 else "one of " + ", ".join(str(x.value) for x in values)


@dataclass(frozen=True)
class Modulus:
    """max_j |s - eta kappa_j/N|, piecewise: `pieces` of (value >= 0, condition), and `bounds`, values of which it is the largest."""

    pieces: tuple[tuple[Any, Any], ...]
    bounds: tuple[Any, ...]
    step: Step


def largest_modulus(case: Case, found: Spectrum, center: Any) -> Modulus:
    """max over the eigenvalues of |center - x|, x = eta kappa/N.

    Proof of the pieces. |s - x| = max(s - x, x - s) <= max(s - x_min, x_max - s), attained. The first of the two is at least the second iff
    x_min + x_max <= 2 s; where they agree both are (x_max - x_min)/2, so both pieces are valid there.
    """
    eta, n = case.optimiser.step_size, case.problem.size
    lows, highs = ([tidy(eta * kappa / n) for kappa in ends] for ends in (found.lows, found.highs))
    if found.only is not None:
        value = sympy.Abs(tidy(center - lows[0]))
        return Modulus(((value, sympy.true),), (value,), Step(FACT, "there is one eigenvalue only", ()))
    text = "max_j |s - x_j| = max(s - x_min, x_max - s), and s - x_min is the larger iff x_min + x_max <= 2 s; on the boundary both agree"
    both = set(lows) & set(highs)
    bounds = [sympy.Abs(center - x) for x in lows if x in both] + [center - x for x in lows if x not in both] + [x - center for x in highs if x not in both]
    if found.ends is None or any(kappa.has(sympy.acos, sympy.CRootOf) for kappa in found.ends):
        return Modulus(((sympy.Max(*bounds), sympy.true),), tuple(bounds), Step(FACT, text))  # a second copy of such roots in a condition would not be shorter
    total = tidy(found.lows[0] + found.highs[0])
    step = Step(FACT, text, ((center - lows[0]) - (highs[0] - center) - 2 * center + eta * total / n,))
    below, above = (center - lows[0], sympy.true), (highs[0] - center, sympy.true)
    excess = tidy(2 * n * center - eta * total)
    if at_least(excess, case.assumptions):
        return Modulus((below,), tuple(bounds), step)
    if at_least(-excess, case.assumptions):
        return Modulus((above,), tuple(bounds), step)
    return Modulus(((below[0], eta * total <= 2 * n * center), above), tuple(bounds), step)

"""Finite projective orbits (E18): a finite spanning set of directions that every step maps into itself, and lambda is a finite average over them."""

from __future__ import annotations

from typing import Any

import sympy

from ..algebra import is_zero
from ..case import Case, Family, need
from ..directions import Directions, find_directions
from ..field import Field
from ..growth import MINUS_INFINITY, factors, grouped, maximum, poles
from ..result import Exact, Step
from .registry import Solve, rule

MAX_ORBIT_STEPS, MAX_ORBIT_DIMENSION, MAX_SYMBOLIC_STATES = 12, 5, 8


@rule("lambda", "finitely many directions")
def projective_orbit(case: Case, _: Solve) -> Exact:
    """lambda = max over closed classes C of the chain on directions of sum_{j in C} pi_j sum_s p_s log|a_js|, A_s e_j = a_js e_k(j,s), pi the stationary law.
    Source: E18. Proved by h = exp(g_j) |.| on the direction e_j: its residual is that constant (S2)."""
    family = case.family
    need(2 <= family.dimension <= MAX_ORBIT_DIMENSION, f"the dimension is {family.dimension}")
    need(len(family.steps) <= MAX_ORBIT_STEPS, f"there are more than {MAX_ORBIT_STEPS} steps")
    directions = find_directions(family)
    logarithms = Logarithms(directions)
    classes, mortal = directions.closed_classes()
    values, steps = [MINUS_INFINITY] if mortal else [], []
    for states in classes:
        value, residuals = stationary_average(family, directions, logarithms, states)
        values.append(value)
        names = ", ".join(f"e_{j + 1}" for j in states)
        steps.append(Step("S2", f"on {names} the residual of h = exp(g_j) |.| is the constant {value}, g the solution of Poisson's equation", residuals))
    value = maximum(values, case.assumptions)
    shown = ", ".join(f"e_{j + 1} = {list(v)}" for j, v in enumerate(directions.vectors))
    identities = []
    for j, row in enumerate(directions.arrows):
        for s, (a, arrow) in enumerate(zip(family.steps, row, strict=True)):
            image = a * directions.vectors[j]
            identities += list(image if arrow is None else image - logarithms.products[j, s] * directions.vectors[arrow[0]])
            if arrow is not None and arrow[2] is not None:
                before, after = ((v.T * directions.metric * v)[0] for v in (directions.vectors[j], image))
                identities.append(after - arrow[2] * before)
    text = f"every step maps the directions {shown} into each other, and they span the space: lambda is the largest mean growth of a closed class"
    conditions = dict.fromkeys((*family.conditions, *directions.conditions(case.assumptions), *poles(value, family.steps, case.assumptions)))
    return Exact("lambda", value, tuple(conditions), (Step("E18", text, tuple(identities)), *steps))



class Logarithms:
    """log|a_js| as sums of e/2 log|f| over common irreducible factors f, and the a_js as the products of f^(e/2).

    Irrational numbers have no such factors. There the increments are 1/2 log q_js, q_js = |A_s e_j|^2/|e_j|^2, so that isometries contribute nothing.
    """

    def __init__(self, directions: Directions) -> None:
        self.atoms: list[Any] = []
        self.exponents: dict[tuple[int, int], dict[int, int]] = {}
        self.products: dict[tuple[int, int], Any] = {}
        for j, row in enumerate(directions.arrows):
            for s, arrow in enumerate(row):
                if arrow is not None and arrow[2] is not None:
                    self.exponents[j, s], self.products[j, s] = {} if arrow[2] == 1 else {self._number(arrow[2]): 1}, arrow[1]
                elif arrow is not None:
                    self._add(j, s, arrow[1])

    def _add(self, j: int, s: int, scalar: Any) -> None:
        exponents: dict[int, int] = {}
        for factor, power in factors(scalar):
            k = self._number(factor)
            exponents[k] = exponents.get(k, 0) + 2 * power
        product = sympy.prod([self.atoms[k] ** (e // 2) for k, e in exponents.items()])
        sign = 1 if is_zero(scalar - product) else -1
        need(sign == 1 or is_zero(scalar + product), "a scalar could not be factored")
        self.exponents[j, s], self.products[j, s] = exponents, sign * product

    def _number(self, factor: Any) -> int:
        for k, atom in enumerate(self.atoms):
            if factor in (atom, -atom) or sympy.expand(factor - atom) == 0 or sympy.expand(factor + atom) == 0:
                return k
        self.atoms.append(factor)
        return len(self.atoms) - 1


def stationary_average(family: Family, directions: Directions, logarithms: Logarithms, states: list[int]) -> tuple[Any, tuple[Any, ...]]:
    """The mean growth on a closed class, and the residuals of the solution of Poisson's equation minus that constant, which vanish."""
    field = Field(family.probabilities)
    need(len(states) <= MAX_SYMBOLIC_STATES or not any(p.free_symbols for p in family.probabilities), "a closed class is too large for symbolic weights")
    weights = [field.element(p) for p in family.probabilities]
    n, zero = len(states), field.domain.zero
    place = {j: i for i, j in enumerate(states)}
    balance = [[zero] * n for _ in states]  # I - P, in which the identity has no part
    sums = [[zero] * len(logarithms.atoms) for _ in states]  # coefficients of the logarithms of the factors in sum_s p_s log|a_js|
    for i, j in enumerate(states):
        for s, w in enumerate(weights):
            arrow = directions.arrows[j][s]
            assert arrow is not None  # no step kills in a closed class
            balance[i][i] += w
            balance[i][place[arrow[0]]] -= w
            for k, e in logarithms.exponents[j, s].items():
                sums[i][k] += w * e
    generator, source = field.of(balance), field.of(sums, len(logarithms.atoms))
    (law,) = field.kernel(generator.transpose())
    total = sum(law, start=zero)
    stationary = field.of([[x / total for x in law]])
    mean = stationary * source
    ones = field.of([[field.domain.one]] * n)
    solution = [[zero] * len(logarithms.atoms)]  # g = 0 on the first direction
    if n > 1:
        rest = list(range(1, n))
        right = (source - ones * mean).extract(rest, list(range(len(logarithms.atoms))))
        solution += (generator.extract(rest, rest).to_field().inv() * right).to_list()
    logs = [sympy.log(sympy.Abs(atom)) / 2 for atom in logarithms.atoms]

    def combined(row: list[Any]) -> Any:
        return sum((field.expression(x) * log for x, log in zip(row, logs, strict=True) if x), start=sympy.Integer(0))

    constant, g = combined(mean.to_list()[0]), [combined(row) for row in solution]
    residuals = []
    for i, j in enumerate(states):
        residual = -constant
        for s, p in enumerate(family.probabilities):
            arrow = directions.arrows[j][s]
            assert arrow is not None
            growth = sum((e * logs[k] for k, e in logarithms.exponents[j, s].items()), start=sympy.Integer(0))
            residual += p * (growth + g[place[arrow[0]]] - g[i])
        residuals.append(residual)
    value = grouped((field.expression(x) / 2, atom) for x, atom in zip(mean.to_list()[0], logarithms.atoms, strict=True))
    return value, tuple(residuals)

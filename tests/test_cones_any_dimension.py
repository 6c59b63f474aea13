"""S4 in any dimension: the positive orthant of residuals for kernels with nonpositive correlations and small steps, whole and cut into pieces."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from samples import claim, sealed, sgd

from verify.certificate.check import Rejected, check

ETA = Fraction(1, 4)


def chain(d: int) -> list[list[int]]:
    """K = tridiag(-1, 2, -1), positive definite; every step maps the positive orthant into itself for eta <= 1/2."""
    return [[2 if i == j else -1 if abs(i - j) == 1 else 0 for j in range(d)] for i in range(d)]


def forms(d: int) -> list[int]:
    """Integers near the Perron vector of 2I - K, whose entries are sin(pi (i + 1)/(d + 1))."""
    values = {2: [1, 1], 3: [70, 99, 70], 4: [618, 1000, 1000, 618], 5: [500, 866, 1000, 866, 500]}
    return values[d]


def exact_ends(d: int) -> tuple[Fraction, Fraction]:
    """(least, largest) (K l)_j / l_j: the factors h(A_j e_j)/h(e_j) are 1 - eta times these."""
    k, form = chain(d), forms(d)
    ratios = [sum(Fraction(k[i][j] * form[i]) for i in range(d)) / form[j] for j in range(d)]
    return min(ratios), max(ratios)


def proof(d: int, upper: bool, cut: bool) -> Any:
    unit = [[str(int(i == j)) for i in range(d)] for j in range(d)]
    low, _ = exact_ends(d)
    multipliers = [str(1 / (1 - ETA * low / d))] * d if upper else []
    leaf = ["=", *[0] * d, *multipliers]
    tree = [["/", 0, d - 1, "3", "2"], leaf, ["/", 0, 1, "1", "1"], leaf, leaf] if cut else [leaf]
    return {"kind": "linear-cones", "cones": [unit], "forms": [[str(x) for x in forms(d)]], "trees": [tree]}


def accepted(d: int, relation: str, value: Fraction, upper: bool, cut: bool) -> bool:
    try:
        return bool(check(sealed(claim(sgd(chain(d), str(ETA)), relation, value), proof(d, upper, cut))))
    except Rejected:
        return False


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("d", [2, 3, 4, 5])
def test_the_orthant_proves_both_sides_and_nothing_beyond(d: int, cut: bool) -> None:
    from math import log

    low, high = exact_ends(d)
    # On the cone r <= log(1 - eta low / d) by AM-GM, and at the generators r >= (1/d) log(1 - eta high).
    above, below = log(1 - float(ETA * low) / d), log(1 - float(ETA * high)) / d
    assert accepted(d, "<", Fraction(0), True, cut)
    assert accepted(d, "<=", Fraction(above + 1e-9), True, cut)
    assert not accepted(d, "<=", Fraction(above - 1e-9), True, cut)
    assert accepted(d, ">=", Fraction(below - 1e-9), False, cut)
    assert cut or not accepted(d, ">=", Fraction(below + 1e-9), False, cut)
    assert not accepted(d, ">", Fraction(0), False, cut)


@pytest.mark.parametrize("d", [3, 4, 5])
def test_a_step_that_leaves_the_orthant_is_caught(d: int) -> None:
    subject = sgd(chain(d), "51/100")  # 1 - c_i < 0: a generator is mapped out of the cone
    with pytest.raises(Rejected, match="not mapped into cone"):
        check(sealed(claim(subject, "<"), proof(d, True, False)))

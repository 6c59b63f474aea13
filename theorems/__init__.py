"""Statements as data, put to work: `check("T3", problem)`, `falsify("F-jsr")`, `get("T2")`. THEORY.md has the mathematics.

    >>> import theorems, verify
    >>> problem = verify.Problem.from_gram([["1", "2"], ["2", "5"]], verify.SGD("1/2"))
    >>> theorems.check("F-mean-square", problem).verdict
    'refuted'
"""

from __future__ import annotations

from .case import Case
from .checking import Checked, certify, check
from .citation import cite
from .conclusion import Conclusion, Examined, Facts
from .facts import facts_of
from .falsification import Counterexample, NotFound, falsify
from .registry import UnknownId, get, ids, statements
from .statement import Condition, Fact, Instance, Relation, Statement, Variable, related
from .survey import Survey, survey

__all__ = [
    "Case",
    "Checked",
    "Conclusion",
    "Condition",
    "Counterexample",
    "Examined",
    "Fact",
    "Facts",
    "Instance",
    "NotFound",
    "Relation",
    "Statement",
    "Survey",
    "UnknownId",
    "Variable",
    "certify",
    "check",
    "cite",
    "facts_of",
    "falsify",
    "get",
    "ids",
    "related",
    "statements",
    "survey",
]

"""Search for counterexamples and examples: random cases, directed optimisation, small rationals, an exact recheck with certificates.

    >>> from verify.search import find
    >>> found = find("lambda < 0 and ms > 0", points=2)
    >>> found.case.exact[0].gram, found.judged.certificate["id"]        # doctest: +SKIP

`find_counterexample(predicate, strategy)` looks for a case on which the predicate fails; `strategy` is a Hypothesis strategy or a `RationalSpace`.
Finding nothing proves nothing: `NotFound` says how many cases were tried, and for how long.
"""

from ..predicate import Judged
from .engine import find, find_counterexample
from .result import Counterexample, Effort, NotFound
from .space import RationalSpace

__all__ = ["Counterexample", "Effort", "Judged", "NotFound", "RationalSpace", "find", "find_counterexample"]

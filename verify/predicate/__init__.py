"""Free predicates about a problem, such as `lambda < 0 and ms > 0 and mu > 0`, judged with certificates.

    >>> from verify import SGD, Problem
    >>> from verify.predicate import parse_predicate
    >>> predicate = parse_predicate("lambda < 0 < mu and c2 > 2", points=2)
    >>> predicate.judge(Problem.from_gram([[2, 3], [3, 5]], SGD("3/5"))).holds
    True

Names: `lambda` (top Lyapunov exponent), `mu` (gradient descent), `ms` = log rho(E[A (x) A]), all in nats per step; `eta`; `c1`..`cN` = eta K_ii;
`k11`, `k12`, ... entries of K (`k1_10` where an index has two digits); `kappa_min`, `kappa_max`, the extreme eigenvalues of K. Note that `ms` is twice the
mean-square exponent of `Problem.mean_square()` (their signs agree). Numbers are exact; operators: + - * / ** abs, chained comparisons, and, or, not.
"""

from .evidence import conjunction
from .judge import Judged, Predicate, parse_predicate

__all__ = ["Judged", "Predicate", "conjunction", "parse_predicate"]

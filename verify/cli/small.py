"""`exponent --small`: a sign certificate of lambda that a person can check by hand."""

from __future__ import annotations

import sys
from argparse import Namespace
from fractions import Fraction
from pathlib import Path

from ..exact import InputError
from ..problem import Problem
from ..result import Enclosure, Sign
from .output import beside, print_json, progress, written

MAX_CONES, MAX_DIGITS = 3, 3


def small(problem: Problem, out: tuple[Path, Path] | None, arguments: Namespace) -> int:
    """Search, check and write out the certificate; `out` are the files for (mu, lambda)."""
    from ..exponent.engine import certified
    from ..exponent.planar import small_sign_certificate
    from ..exponent.question import Bound, Finding
    from ..report.certificate_text import small_sections
    from ..report.point import gradient_descent_exponent
    from ..report.text import exponents_json, print_sections

    if not problem.is_exact:
        raise InputError("--small needs an exact Gram matrix, features or matrices")
    if problem.family.dimension != 2:
        raise InputError(f"--small is for two dimensions, but the steps act on {problem.family.dimension}; leave --small out")
    with progress() as say:
        if say:
            say("small certificate")
        mu = gradient_descent_exponent(problem)
        found = small_sign_certificate(problem.family, max_cones=MAX_CONES, max_digits=MAX_DIGITS, time_limit=arguments.time_limit)
    lambda_ = None
    if found is not None:
        relation, proof = found
        bound = Bound(Fraction(0), proof, strict=True)
        finding = Finding("", upper=bound) if relation == "<" else Finding("", lower=bound)
        lambda_ = certified(problem.subject, "lambda", finding, "planar forms, small (S5)", [])
    if found is None or lambda_ is None:
        reason = f"no certificate with at most {MAX_CONES} cones and integers of {MAX_DIGITS} digits was found; leave --small out"
        sections, lambda_ = [], Enclosure("none", reason, None, None)
    else:
        sections = small_sections(problem.family, *found)
    paths: tuple[str | None, str | None] = (None, None)
    if out is not None:
        paths = written(mu, out[0], beside(arguments.certificate, "mu")), written(lambda_, out[1], arguments.certificate)
    if arguments.json:
        print_json(exponents_json(mu, lambda_, paths) | {"small": "\n\n".join(section.text() for section in sections) or None})
    elif sections:
        print_sections(sections, sys.stdout)
        print("\nThe trusted checker has accepted it" + (f"; written to {paths[1]}" if paths[1] else ""))
    else:
        print(f"not found: {lambda_.reason}")
    return 0 if lambda_.sign is not Sign.UNDECIDED else 1

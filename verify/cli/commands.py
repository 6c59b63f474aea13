"""The commands of `sgd-verify`, one function each: arguments in, exit code out. Nothing is printed before everything has succeeded."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from fractions import Fraction
from typing import Any

from ..exact import InputError
from ..problem_file import DEFAULT_EXAMPLE, load_problem
from ..result import Sign
from .output import beside, destination, print_json, progress, written, written_balls
from .sampling import bound_of, sampling_options


def analyse(arguments: Namespace) -> int:
    """The main job."""
    name = arguments.problem if arguments.problem is not None else DEFAULT_EXAMPLE
    figure = destination(arguments.figure, "--figure", (name,)) if arguments.figure is not None else None
    if figure is not None:
        from ..report.plot import check_format

        check_format(figure)
    problem = load_problem(name)
    from ..report.analysis import analyse as analysed

    drawn = None
    if figure is not None and problem.optimiser is None:
        raise InputError("--figure draws exponents against the step size, but a family of bare matrices has none; leave it out")
    with progress() as say:
        found = analysed(problem, arguments.width, time_limit=arguments.time_limit, seed=arguments.seed, progress=say)
        if problem.optimiser is not None and (figure is not None or (sys.stdout.isatty() and not arguments.json)):
            from ..report.curve import curve

            drawn = curve(found, say)
        if figure is not None and drawn is not None:
            from ..report.plot import write_figure

            write_figure(drawn, figure)
    from ..report.text import analysis_sections, print_sections

    if arguments.json:
        print_json(found.to_json() | {"figure": arguments.figure})
    else:
        print_sections(analysis_sections(found), sys.stdout)
        if drawn is not None:
            from ..report.terminal_plot import terminal_picture

            print("\n" + terminal_picture(drawn, shutil.get_terminal_size((100, 24)).columns))
        if figure is not None:
            print(f"\nfigure: {arguments.figure}")
    return 0 if found.decided else 1


def exponent(arguments: Namespace) -> int:
    """mu and lambda, with certificates."""
    out = destination(arguments.certificate, "--certificate", (arguments.problem,)) if arguments.certificate is not None else None
    out_mu = destination(beside(arguments.certificate, "mu"), "--certificate (mu)", (arguments.problem,)) if out is not None else None
    if arguments.ball_certificate is not None and arguments.digits is None:
        raise InputError("--ball-certificate is the certificate of --digits; say how many digits")
    out_balls = destination(arguments.ball_certificate, "--ball-certificate", (arguments.problem,)) if arguments.ball_certificate is not None else None
    problem = load_problem(arguments.problem)
    if arguments.small:
        if arguments.width is not None or arguments.digits is not None:
            raise InputError("--small asks for the sign, --width and --digits for an enclosure; use one of them")
        from .small import small

        return small(problem, (out_mu, out) if out is not None and out_mu is not None else None, arguments)
    from ..report.point import gradient_descent_exponent, reaches

    with progress() as say:
        mu = gradient_descent_exponent(problem, arguments.width)
        options: dict[str, Any] = {"seed": arguments.seed, "confidence": arguments.confidence, "progress": say, "sampling": sampling_options(arguments)}
        lambda_ = problem.lyapunov(arguments.width, digits=arguments.digits, time_limit=arguments.time_limit, **options)
        bound = bound_of(problem, arguments)
    from ..report.text import exponent_sections, exponents_json, print_sections

    paths: tuple[str | None, str | None] = (None, None)
    if out is not None and out_mu is not None:
        paths = written(mu, out_mu, beside(arguments.certificate, "mu")), written(lambda_, out, arguments.certificate)
    balls = written_balls(lambda_, out_balls, arguments.ball_certificate)
    if arguments.json:
        content = exponents_json(mu, lambda_, paths)
        content["lambda"] |= {"ball_certificate": balls} if arguments.digits is not None else {}
        content |= {"upper_bound": bound.to_json()} if bound is not None else {}
        print_json(content)
    else:
        print_sections(exponent_sections(problem, mu, lambda_), sys.stdout)
        if bound is not None:
            print(f"\nlambda is {bound}")
        if out is not None:
            print("\n" + "\n".join(f"certificate of {what}: {path or 'none, nothing is proved'}" for what, path in (("mu", paths[0]), ("lambda", paths[1]))))
        if out_balls is not None:
            print(f"\nball certificate of lambda: {balls or 'none, no ball arithmetic was used: --certificate writes the proof'}")
        elif getattr(lambda_, "ball_certificate", None) is not None:
            print("\nThe sign has a certificate of the standard library; the digits have one in ball arithmetic, which --ball-certificate OUT.json writes.")
    decided = all(x is None or (x.sign is not Sign.UNDECIDED and reaches(x, arguments.width)) for x in (mu, lambda_))
    return 0 if decided and (arguments.digits is None or reaches(lambda_, Fraction(1, 10**arguments.digits))) else 1


def threshold(arguments: Namespace) -> int:
    """The critical step size, or the set of stable ones."""
    from .stability import refuse_certificate, stability

    if arguments.set:
        return stability(arguments)
    refuse_certificate(arguments)
    problem = load_problem(arguments.problem)
    from ..report.analysis import threshold_width

    width = arguments.width if arguments.width is not None else threshold_width(problem)
    from ..report.text import print_sections, threshold_sections
    from ..threshold import NotFound

    try:
        with progress() as say:
            found = problem.threshold(width, time_limit=arguments.time_limit, seed=arguments.seed, progress=say)
    except NotFound as reason:
        if arguments.json:
            print_json({"lo": None, "hi": None, "decimal": [None, None], "kind": "none", "first": False, "method": "none", "reason": str(reason)})
        else:
            print(f"not found: {reason}")
        return 1

    if arguments.json:
        print_json(found.to_json())
    else:
        print_sections(threshold_sections(problem, found), sys.stdout)
    return 0 if arguments.width is None or found.width <= arguments.width else 1


def box(arguments: Namespace) -> int:
    """The sign for a box of kernels."""
    from .stability import box as boxed

    return boxed(arguments)


def closed_form(arguments: Namespace) -> int:
    """Formulas."""
    from .formulas import formulas

    return formulas(arguments)


def simulate(arguments: Namespace) -> int:
    """Real runs."""
    from .simulation import simulation

    return simulation(arguments)


def find(arguments: Namespace) -> int:
    """Examples of a predicate."""
    from .find import find as found

    return found(arguments)


def moments(arguments: Namespace) -> int:
    """Growth rates of moments."""
    from .moments import moments as found

    return found(arguments)


def statements(arguments: Namespace) -> int:
    """The registry of statements."""
    from .statements import statements as shown

    return shown(arguments)


def check(arguments: Namespace) -> int:
    """A statement on a problem."""
    from .statements import check as checked

    return checked(arguments)


def falsify(arguments: Namespace) -> int:
    """A search for a counterexample."""
    from .statements import falsify as falsified

    return falsified(arguments)


def report(arguments: Namespace) -> int:
    """A page about a problem."""
    from .pages import report as reported

    return reported(arguments)


def theorems(arguments: Namespace) -> int:
    """The registry as a site."""
    from .pages import theorems as written

    return written(arguments)


def recheck(arguments: Namespace) -> int:
    """What a certificate proves, according to the trusted checker."""
    from .recheck import recheck as rechecked

    return rechecked(arguments)


def cite(arguments: Namespace) -> int:
    """A certificate or a statement to be cited."""
    from .cite import cite as cited

    return cited(arguments)


def network(arguments: Namespace) -> int:
    """A real network at a minimum."""
    from .network import network as analysed

    return analysed(arguments)


def sweep(arguments: Namespace) -> int:
    """A table along step sizes, of one problem or of many."""
    from .sweep import sweep as swept

    return swept(arguments)


def network_sweep(arguments: Namespace) -> int:
    """Real networks over a grid."""
    from .network_sweep import network_sweep as swept

    return swept(arguments)

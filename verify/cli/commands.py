"""The commands of `sgd-verify`, one function each: arguments in, exit code out. Nothing is printed before everything has succeeded."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from ..exact import InputError
from ..problem_file import DEFAULT_EXAMPLE, load_problem
from ..result import Sign
from .output import beside, destination, print_json, progress, written


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
    problem = load_problem(arguments.problem)
    if arguments.small:
        if arguments.width is not None:
            raise InputError("--small asks for the sign and --width for an enclosure; use one of them")
        from .small import small

        return small(problem, (out_mu, out) if out is not None and out_mu is not None else None, arguments)
    from ..report.point import gradient_descent_exponent, reaches

    with progress() as say:
        mu = gradient_descent_exponent(problem, arguments.width)
        lambda_ = problem.lyapunov(arguments.width, time_limit=arguments.time_limit, seed=arguments.seed, progress=say)
    from ..report.text import exponent_sections, exponents_json, print_sections

    paths: tuple[str | None, str | None] = (None, None)
    if out is not None and out_mu is not None:
        paths = written(mu, out_mu, beside(arguments.certificate, "mu")), written(lambda_, out, arguments.certificate)
    if arguments.json:
        print_json(exponents_json(mu, lambda_, paths))
    else:
        print_sections(exponent_sections(problem, mu, lambda_), sys.stdout)
        if out is not None:
            print("\n" + "\n".join(f"certificate of {what}: {path or 'none, nothing is proved'}" for what, path in (("mu", paths[0]), ("lambda", paths[1]))))
    decided = all(x is None or (x.sign is not Sign.UNDECIDED and reaches(x, arguments.width)) for x in (mu, lambda_))
    return 0 if decided else 1


def threshold(arguments: Namespace) -> int:
    """The critical step size."""
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


def recheck(arguments: Namespace) -> int:
    """What a certificate proves, according to the trusted checker."""
    from ..certificate.check import MAX_BYTES, Rejected, check, read
    from ..report.certificate_text import recheck_json, recheck_sections

    path = Path(arguments.certificate)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{arguments.certificate} cannot be read: {getattr(error, 'strerror', None) or error}; name a certificate file") from None
    certificate: Any = None
    try:
        certificate = read(content)
        statements, reason = check(certificate), ""
    except (Rejected, RecursionError) as refusal:
        statements, reason = [], f"{refusal}" or "nested too deeply"
    if arguments.json:
        print_json(recheck_json(certificate, statements, reason))
    elif reason:
        print(f"rejected: {' '.join(reason.split())}")
    else:
        from ..report.text import print_sections

        print_sections(recheck_sections(certificate, statements), sys.stdout)
    return 1 if reason else 0


def sweep(arguments: Namespace) -> int:
    """A table along step sizes."""
    from ..report.sweep import step_sizes, sweep, table

    out = destination(arguments.csv, "--csv", (arguments.problem,))
    etas = step_sizes(arguments.start, arguments.stop, arguments.steps)
    problem = load_problem(arguments.problem)
    if problem.optimiser is None:
        raise InputError("a family of bare matrices has no step size; give features or gram and an optimiser")
    options: dict[str, Any] = {"time_limit": arguments.time_limit, "seed": arguments.seed}
    options |= {"value_width": arguments.width} if arguments.width is not None else {}
    with progress() as say:
        points = list(sweep(problem, etas, say, **options))
    from ..certificate.format import write_text

    write_text(out, table(points))
    decided = sum(point.decided for point in points)
    if arguments.json:
        print_json({"csv": arguments.csv, "rows": len(points), "decided": decided})
    else:
        print(f"{len(points)} step sizes, signs of mu and lambda proved at {decided}: {arguments.csv}")
    return 0 if decided == len(points) else 1

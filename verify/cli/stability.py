"""The commands `threshold --set` and `box`: signs for whole ranges of step sizes, and for every kernel in a box."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from ..exact import InputError
from ..problem_file import load_problem
from .output import beside, destination, print_json, progress

if TYPE_CHECKING:
    from ..report.text import Section
    from ..threshold.stability_set import StabilitySet

DEFAULT_WIDTH = "1/1000"


def stability(arguments: Namespace) -> int:
    """Print the ranges; exit code 0 iff no gap is longer than the width."""
    out = destination(arguments.certificate, "--certificate", (arguments.problem,)) if arguments.certificate is not None else None
    problem = load_problem(arguments.problem)
    with progress() as say:
        found = problem.stability_set(arguments.width or DEFAULT_WIDTH, time_limit=arguments.time_limit, progress=say)
    paths: list[str] = []
    if out is not None:
        from ..certificate import write_certificate

        for number, certificate in enumerate(found.certificates, 1):
            part = "" if number == 1 else str(number)
            write_certificate(certificate, destination(beside(str(out), part), "--certificate") if part else out)
            paths.append(beside(arguments.certificate, part) if part else arguments.certificate)
    if arguments.json:
        print_json(found.to_json() | ({"certificates": paths} if out is not None else {}))
    else:
        from ..report.text import print_sections

        print_sections([_section(problem.name, found)], sys.stdout)
        if out is not None:
            print(f"\ncertificate: {', '.join(paths) or 'none, nothing is proved'}")
    return 0 if found.complete else 1


def refuse_certificate(arguments: Namespace) -> None:
    """`--certificate` belongs to `--set`."""
    if arguments.certificate is not None:
        raise InputError("--certificate needs --set; without it `exponent PROBLEM --certificate OUT.json` certifies one step size")


def box(arguments: Namespace) -> int:
    """Print the sign in a box of kernels; exit code 0 iff the whole box has it."""
    out = destination(arguments.certificate, "--certificate", (arguments.problem,)) if arguments.certificate is not None else None
    problem = load_problem(arguments.problem)
    if arguments.radius is None and problem.radius is None:
        raise InputError("--radius is not given and the problem file has no radius; write for example --radius 1e-6")
    found = problem.sign_in_box(arguments.radius, time_limit=arguments.time_limit)
    path = None
    if out is not None and found.certificate is not None:
        from ..certificate import write_certificate

        write_certificate(found.certificate, out)
        path = arguments.certificate
    if arguments.json:
        print_json(found.to_json() | ({"certificate": path} if out is not None else {}))
    else:
        from ..report.text import Section, headline, print_sections

        lines = (*(("", note) for note in problem.notes), ("", str(found)), *((("certificate", path or "none, nothing is proved"),) if out is not None else ()))
        print_sections([Section(headline(problem), lines)], sys.stdout)
    return 0 if found.complete else 1


def _section(name: str, found: StabilitySet) -> Section:
    from ..report.text import Section
    from ..result import decimal

    def ends(lo: object, hi: object) -> str:
        left = "(0" if lo == 0 else f"[{decimal(lo, True)}"  # type: ignore[arg-type]
        return f"{left}, infinity)" if hi is None else f"{left}, {decimal(hi, False)}]"  # type: ignore[arg-type]

    lines = [(f"lambda {'<' if r.sign.value == 'negative' else '>'} 0", ends(r.lo, r.hi)) for r in found.ranges]
    lines += [("undecided", f"({decimal(lo, False)}, {'infinity' if hi is None else decimal(hi, True)})") for lo, hi in found.gaps]
    if found.is_interval is not None:
        text = "an interval (0, eta*), eta* in the gap" if found.is_interval else "not an interval: lambda < 0 again above step sizes with lambda > 0"
        lines.append(("the set", text))
    lines += [("remark", found.reason)] if found.reason else []
    title = "every step size in these ranges is proved, not sampled" if found.ranges else "nothing is proved for a range of step sizes"
    return Section(f"{name}: {title}", tuple(lines))

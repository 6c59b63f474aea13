"""The command `moments`: L(p), the escape exponent, the mean-square step size, the joint spectral radius, fluctuations and the Lyapunov spectrum."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..exact import InputError
from .output import destination, print_json, progress

if TYPE_CHECKING:
    from ..moments import Bounds, Spectrum


def moments(arguments: Namespace) -> int:
    """Print what was asked for; exit code 0 iff everything that can be proved is, to the width, and every estimate was made."""
    orders = arguments.p or ([] if any(vars(arguments)[name] for name in _OTHERS) else ["2"])
    out = destination(arguments.certificate, "--certificate", (arguments.problem,)) if arguments.certificate is not None else None
    if out is not None and len(orders) != 1:
        raise InputError(f"--certificate is for one order, but {len(orders)} are asked for; give one --p")
    from .. import moments as found
    from ..problem_file import load_problem

    problem = load_problem(arguments.problem)
    options: dict[str, Any] = {"width": arguments.width, "time_limit": arguments.time_limit, "seed": arguments.seed}
    makers: dict[str, Callable[[], Any]] = {
        "step_size": lambda: found.mean_square_step_size(problem),
        "escape": lambda: found.escape_exponent(problem, **options),
        "radius": lambda: found.joint_spectral_radius(problem, time_limit=arguments.time_limit),
        "variance": lambda: found.growth_variance(problem, seed=arguments.seed),
        "spectrum": lambda: found.lyapunov_spectrum(problem, seed=arguments.seed),
    }
    with progress() as say:
        values: list[Bounds] = []
        for p in orders:
            if say:
                say(f"L({p})")
            values.append(found.moment(problem, p, certificate=out is not None, **options))
        others: dict[str, Any] = {}
        for name, make in makers.items():
            if vars(arguments)[name]:
                if say:
                    say(_OTHERS[name].replace("_", " "))
                others[name] = make()
    path = None
    if out is not None and values[0].certificate is not None:
        from ..certificate import write_certificate

        write_certificate(values[0].certificate, out)
        path = arguments.certificate
    if arguments.json:
        shown = {key: others[name].to_json() if name in others else None for name, key in _OTHERS.items()}
        print_json({"moments": [value.to_json(path) for value in values], **shown})
    else:
        _print(values, others, arguments.certificate, path)
    done = [value.reaches(arguments.width) for value in values] + [_done(name, other, arguments.width) for name, other in others.items()]
    return 0 if all(done) and (out is None or path is not None) else 1


_OTHERS = {
    "step_size": "mean_square_step_size",
    "escape": "escape_exponent",
    "radius": "joint_spectral_radius",
    "variance": "growth_variance",
    "spectrum": "lyapunov_spectrum",
}


def _done(name: str, value: Any, width: Any) -> bool:
    if name == "spectrum":
        return all(x.width is not None for x in value.exponents) and value.sum_rule_holds is not False
    if name == "variance":
        return value.width is not None
    return bool(value.reaches(width if name == "escape" else None))


def _print(values: list[Bounds], others: dict[str, Bounds | Spectrum], wanted: str | None, path: str | None) -> None:
    from ..report.text import Section, print_sections

    sections = [Section("Moments (nats per step)", tuple(("", str(value)) for value in values))] if values else []
    for name, other in others.items():
        title = _OTHERS[name].replace("_", " ").capitalize()
        sections.append(Section(title, tuple(("", line) for line in str(other).splitlines())))
    print_sections(sections, sys.stdout)
    if wanted is not None:
        print(f"\ncertificate: {path or 'none, nothing is certified'}")

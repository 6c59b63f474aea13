"""The command `simulate`: real runs of a problem, or of a nonlinear model from ever closer starts."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from ..exact import InputError
from ..problem_file import load_problem
from .output import destination, print_json, progress

SLOPE_SECONDS = 5.0


def simulation(arguments: Namespace) -> int:
    """Exit code 0 iff there is a verdict (problems), or T2' holds at every limit that was examined (models)."""
    figure = destination(arguments.figure, "--figure", (arguments.problem,)) if arguments.figure is not None else None
    if figure is not None:
        from ..report.plot import check_format

        check_format(figure)
    from ..simulate.model_file import load_model

    loaded = load_model(arguments.problem)
    if loaded is not None:
        if figure is not None or arguments.arithmetic != "auto":
            raise InputError("--figure and --arithmetic are for linear problems; a model is run in double precision and reported as a table")
        return _ladder(arguments, *loaded)
    problem = load_problem(arguments.problem)
    from ..simulate import simulate

    exponent = None
    with progress() as say:
        found = simulate(
            problem, steps=arguments.steps, seed=arguments.seed, error_probability=arguments.error_probability, arithmetic=arguments.arithmetic,
            time_limit=arguments.time_limit, progress=say,
        )  # fmt: skip
        if say:
            say("one run in high precision")
        answer = found.to_json() | {"slope": None} if arguments.json else {}
        if figure is not None:
            from ..report.simulation_plot import slope, write_figure

            if problem.is_exact:
                width = max(abs(found.rate) / 10, 1e-9) if abs(found.rate) < 1e300 else None
                exponent = found.problem.lyapunov(None if width is None else f"{width:.3g}", time_limit=SLOPE_SECONDS, estimate=False, progress=say)
            write_figure(found, exponent, figure)
            line = slope(found, exponent)
            answer["slope"] = None if line is None else {"lo": line.lo, "hi": line.hi, "certified": line.certified}
    if arguments.json:
        print_json(answer | {"figure": arguments.figure})
    else:
        from ..report.simulation_text import simulation_sections
        from ..report.text import print_sections

        print_sections(simulation_sections(found), sys.stdout)
        if figure is not None:
            print(f"\nfigure: {arguments.figure}")
    return 0 if found.verdict != "undecided" else 1


def _ladder(arguments: Namespace, model: Any, optimiser: Any, options: dict[str, Any]) -> int:
    from ..report.simulation_text import ladder_sections
    from ..report.text import print_sections
    from ..simulate import radius_ladder

    problem = model.problem(optimiser)
    if arguments.steps is not None:
        options = options | {"steps": arguments.steps}
    with progress() as say:
        result = radius_ladder(model, optimiser, seed=arguments.seed, progress=say, **options)
    if arguments.json:
        print_json({"problem": problem.name, "notes": list(problem.notes), "ladder": result.to_json()})
    else:
        print_sections(ladder_sections(problem, result), sys.stdout)
    return 0 if result.consistent else 1

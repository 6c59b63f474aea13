"""The commands `report` and `theorems`: pages to look at, written whole or not at all."""

from __future__ import annotations

from argparse import Namespace

from ..exact import InputError
from ..problem_file import load_problem, read_tree
from .output import destination, print_json, progress


def report(arguments: Namespace) -> int:
    """One HTML file about a problem. Exit code 0 iff its exponents are decided, as for `analyse`."""
    out = destination(arguments.html, "--html", (arguments.problem,))
    problem = None if "model" in read_tree(arguments.problem)[0] else load_problem(arguments.problem)
    if problem is None:
        raise InputError(f"{arguments.problem}: it has a nonlinear model, and a report is about features, gram or matrices; sgd-verify simulate runs models")
    from ..certificate.format import write_text
    from ..report.html.report import report as reported

    with progress() as say:
        found = reported(problem, arguments.problem, time_limit=arguments.time_limit, seed=arguments.seed, progress=say)
    write_text(out, found.html)
    size = len(found.html.encode())
    if arguments.json:
        certificates = [{"file": name, "id": id} for name, id in found.certificates]
        print_json({"html": arguments.html, "bytes": size, "decided": found.decided, "certificates": certificates})
    else:
        print(f"{arguments.html}: {size} bytes")
    return 0 if found.decided else 1


def theorems(arguments: Namespace) -> int:
    """The registry as a folder of pages."""
    from ..report.html.folder import site_folder, write_folder

    target = site_folder(arguments.html, "--html")
    from ..report.html.site import site

    files = site()
    write_folder(target, files)
    pages = sorted(name for name in files if name.endswith(".html"))
    if arguments.json:
        print_json({"html": arguments.html, "pages": pages, "certificates": sorted(name for name in files if name.endswith(".json"))})
    else:
        print(f"{arguments.html}: {len(pages)} pages; begin with index.html")
    return 0

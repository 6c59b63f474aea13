"""The command `network`: find a minimum of a network, measure K there, and say what SGD does near it."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from ..exact import InputError
from .output import destination, print_json, progress


def network(arguments: Namespace) -> int:
    """Print the analysis; exit code 0 iff every verdict is decided (and with --certify lambda's sign is proved)."""
    out, certificate = (
        destination(path, option, (arguments.specification,)) if path is not None else None
        for path, option in ((arguments.gram, "--gram"), (arguments.certificate, "--certificate"))
    )
    if out is not None and out == certificate:
        raise InputError(f"--certificate {arguments.certificate} is also another output of this command; name different files")
    from ..network.analysis import analyse_minimum
    from ..network.certified import certified_sign
    from ..network.specification import load_specification

    given = load_specification(arguments.specification)
    with progress() as say:
        if say:
            say("Levenberg-Marquardt")
        minimum = given.minimum()
        if say:
            say("K, thresholds, lambda")
        options: dict[str, Any] = {"resolution": arguments.resolution, "confidence": arguments.confidence, "time_limit": arguments.time_limit}
        found = analyse_minimum(minimum, given.optimiser, name=given.name, seed=arguments.seed, smooth=arguments.assume_smooth, **options)
        theorem, refusal = None, ""
        if wanted := certificate is not None or arguments.certify:
            try:
                theorem = certified_sign(minimum, given.optimiser, time_limit=arguments.time_limit)
            except InputError as error:  # the input is fine, but nothing is proved about it
                refusal = str(error)
    if out is not None:
        _save(found.gram, out)
    written = None
    if certificate is not None and theorem is not None and theorem.sign.certificate is not None:
        from ..certificate import write_certificate

        write_certificate(theorem.sign.certificate, certificate)
        written = arguments.certificate
    from ..network.analysis_text import analysis_sections
    from ..report.text import Section, print_sections

    if arguments.json:
        shown = theorem.to_json() | {"certificate": written} if theorem else {"sign": "undecided", "reason": refusal} if wanted else None
        print_json(found.to_json() | {"gram": arguments.gram, "theorem": shown})
    else:
        sections = analysis_sections(found)
        if wanted:
            title = "Theorem (S8, in ball arithmetic; the sign of lambda by the trusted checker)"
            sections.append(Section(title, (("", str(theorem) if theorem else f"nothing is proved: {refusal}"),)))
        print_sections(sections, sys.stdout)
        if out is not None:
            print(f"\nK: {arguments.gram}")
        if certificate is not None:
            print(f"\ncertificate: {written or 'none, nothing is proved'}")
    return 0 if found.decided and (not wanted or (theorem is not None and theorem.decided)) else 1


def _save(gram: Any, path: Any) -> None:
    """numpy.save, whole or not at all."""
    import io

    import numpy as np

    from ..certificate.format import write_bytes

    stream = io.BytesIO()
    np.save(stream, gram)
    write_bytes(path, stream.getvalue())

"""Coq: processor time of coqc for the library, once, and for certificates of 4 to 300 cones.

    python -m benchmarks.coq          about a minute and a half on one core; needs coqc

Certificates come from the planar search; `bytes` is the size of the export.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from verify import Problem
from verify.certificate.coq import compile_library, to_coq
from verify.optimiser import SGD

CASES = (("101/100", "1/10"), ("101/100", "1/1000"), ("3/2", "1/50"), ("3/2", "1/200"), ("5/2", "1/500"))
MOST = 400  # cones


def seconds(command: list[str]) -> float:
    """Processor time of a command that succeeds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cones(certificate: dict[str, Any]) -> int:
    parts = certificate["proof"].get("parts", [certificate["proof"]])
    return sum(len(part.get("cones", [])) for part in parts)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        before = os.times()
        library = compile_library(Path(scratch) / "library")
        after = os.times()
        print(f"library: {after.children_user + after.children_system - before.children_user - before.children_system:.1f} s")
        print(f"{'K':>16} {'eta':>8} {'width':>8} {'claims':>6} {'cones':>6} {'bytes':>8} {'coqc':>7}")
        for gram in ([["1", "1/2"], ["1/2", "2"]], [["1", "3"], ["3", "10"]]):
            for eta, width in CASES:
                found: Any = Problem.from_gram(gram, SGD(eta)).lyapunov(width)
                if not 1 <= cones(found.certificate) <= MOST:
                    continue
                text = to_coq(found.certificate)
                path = Path(scratch) / "certificate.v"
                path.write_text(text)
                spent = seconds(["coqc", "-q", "-Q", str(library), "SgdVerify", str(path)])
                label, claims = "[" + ", ".join(gram[0] + gram[1][1:]) + "]", text.count("Theorem claim")
                print(f"{label:>16} {eta:>8} {width:>8} {claims:>6} {cones(found.certificate):>6} {len(text):>8} {spent:>5.1f} s", flush=True)


if __name__ == "__main__":
    main()

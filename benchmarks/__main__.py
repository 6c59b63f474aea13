"""All figures of the numeric engine, each with its peer measured in the same run: `python -m benchmarks` (fifteen minutes on a quiet core), `--quick` (three).

Runs the modules digits, planar, thresholds, fan, moments, montecarlo and network one after the other; each can be run alone.
"""

from __future__ import annotations

import runpy
import sys

MODULES = ("digits", "planar", "thresholds", "fan", "moments", "montecarlo", "network")
WITHOUT_QUICK = ("moments", "montecarlo")


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return
    for module in MODULES:
        if quick and module in WITHOUT_QUICK:
            continue
        print(f"\n=== {module} ===", flush=True)
        sys.argv = [module, *(["--quick"] if quick else [])]
        runpy.run_module(f"benchmarks.{module}", run_name="__main__")


if __name__ == "__main__":
    main()

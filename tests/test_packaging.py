"""The wheel carries everything it needs and works from any directory."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, unpacked into an empty folder."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("sgd_verify-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


CARRIED = ["verify/py.typed", "theorems/py.typed", "verify/certificate/FORMAT.md", "verify/data/iris.csv", "verify/data/iris-pair.toml", "theorems/THEORY.md",
           "verify/report/html/templates/style.css"]  # fmt: skip


def test_the_wheel_carries_its_data(installed: Path) -> None:
    assert [name for name in CARRIED if not (installed / name).is_file()] == []


def test_the_installed_package_runs_anywhere(installed: Path, tmp_path: Path) -> None:
    arguments = ["exponent", "example:iris-pair", "--certificate", "c.json"]
    script = f"import sys; sys.path.insert(0, {str(installed)!r}); from verify.cli import main; sys.exit(main({arguments}))"
    done = subprocess.run([sys.executable, "-P", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    checker = installed / "verify" / "certificate" / "check.py"
    checked = subprocess.run([sys.executable, "-I", "-S", str(checker), "c.json"], cwd=tmp_path, capture_output=True, text=True)
    assert checked.stdout.startswith("accepted: lambda")

"""Set up and run, with nothing but Python and pip: `python3 dev.py demo` or `python3 dev.py test`.

Both make `.venv` in this folder once and install headstart in it, with versions pinned by constraints.txt.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENV = HERE / ".venv"
BIN = ENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = ENV / "installed"


def install() -> None:
    """Make the environment, again if what it was made from has changed."""
    wanted = (HERE / "pyproject.toml").read_text() + (HERE / "constraints.txt").read_text()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    print(f"setting up {ENV} (a few minutes the first time)", flush=True)
    venv.create(ENV, with_pip=True)
    call(
        BIN / "python",
        "-m",
        "pip",
        "install",
        "-q",
        "--no-compile",
        "-c",
        HERE / "constraints.txt",
        "-e",
        f"{HERE}[test]",
    )
    STAMP.write_text(wanted)


def call(*command: str | Path) -> None:
    """Run, and stop where it fails. What is imported is compiled once, not by every process anew: torch takes seconds."""
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    code = subprocess.run([str(part) for part in command], cwd=HERE, check=False, env=compiled).returncode
    if code:
        sys.exit(code)


def test() -> None:
    """Style, types, tests."""
    call(BIN / "ruff", "check", ".")
    call(BIN / "ruff", "format", "--check", ".")
    call(BIN / "mypy")
    call(BIN / "python", "-m", "pytest", "-n", "auto", "--dist", "worksteal")  # as many at a time as there are cores


def demo() -> None:
    call(BIN / "headstart", "demo")


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever Python is at hand
        sys.exit(f"headstart needs Python 3.11 or newer, and this is {sys.version.split()[0]}")
    tasks = {"demo": demo, "test": test, "install": lambda: None}
    if len(sys.argv) != 2 or sys.argv[1] not in tasks:
        sys.exit(f"usage: python3 dev.py {'|'.join(tasks)}")
    install()
    tasks[sys.argv[1]]()

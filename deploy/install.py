"""Makes a virtual environment from the hashed lock files. Needs Python 3.11+ and a C/C++ compiler, nothing else.

    python3 deploy/install.py VENV LOCK

1. the build tools, by hash; 2. everything in LOCK, by hash, where llama-cpp-python is compiled for this machine (minutes,
once: pip keeps the wheel); 3. Kura itself, editable. Steps 2 and 3 build with the tools of step 1, so nothing unhashed is
fetched. A company mirror is named as pip knows it (PIP_INDEX_URL, pip.conf).
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(environment: Path, lock: Path) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - said in a sentence before pip says it in a screenful
        print(f"Kura needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 1
    python = environment / "bin" / "python"
    if not python.exists():
        print(f"Making {environment} ...", file=sys.stderr)
        venv.create(environment, with_pip=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    steps = (
        ("Installing the build tools ...", ["--require-hashes", "-r", str(HERE / "requirements-build.txt")]),
        (
            "Installing Kura's dependencies; the first time, llama.cpp is compiled for this machine (some minutes) ...",
            ["--require-hashes", "--no-build-isolation", "-r", str(lock)],
        ),
        ("Installing Kura ...", ["--no-deps", "--no-build-isolation", "--editable", str(HERE.parent)]),
    )
    for said, arguments in steps:
        print(said, file=sys.stderr)
        code = subprocess.run([*pip, "install", *arguments], check=False).returncode
        if code:
            print(
                f"That failed (pip's exit code {code}); the lines above say why. Run the same command again.",
                file=sys.stderr,
            )
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

"""Makes a virtual environment from the hashed lock files. Needs Python 3.11+ and a C/C++ compiler, nothing else.

    python3 deploy/install.py VENV LOCK [GPU]

1. the build tools, by hash; 2. everything in LOCK, by hash, where llama-cpp-python is compiled for this machine (minutes,
once: pip keeps the wheel); 3. with GPU (cuda, metal, vulkan, rocm), llama-cpp-python compiled again for it, by hash, past
the wheel that pip keeps; 4. Kura itself, editable. Nothing unhashed is fetched: all is built with the tools of step 1. A
company mirror is named as pip knows it (PIP_INDEX_URL, pip.conf).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
GPUS = {"cuda": "-DGGML_CUDA=on", "metal": "-DGGML_METAL=on", "vulkan": "-DGGML_VULKAN=on", "rocm": "-DGGML_HIP=on"}
"""What llama.cpp's build calls each."""


def main(environment: Path, lock: Path, gpu: str = "") -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - said in a sentence before pip says it in a screenful
        print(f"Kura needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 1
    if gpu and gpu not in GPUS:
        print(f"There is no build for {gpu!r}: GPU is one of {', '.join(GPUS)}.", file=sys.stderr)
        return 2
    python = environment / "bin" / "python"
    if not python.exists():
        print(f"Making {environment} ...", file=sys.stderr)
        venv.create(environment, with_pip=True)
    with tempfile.TemporaryDirectory() as folder:
        for said, arguments, variables in steps(lock, gpu, Path(folder)):
            print(said, file=sys.stderr)
            command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *arguments]
            code = subprocess.run(command, check=False, env={**os.environ, **variables}).returncode
            if code:
                print(
                    f"That failed (pip's exit code {code}); the lines above say why. Run the same command again.",
                    file=sys.stderr,
                )
                return code
    return 0


def steps(lock: Path, gpu: str, folder: Path) -> list[tuple[str, list[str], dict[str, str]]]:
    """What to say, pip's arguments and more environment, for each step; `folder` is for a file in between."""
    built = ["--require-hashes", "--no-build-isolation"]
    found = [
        ("Installing the build tools ...", ["--require-hashes", "-r", str(HERE / "requirements-build.txt")], {}),
        (
            "Installing Kura's dependencies; the first time, llama.cpp is compiled for this machine (some minutes) ...",
            [*built, "-r", str(lock)],
            {},
        ),
        ("Installing Kura ...", ["--no-deps", "--no-build-isolation", "--editable", str(HERE.parent)], {}),
    ]
    if gpu:
        alone = folder / "llama-cpp-python.txt"
        alone.write_text(pinned(lock.read_text(encoding="utf-8"), "llama-cpp-python"), encoding="utf-8")
        arguments = [*built, "--no-deps", "--no-cache-dir", "--force-reinstall", "-r", str(alone)]
        flags = f"{os.environ.get('CMAKE_ARGS', '')} {GPUS[gpu]}".strip()
        found.insert(2, (f"Compiling llama.cpp for {gpu} (many minutes) ...", arguments, {"CMAKE_ARGS": flags}))
    return found


def pinned(lock: str, name: str) -> str:
    """The lines of a lock file that pin one package, hashes included."""
    block = re.search(rf"^{re.escape(name)}==.*\n(?:    --hash.*\n)*", lock, re.MULTILINE)
    if block is None:
        raise SystemExit(f"The lock file does not pin {name}.")
    return block[0]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:4]))

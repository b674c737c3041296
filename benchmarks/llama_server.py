"""Builds llama-server and llama-bench from the llama.cpp source inside llama-cpp-python's source package, and runs the former.

    python benchmarks/llama_server.py FOLDER      # needs cmake, ninja and a C++ compiler; some minutes

For benchmarks only: Kura itself runs llama.cpp inside Python. The package is fetched as pip is configured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

CMAKE = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
)
PORT = 18642
START_S = 120


def build(folder: Path) -> None:
    """Fetch the source of the llama-cpp-python that is installed, and build both programs into `folder/build/bin`."""
    folder.mkdir(parents=True, exist_ok=True)
    version = metadata.version("llama_cpp_python")
    package = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", f"llama-cpp-python=={version}"]
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *package, "-d", str(folder)], check=True)
    (archive,) = folder.glob("llama_cpp_python-*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    (vendored,) = folder.glob("llama_cpp_python-*/vendor/llama.cpp")
    made = folder / "build"
    subprocess.run(["cmake", "-G", "Ninja", "-S", str(vendored), "-B", str(made), *CMAKE], check=True)
    subprocess.run(["ninja", "-C", str(made), "llama-server", "llama-bench"], check=True)


@contextmanager
def serving(
    folder: Path, model: Path, slots: int, context_length: int, threads: int
) -> Iterator[subprocess.Popen[bytes]]:
    """llama-server with `slots` sequences of their own; ends with the block."""
    command = [str(folder / "build" / "bin" / "llama-server"), "-m", str(model), "--port", str(PORT)]
    command += [
        "-np",
        str(slots),
        "-no-kvu",
        "-c",
        str(slots * context_length),
        "-t",
        str(threads),
        "-tb",
        str(threads),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_ready()
            yield process
        finally:
            process.terminate()


def complete(tokens: list[int], most: int) -> tuple[float, int]:
    """Stream a greedy completion; returns when the first piece came (perf_counter) and how many tokens there were."""
    body = {"prompt": tokens, "n_predict": most, "temperature": 0, "stream": True, "cache_prompt": True}
    asked = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/completion", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    first, count = 0.0, 0
    with urllib.request.urlopen(asked) as reply:  # noqa: S310
        for line in reply:
            if line.startswith(b"data: "):
                first = first or time.perf_counter()
                event = json.loads(line[6:])
                if event.get("stop"):
                    count = event["tokens_predicted"]
    return first, count


def _wait_until_ready() -> None:
    ends_at = time.monotonic() + START_S
    while time.monotonic() < ends_at:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health"):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise SystemExit("llama-server does not start.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    build(Path(sys.argv[1]))

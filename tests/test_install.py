"""The installer: what it would ask pip for. Nothing is installed here."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "deploy" / "requirements.txt"


@pytest.fixture(scope="module")
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "deploy" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_gpu_everything_comes_from_the_lock_by_hash(install: ModuleType, tmp_path: Path) -> None:
    steps = install.steps(LOCK, "", tmp_path)

    assert [arguments[-1] for _, arguments, _ in steps] == [
        str(ROOT / "deploy" / "requirements-build.txt"),
        str(LOCK),
        str(ROOT),
    ]
    assert all("--require-hashes" in arguments for _, arguments, _ in steps[:-1])


@pytest.mark.parametrize(("gpu", "flag"), [("cuda", "GGML_CUDA"), ("rocm", "GGML_HIP"), ("vulkan", "GGML_VULKAN")])
def test_for_a_gpu_llama_cpp_is_compiled_again_past_the_kept_wheel(
    install: ModuleType, tmp_path: Path, gpu: str, flag: str
) -> None:
    _, arguments, variables = install.steps(LOCK, gpu, tmp_path)[2]

    assert {"--require-hashes", "--no-cache-dir", "--force-reinstall", "--no-deps"} <= set(arguments)
    assert f"-D{flag}=on" in variables["CMAKE_ARGS"]
    pinned = Path(arguments[-1]).read_text(encoding="utf-8")
    assert pinned.startswith("llama-cpp-python==")
    assert "--hash=sha256:" in pinned
    assert pinned.count("==") == 1


def test_an_unknown_gpu_is_refused_before_anything_is_made(install: ModuleType, tmp_path: Path) -> None:
    assert install.main(tmp_path / "venv", LOCK, "quantum") == 2
    assert not (tmp_path / "venv").exists()


def test_make_says_which_gpus_there_are() -> None:
    done = subprocess.run(["make", "install-gpu"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "GPU=cuda" in done.stderr

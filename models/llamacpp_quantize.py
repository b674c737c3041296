"""Quantises a GGUF file by llama.cpp, in a child process: a native crash must not end ours. Knows no library of models.

Run as a module it is that child: `python -m models.llamacpp_quantize SOURCE TARGET KIND THREADS [CAREFUL ...]`.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models import gguf
from models.errors import ModelConfigError, ModelFileError

KINDS = ("Q4_0", "IQ4_NL", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
"""llama.cpp's names, smallest first; each is its constant LLAMA_FTYPE_MOSTLY_..."""
_ROOT = Path(__file__).parent.parent
_ROOM = 1 << 24
"""Bytes: with less free on the disk than this, a failure was for want of room."""


def kind_of(name: str) -> str:
    """The kind that is meant, upper or lower case. Raises ModelConfigError naming those there are."""
    if name.upper() not in KINDS:
        raise ModelConfigError(f"Models cannot be quantised to {name!r} here; choose one of: {', '.join(KINDS)}.")
    return name.upper()


def quantize(source: Path, target: Path, kind: str, *, threads: int = 0) -> None:
    """Write `source` to `target` with its weights as `kind`, also where they were quantised before.

    `target` is written under a hidden name beside it, checked and renamed: it is whole or not there. `threads` 0 is one for
    each processor. Raises ModelFileError (not a sound model, no room, llama.cpp failed or crashed), ModelConfigError.
    """
    kind = kind_of(kind)
    gguf.check(source)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        quantize_into(part, source, kind, threads=threads)
        part.replace(target)
    except OSError as error:
        raise ModelFileError(f"{target} cannot be written ({error.strerror}); choose another place.") from error
    finally:
        part.unlink(missing_ok=True)


def quantize_into(part: Path, source: Path, kind: str, *, threads: int = 0, careful: Sequence[str] = ()) -> None:
    """As `quantize`, into a file that the caller renames or removes. Raises OSError if it cannot be written at all.

    Weights with one of the `careful` words in their name become Q8_0, which loses next to nothing, whatever the kind.
    """
    part.touch()
    asked = [str(source), str(part), kind, str(threads), *careful]
    command = [sys.executable, "-m", "models.llamacpp_quantize", *asked]
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    ended = subprocess.run(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": paths},
        check=False,
    )
    if ended.returncode:
        raise ModelFileError(f"{source} could not be quantised to {kind} ({_reason(ended, part)}).")
    with part.open("rb") as written:
        os.fsync(written.fileno())
    gguf.check(part)


def _reason(ended: subprocess.CompletedProcess[bytes], part: Path) -> str:
    if shutil.disk_usage(part.parent).free < _ROOM:
        return f"the disk of {part.parent} is full: free some space"
    if ended.returncode < 0:
        return f"llama.cpp crashed: {signal.strsignal(-ended.returncode)}; try another kind"
    said = ended.stderr.decode(errors="replace").split("\n")
    errors = [line for line in said if "error" in line.lower() or "failed" in line.lower()]
    return " ".join((errors or [line for line in said if line] or ["no reason given"])[-1].split())[:300]


def _child(source: str, target: str, kind: str, threads: str, *careful: str) -> int:
    import llama_cpp

    native: Any = llama_cpp
    params = native.llama_model_quantize_default_params()
    params.ftype = getattr(native, f"LLAMA_FTYPE_MOSTLY_{kind}")
    params.nthread = int(threads)
    params.allow_requantize = True
    overrides = (native.llama_model_tensor_override * (len(careful) + 1))()  # ends with one that has no pattern
    for override, word in zip(overrides, careful, strict=False):
        override.pattern, override.type = word.encode(), native.GGML_TYPE_Q8_0
    params.tt_overrides = overrides
    native.llama_backend_init()
    return int(native.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params)))


if __name__ == "__main__":
    sys.exit(_child(*sys.argv[1:]))

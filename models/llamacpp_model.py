"""What is shared by every use of llama.cpp here: the library, a model's weights, its vocabulary. Knows no context.

This module loads the native library: import it late.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Read once, when the library below is loaded: how often a waiting OpenMP thread looks again before it sleeps. The usual
# patience collapses as soon as another process wants a core. Tokens a second of the starter model with two threads on
# two cores, idle / one core busy: usual 150 / 2, a count of 300: 146 / 52, sleeping at once: 47 / 61.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "300")

import llama_cpp

from models.engine import EngineOptions
from models.errors import EngineFailed, ModelFileError

native: Any = llama_cpp
_CONTROL, _USER_DEFINED = native.LLAMA_TOKEN_ATTR_CONTROL, native.LLAMA_TOKEN_ATTR_USER_DEFINED
_ERROR_LEVEL = 4
_MAX_COMPLAINTS = 4
_complaints: list[str] = []
"""The first errors that llama.cpp logged since a model was last opened in this process."""


class LlamaVocabulary:
    """A model's tokens. `tokenize` may be called from any thread, also while the model is being closed."""

    def __init__(self, model: Any) -> None:
        self.handle: Any = native.llama_model_get_vocab(model)
        self.size = int(native.llama_vocab_n_tokens(self.handle))
        self._lock = threading.Lock()
        self._closed = False
        self._ends: set[int] = set()
        self.special_tokens: Mapping[int, str] = self._find_special()
        self.bos: int | None = None
        if native.llama_vocab_get_add_bos(self.handle):
            self.bos = int(native.llama_vocab_bos(self.handle))
        self.piece = functools.lru_cache(maxsize=4096)(self._piece)

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Tokens of `text`, nothing added. Raises EngineFailed if the model is closed."""
        return self._tokenize(text, add=False, special=special)

    def tokenize_whole(self, text: str) -> list[int]:
        """Tokens of a plain text with what the model wants around it (BOS, CLS, SEP, EOS)."""
        return self._tokenize(text, add=True, special=False)

    def is_end(self, token: int) -> bool:
        """Whether the model says by this token that it has finished."""
        return token in self._ends

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def _tokenize(self, text: str, *, add: bool, special: bool) -> list[int]:
        data = text.encode("utf-8", "replace")
        space = len(data) + 8  # a token has at least one byte; a few may be added
        buffer = (native.llama_token * space)()
        with self._lock:
            if self._closed:
                raise EngineFailed("The model was closed; ask again after the restart.")
            count = native.llama_tokenize(self.handle, data, len(data), buffer, space, add, special)
        if count < 0:
            raise EngineFailed(f"llama.cpp cannot tokenise a text of {len(data):,} bytes; shorten it.")
        return list(buffer[:count])

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(64)
        length = native.llama_token_to_piece(self.handle, token, buffer, len(buffer), 0, False)
        if length < 0:  # it says how much room it wants
            buffer = ctypes.create_string_buffer(-length)
            length = native.llama_token_to_piece(self.handle, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(length, 0)]

    def _find_special(self) -> dict[int, str]:
        """Control tokens, ends of generation, and added markers such as `<tool_call>` (runs of blanks are not)."""
        special = {}
        for token in range(self.size):
            attributes = native.llama_vocab_get_attr(self.handle, token)
            ends = native.llama_vocab_is_eog(self.handle, token)
            if ends:
                self._ends.add(token)
            if ends or attributes & (_CONTROL | _USER_DEFINED):
                text = native.llama_vocab_get_text(self.handle, token).decode(errors="replace")
                if text.strip(" \n\t\r▁ĠĊ"):
                    special[token] = text
        return special


@functools.cache
def start_backend() -> None:
    """Start llama.cpp once in this process and keep it from writing to stderr."""
    native.llama_log_set(_log_callback(), ctypes.c_void_p(0))
    native.llama_backend_init()


@functools.cache
def _log_callback() -> Callable[..., None]:
    """Kept for ever: llama.cpp calls it as long as the process lives."""

    def record(level: int, text: bytes, _data: ctypes.c_void_p) -> None:
        if level == _ERROR_LEVEL and len(_complaints) < _MAX_COMPLAINTS:
            _complaints.append(" ".join(text.decode(errors="replace").split()))

    callback: Callable[..., None] = native.llama_log_callback(record)
    return callback


def load_model(
    path: Path,
    options: EngineOptions = EngineOptions(),  # noqa: B008 (frozen)
    *,
    spliced: bool = False,
) -> Any:
    """The native model, to be freed by the caller. Raises ModelFileError; the caller has verified the file's header.

    `spliced` is for prompts that are put together from segments: no blank is put before each of them.
    """
    _complaints.clear()
    params = native.llama_model_default_params()
    overrides = (native.llama_model_kv_override * 2)()  # ends with an empty key; must live until the model is loaded
    if spliced:
        overrides[0].key = b"tokenizer.ggml.add_space_prefix"
        overrides[0].tag = native.LLAMA_KV_OVERRIDE_TYPE_BOOL
        overrides[0].value.val_bool = False
        params.kv_overrides = overrides
    params.n_gpu_layers = options.n_gpu_layers
    params.split_mode = {
        "none": native.LLAMA_SPLIT_MODE_NONE,
        "layer": native.LLAMA_SPLIT_MODE_LAYER,
        "row": native.LLAMA_SPLIT_MODE_ROW,
    }[options.split_mode]
    params.main_gpu = options.main_gpu
    model = native.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        raise ModelFileError(
            f"llama.cpp does not take the model file {path}{complaint()}; "
            "fetch it again, or choose a model of an architecture it knows."
        )
    return model


def complaint() -> str:
    """The first error that llama.cpp logged since a model was opened, in brackets, or nothing; the rest follow it."""
    return f" ({_complaints[0]})" if _complaints else ""


def build_info() -> str:
    """What the installed llama.cpp can do on this machine, in one line: version, processor features, GPU or none."""
    start_backend()
    able = native.llama_print_system_info().decode(errors="replace")
    features = [part.split(" = ")[0].split()[-1] for part in able.split("|") if part.strip().endswith("= 1")]
    gpu = "with GPU" if native.llama_supports_gpu_offload() else "CPU only"
    return f"llama-cpp-python {native.__version__}, {gpu}, {' '.join(features) or 'no processor features'}"

"""One llama.cpp model with one context: the few native calls the engine needs, made safe. Knows no queue and no stream.

Everything but `tokenize` must be called from the one thread that made the object: llama.cpp's own team belongs to it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Read once, when the library below is loaded: how often a waiting OpenMP thread looks again before it sleeps. The usual
# patience collapses as soon as another process wants a core. Tokens a second of the starter model with two threads on
# two cores, idle / one core busy: usual 150 / 2, a count of 300: 146 / 52, sleeping at once: 47 / 61.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "300")

import llama_cpp

from models.errors import EngineFailed, ModelFileError

native: Any = llama_cpp
_CONTROL, _USER_DEFINED = native.LLAMA_TOKEN_ATTR_CONTROL, native.LLAMA_TOKEN_ATTR_USER_DEFINED
_TOP_K, _TOP_P, _MIN_P = 40, 0.95, 0.05
"""llama.cpp's own defaults for sampling."""
_ERROR_LEVEL = 4
_MAX_COMPLAINTS = 4
_complaints: list[str] = []
"""The first errors that llama.cpp logged since a model was last opened in this process."""


class LlamaContext:
    """A loaded model and its memory (KV cache) of one sequence.

    `context_length` is in tokens and never above what the model was trained for; `batch` is how many tokens one
    `decode` may take. Raises ModelFileError if llama.cpp does not take the file; the caller has verified its header.
    """

    def __init__(self, path: Path, *, context_length: int, threads: int, n_gpu_layers: int, batch: int) -> None:
        start_backend()
        self._path = path
        self._model = load_model(path, n_gpu_layers)
        params = native.llama_context_default_params()
        self.context_length = min(context_length, native.llama_model_n_ctx_train(self._model))
        params.n_ctx = self.context_length
        params.n_batch = params.n_ubatch = batch
        params.n_threads = params.n_threads_batch = threads or available_cpus()
        params.no_perf = True
        context = native.llama_init_from_model(self._model, params)
        if not context:
            native.llama_model_free(self._model)
            raise EngineFailed(
                f"llama.cpp cannot make a context of {self.context_length} tokens for {path}{complaint()}; "
                "choose a shorter context_length or free some memory."
            )
        self._context = context
        self._memory: Any = native.llama_get_memory(context)
        self.vocabulary = LlamaVocabulary(self._model)

    def decode(self, tokens: Sequence[int]) -> None:
        """Run at most `batch` tokens after those already in memory. Raises EngineFailed."""
        array = (native.llama_token * len(tokens))(*tokens)
        status = native.llama_decode(self._context, native.llama_batch_get_one(array, len(tokens)))
        if status:
            raise EngineFailed(f"llama.cpp stopped with status {status} while it ran {self._path.name}; ask again.")

    def keep(self, count: int) -> int:
        """Forget all but the first `count` tokens; returns how many are left (0 where memory cannot be cut)."""
        if count and native.llama_memory_seq_rm(self._memory, 0, count, -1):
            return count
        native.llama_memory_clear(self._memory, False)
        return 0

    def sampler(self, temperature: float, seed: int) -> LlamaSampler:
        return LlamaSampler(self._context, temperature, seed)

    def close(self) -> None:
        self.vocabulary.close()
        native.llama_free(self._context)
        native.llama_model_free(self._model)


class LlamaSampler:
    """Chooses the next token from the last decoded one's logits. Close it after use."""

    def __init__(self, context: Any, temperature: float, seed: int) -> None:
        self._context = context
        self._chain: Any = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        for link in _links(temperature, seed):
            native.llama_sampler_chain_add(self._chain, link)

    def sample(self) -> int:
        return int(native.llama_sampler_sample(self._chain, self._context, -1))

    def close(self) -> None:
        native.llama_sampler_free(self._chain)


def _links(temperature: float, seed: int) -> list[Any]:
    if temperature <= 0:
        return [native.llama_sampler_init_greedy()]
    return [
        native.llama_sampler_init_top_k(_TOP_K),
        native.llama_sampler_init_top_p(_TOP_P, 1),
        native.llama_sampler_init_min_p(_MIN_P, 1),
        native.llama_sampler_init_temp(temperature),
        native.llama_sampler_init_dist(seed & 0xFFFFFFFF),
    ]


class LlamaVocabulary:
    """A model's tokens. `tokenize` may be called from any thread, also while the model is being closed."""

    def __init__(self, model: Any) -> None:
        self._vocab: Any = native.llama_model_get_vocab(model)
        self._lock = threading.Lock()
        self._closed = False
        self._ends: set[int] = set()
        self.special_tokens: Mapping[int, str] = self._find_special()
        self.bos: int | None = None
        if native.llama_vocab_get_add_bos(self._vocab):
            self.bos = int(native.llama_vocab_bos(self._vocab))
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
            count = native.llama_tokenize(self._vocab, data, len(data), buffer, space, add, special)
        if count < 0:
            raise EngineFailed(f"llama.cpp cannot tokenise a text of {len(data):,} bytes; shorten it.")
        return list(buffer[:count])

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(64)
        length = native.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
        if length < 0:  # it says how much room it wants
            buffer = ctypes.create_string_buffer(-length)
            length = native.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(length, 0)]

    def _find_special(self) -> dict[int, str]:
        """Control tokens, ends of generation, and added markers such as `<tool_call>` (runs of blanks are not)."""
        special = {}
        for token in range(native.llama_vocab_n_tokens(self._vocab)):
            attributes = native.llama_vocab_get_attr(self._vocab, token)
            ends = native.llama_vocab_is_eog(self._vocab, token)
            if ends:
                self._ends.add(token)
            if ends or attributes & (_CONTROL | _USER_DEFINED):
                text = native.llama_vocab_get_text(self._vocab, token).decode(errors="replace")
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


def load_model(path: Path, n_gpu_layers: int) -> Any:
    """The native model, to be freed by the caller. Raises ModelFileError."""
    _complaints.clear()
    params = native.llama_model_default_params()
    params.n_gpu_layers = n_gpu_layers
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


def available_cpus() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build_info() -> str:
    """What the installed llama.cpp can do on this machine, in one line: version, processor features, GPU or none."""
    start_backend()
    able = native.llama_print_system_info().decode(errors="replace")
    features = [part.split(" = ")[0].split()[-1] for part in able.split("|") if part.strip().endswith("= 1")]
    gpu = "with GPU" if native.llama_supports_gpu_offload() else "CPU only"
    return f"llama-cpp-python {native.__version__}, {gpu}, {' '.join(features) or 'no processor features'}"

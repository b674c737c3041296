"""One llama.cpp model with one context of several sequences: the native calls the engine needs, made safe.

Knows no queue and no stream. Everything but `abort` and `vocabulary.tokenize` must be called from the one thread that made
the object: llama.cpp's own team of threads belongs to it.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.cores import available_cores
from models.engine import EngineOptions, Sampling
from models.errors import EngineFailed, ModelConfigError
from models.llamacpp_model import LlamaVocabulary, complaint, load_model, native, start_backend
from models.llamacpp_sampling import LlamaSampler
from models.runs import Aborted, Run

BATCH = 512
"""Tokens of one native step; more gain nothing on a CPU and make everybody wait longer."""
_ABORTED = 2
"""What llama_decode returns after its abort callback said yes."""
_FLASH = {
    "auto": native.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": native.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": native.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}


class LlamaModel:
    """The weights, the vocabulary and the LoRA adapters; contexts stand on it. Close it after them.

    Raises ModelFileError if llama.cpp does not take a file; the caller has verified its header.
    """

    def __init__(self, path: Path, options: EngineOptions, adapters: Mapping[str, Path] = {}) -> None:
        start_backend()
        self.path = path
        self.options = options
        self.handle: Any = load_model(path, options, spliced=True)
        self.trained_length = int(native.llama_model_n_ctx_train(self.handle))
        self.vocabulary = LlamaVocabulary(self.handle)
        self.adapters: dict[str, Any] = {}
        for name, file in adapters.items():
            adapter = native.llama_adapter_lora_init(self.handle, str(file).encode())
            if not adapter:
                self.close()
                raise ModelConfigError(
                    f"The adapter {file} does not fit {path.name}{complaint()}; use one that was trained for this model."
                )
            self.adapters[name] = adapter

    def close(self) -> None:
        self.vocabulary.close()
        native.llama_model_free(self.handle)  # its adapters go with it


class LlamaContext:
    """The memory (KV cache) of `sequences` sequences, numbered from 0, and the steps that fill it.

    `context_length` is tokens of each sequence and never above what the model was trained for. `batch` is tokens of a step
    at most. `cuttable` says whether a part of a sequence can be forgotten; what recurrent models remember cannot. With
    `shared`, all sequences live in one memory of that length and may share their beginnings (`fork`); otherwise each has
    its own, and a step costs what its own sequence is long. Raises EngineFailed if there is no memory for it.
    """

    def __init__(
        self, model: LlamaModel, *, sequences: int, context_length: int, shared: bool = False, batch: int = BATCH
    ) -> None:
        length = min(context_length, model.trained_length)
        params = native.llama_context_default_params()
        params.n_ctx = length if shared else length * sequences
        params.n_batch = params.n_ubatch = min(batch, length)
        params.n_seq_max = sequences
        params.kv_unified = shared
        params.n_threads = params.n_threads_batch = model.options.threads or available_cores()
        params.flash_attn_type = _flash_attention(model.options)
        params.no_perf = True
        context = native.llama_init_from_model(model.handle, params)
        if not context:
            raise EngineFailed(
                f"llama.cpp cannot make a context of {sequences} x {length:,} tokens for {model.path}{complaint()}; "
                "choose a shorter context_length or fewer slots, or free some memory."
            )
        self.sequences = sequences
        self.context_length = length
        self.batch_size = int(params.n_batch)
        self.cuttable = not (
            native.llama_model_is_recurrent(model.handle) or native.llama_model_is_hybrid(model.handle)
        )
        self.vocabulary = model.vocabulary
        self._model = model
        self._context: Any = context
        self._memory: Any = native.llama_get_memory(context)
        self._batch = _Batch(self.batch_size)
        self._abort = ctypes.create_string_buffer(2)
        native.llama_set_abort_callback(context, _abort_callback(), self._abort)
        self._adapter = ""

    def decode(self, runs: Sequence[Run]) -> list[int]:
        """Run the tokens of several sequences in one step; at most `batch_size` in all.

        Returns for each run the place of its first output, for `sampler` and `logits`: those of its last tokens, as many
        as it asked for. Raises Aborted, after which every run must be rolled back by `keep`, and EngineFailed.
        """
        places = self._batch.fill(runs)
        status = native.llama_decode(self._context, self._batch.native)
        self._abort[0] = b"\0"  # only now: what was said just before the step still counts
        if status == _ABORTED:
            raise Aborted
        if status:
            raise EngineFailed(
                f"llama.cpp stopped with status {status} while it ran {self._model.path.name}; ask again."
            )
        return places

    def abort(self) -> None:
        """Make the running `decode`, if there is one, raise Aborted soon. From any thread."""
        self._abort[0] = b"\1"

    def keep(self, sequence: int, count: int) -> int:
        """Forget all but the first `count` tokens of a sequence; returns how many are left (0 where it cannot be cut)."""
        if count and native.llama_memory_seq_rm(self._memory, sequence, count, -1):
            return count
        native.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return 0

    def fork(self, source: int, target: int) -> None:
        """Let `target` begin with what `source` holds; only where memory is `shared`, where it costs nothing."""
        native.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def saved_size(self, sequence: int) -> int:
        """Bytes that `save` would return."""
        return int(native.llama_state_seq_get_size(self._context, sequence))

    def save(self, sequence: int) -> bytes:
        """What a sequence holds, for `restore`; b"" if llama.cpp cannot give it."""
        buffer = (ctypes.c_uint8 * self.saved_size(sequence))()
        size = native.llama_state_seq_get_data(self._context, buffer, len(buffer), sequence)
        return bytes(memoryview(buffer)[:size])

    def restore(self, sequence: int, saved: bytes) -> bool:
        """Put back what `save` gave; False, and an empty sequence, if llama.cpp does not take it."""
        native.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        source = ctypes.cast(ctypes.c_char_p(saved), ctypes.POINTER(ctypes.c_uint8))
        if native.llama_state_seq_set_data(self._context, source, len(saved), sequence):
            return True
        native.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        return False

    def use_adapter(self, name: str) -> None:
        """Let the following steps go through this LoRA adapter of the model ("": none)."""
        if name == self._adapter:
            return
        chosen = [self._model.adapters[name]] if name else []
        pointers = (native.llama_adapter_lora_p_ctypes * len(chosen))(*chosen)
        scales = (ctypes.c_float * len(chosen))(*[1.0] * len(chosen))
        if native.llama_set_adapters_lora(self._context, pointers, len(chosen), scales):
            raise EngineFailed(
                f"llama.cpp cannot apply the adapter {name!r} to {self._model.path.name}; ask without it."
            )
        self._adapter = name

    def logits(self, place: int) -> np.ndarray:
        """Raw scores of the whole vocabulary, float32, valid until the next step."""
        return _row(self._context, place, self.vocabulary.size)

    def sampler(self, sampling: Sampling, grammar: str) -> LlamaSampler:
        """Chooses tokens for one answer; raises ModelConfigError for a grammar that llama.cpp does not take."""
        return LlamaSampler(self.logits, self.vocabulary, sampling, grammar)

    def close(self) -> None:
        native.llama_free(self._context)


def _flash_attention(options: EngineOptions) -> int:
    """On a GPU, llama.cpp decides. On a CPU it would switch it on, and be slower by it: writing at a depth of 1,165 tokens
    65 tokens a second with and 94 without, reading the first 512 tokens 566 and 476, later ones 288 and 327
    (`benchmarks/results.md`)."""
    auto = options.flash_attention == "auto"
    return int(_FLASH["off"] if auto and not options.n_gpu_layers else _FLASH[options.flash_attention])


class _Batch:
    """A llama_batch whose arrays are numpy's, filled by slices: no Python work for each token."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._tokens = np.zeros(capacity, np.int32)
        self._positions = np.zeros(capacity, np.int32)
        self._counts = np.ones(capacity, np.int32)
        self._sequences = np.zeros(capacity, np.int32)
        self._outputs = np.zeros(capacity, np.int8)
        step = np.arange(capacity, dtype=np.uint64) * self._sequences.itemsize
        self._pointers = np.uint64(self._sequences.ctypes.data) + step
        self.native: Any = native.llama_batch()
        self.native.embd = None
        for name, array in (
            ("token", self._tokens),
            ("pos", self._positions),
            ("n_seq_id", self._counts),
            ("seq_id", self._pointers),
            ("logits", self._outputs),
        ):
            kind = dict(native.llama_batch._fields_)[name]
            setattr(self.native, name, ctypes.cast(array.ctypes.data, kind))

    def fill(self, runs: Sequence[Run]) -> list[int]:
        end, places = 0, []
        for run in runs:
            start, end = end, end + len(run.tokens)
            if end > self._capacity:
                raise EngineFailed(f"A step of more than {self._capacity} tokens was asked for; ask again.")
            self._tokens[start:end] = run.tokens
            self._positions[start:end] = np.arange(run.position, run.position + len(run.tokens))
            self._sequences[start:end] = run.sequence
            self._outputs[start:end] = 0
            self._outputs[end - run.outputs : end] = 1
            places.append(end - run.outputs)
        self.native.n_tokens = end
        return places


def _row(context: Any, place: int, size: int) -> np.ndarray:
    address = ctypes.cast(native.llama_get_logits_ith(context, place), ctypes.c_void_p).value
    if not address:
        raise EngineFailed(f"llama.cpp has no scores at place {place} of its last step; ask again.")
    return np.frombuffer(_floats(size).from_address(address), np.float32)


@functools.cache
def _floats(size: int) -> Any:
    return ctypes.c_float * size


@functools.cache
def _abort_callback() -> Callable[..., bool]:
    """A native function that is true as soon as the byte it is handed is set: C's own strlen of a string of 0 or 1 bytes.

    llama.cpp asks before each of some thousand operations of a step; a Python function would have to fight for the
    interpreter's lock each time.
    """
    length_of = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value
    kind: Any = native.ggml_abort_callback
    callback: Callable[..., bool] = kind(length_of)
    return callback

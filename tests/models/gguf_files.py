"""Writes tiny GGUF files for tests: vocabularies of each kind, a random llama model, a LoRA adapter for it. Knows no engine.

The models answer nonsense, but llama.cpp loads and runs them in milliseconds and gives the same nonsense for a seed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

CONTROL, USER_DEFINED, NORMAL = TokenType.CONTROL, TokenType.USER_DEFINED, TokenType.NORMAL

WIDTH, HEADS, LAYERS, HIDDEN = 64, 4, 2, 128
CONTEXT_LENGTH = 512
RANK = 4
CHATML: Mapping[str, TokenType] = {"<|endoftext|>": CONTROL, "<|im_start|>": CONTROL, "<|im_end|>": CONTROL}


@dataclass(frozen=True, slots=True)
class Tokens:
    """A tokenizer as GGUF tells it; `model` and `pre` are llama.cpp's names for it."""

    model: str
    tokens: tuple[str, ...]
    types: tuple[TokenType, ...]
    pre: str = "default"
    scores: tuple[float, ...] = ()
    merges: tuple[str, ...] = ()
    bos: int = 0
    eos: int = 0
    space_prefix: bool = False
    charsmap: bytes = b""
    chat_template: str = ""


def byte_bpe(special: Mapping[str, TokenType] = CHATML, *, pre: str = "default") -> Tokens:
    """Byte-level BPE, as of Llama 3, Qwen, Phi-4: a letter for each byte, one merge, and the special tokens."""
    texts = [_letter(byte) for byte in range(256)] + ["th", *special]
    types = [NORMAL] * 257 + list(special.values())
    end = len(texts) - len(special)
    return Tokens("gpt2", tuple(texts), tuple(types), pre=pre, merges=("t h",), bos=end, eos=end)


def plain_bpe(special: Mapping[str, TokenType]) -> Tokens:
    """BPE over characters, as of Gemma 4; its merges lead up to each special token, so plain text can reach them."""
    steps = [(mark[:length], mark[length]) for mark in special for length in range(1, len(mark))]
    inner = dict.fromkeys(first + second for first, second in steps if first + second not in special)
    base = [chr(code) for code in range(32, 127)] + ["\n", "▁"] + _bytes()
    letters = [letter for letter in dict.fromkeys("".join(special)) if letter not in base]
    texts = [*base, *letters, *inner, *special]
    types = [NORMAL] * (len(texts) - len(special)) + list(special.values())
    types[97:353] = [TokenType.BYTE] * 256
    merges = tuple(dict.fromkeys(f"{first} {second}" for first, second in steps if " " not in first + second))
    end = len(texts) - len(special)
    return Tokens("gemma4", tuple(texts), tuple(types), merges=merges, bos=end, eos=end)


def sentencepiece(special: Mapping[str, TokenType], *, space_prefix: bool = False) -> Tokens:
    """SentencePiece with byte fallback, as of Llama 2 and Gemma; its pieces lead up to each special token as well."""
    pieces = dict.fromkeys(mark[:length] for mark in special for length in range(1, len(mark)))
    base = ["<unk>", *_bytes(), "▁", "Th", "is"]
    texts = [*base, *(piece for piece in pieces if piece not in base and piece not in special), *special]
    types = [TokenType.UNKNOWN] + [TokenType.BYTE] * 256
    types += [NORMAL] * (len(texts) - len(special) - len(types)) + list(special.values())
    scores = tuple(float(-place) for place in range(len(texts)))
    end = len(texts) - len(special)
    return Tokens("llama", tuple(texts), tuple(types), scores=scores, bos=end, eos=end, space_prefix=space_prefix)


def unigram(special: Mapping[str, TokenType]) -> Tokens:
    """A unigram model that first writes full-width letters as half-width ones, as T5's family does."""
    base = ["<pad>", "</s>", "<unk>", "▁", *(chr(code) for code in range(33, 127))]
    marks = [mark for mark in special if mark not in base]
    texts = [*base, *marks]
    types = [CONTROL, CONTROL, TokenType.UNKNOWN, *[NORMAL] * (len(base) - 3), *(special[mark] for mark in marks)]
    scores = tuple(-2.0 if kind == NORMAL else 0.0 for kind in types)
    return Tokens("t5", tuple(texts), tuple(types), scores=scores, bos=1, eos=1, charsmap=_half_width())


def vocabulary_file(path: Path, tokens: Tokens) -> Path:
    """A file with nothing but a vocabulary, for loading with `vocab_only`."""
    writer = GGUFWriter(path, "llama")
    _describe(writer, tokens)
    return _written(writer, path)


def tiny_llama(path: Path, *, vocabulary: Tokens | None = None, seed: int = 0) -> Path:
    """A whole chat model of 2 layers, 64 wide, with a context of 512 tokens and random weights; some 400 kB."""
    tokens = vocabulary or byte_bpe()
    writer = GGUFWriter(path, "llama")
    _describe(writer, tokens)
    chance = np.random.default_rng(seed)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, chance.normal(0, shape[-1] ** -0.5, shape).astype(np.float32))

    def add_norm(name: str) -> None:
        writer.add_tensor(name, np.ones(WIDTH, dtype=np.float32))

    add("token_embd.weight", len(tokens.tokens), WIDTH)
    add("output.weight", len(tokens.tokens), WIDTH)
    add_norm("output_norm.weight")
    for layer in range(LAYERS):
        add_norm(f"blk.{layer}.attn_norm.weight")
        add_norm(f"blk.{layer}.ffn_norm.weight")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{part}.weight", WIDTH, WIDTH)
        add(f"blk.{layer}.ffn_gate.weight", HIDDEN, WIDTH)
        add(f"blk.{layer}.ffn_up.weight", HIDDEN, WIDTH)
        add(f"blk.{layer}.ffn_down.weight", WIDTH, HIDDEN)
    return _written(writer, path)


def tiny_lora(path: Path, *, seed: int = 0, alpha: float = 16.0) -> Path:
    """A LoRA adapter for any `tiny_llama`, of rank 4 and strong enough to change its answers."""
    writer = GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    chance = np.random.default_rng(seed)
    for layer in range(LAYERS):
        for part in ("attn_q", "attn_v", "attn_output"):
            for half, shape in (("lora_a", (RANK, WIDTH)), ("lora_b", (WIDTH, RANK))):
                weights = chance.normal(0, 0.5, shape).astype(np.float32)
                writer.add_tensor(f"blk.{layer}.{part}.weight.{half}", weights)
    return _written(writer, path)


def _describe(writer: GGUFWriter, tokens: Tokens) -> None:
    writer.add_context_length(CONTEXT_LENGTH)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens.tokens))
    writer.add_tokenizer_model(tokens.model)
    writer.add_tokenizer_pre(tokens.pre)
    writer.add_token_list(tokens.tokens)
    writer.add_token_types(tokens.types)
    if tokens.scores:
        writer.add_token_scores(tokens.scores)
    if tokens.merges:
        writer.add_token_merges(tokens.merges)
    if tokens.chat_template:
        writer.add_chat_template(tokens.chat_template)
    if tokens.charsmap:
        writer.add_precompiled_charsmap(tokens.charsmap)
    writer.add_bos_token_id(tokens.bos)
    writer.add_eos_token_id(tokens.eos)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(tokens.space_prefix)


def _written(writer: GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _letter(byte: int) -> str:
    """The letter by which byte-level BPE writes a byte: itself if it can be seen, else one from U+0100 on."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return chr(byte) if byte in seen else chr(256 + [other for other in range(256) if other not in seen].index(byte))


def _bytes() -> list[str]:
    return [f"<0x{byte:02X}>" for byte in range(256)]


def _half_width() -> bytes:
    """A character map of SentencePiece: a double array that leads each of U+FF01 to U+FF5E to its ASCII twin.

    A node is 32 bits: bits 0-7 the byte that leads to it, bit 8 "a key ends here", bits 10-30 the distance (xor) to where
    its children are counted from; a key's value, its replacement's offset, stands there itself, marked by bit 31.
    """
    keys = {chr(0xFEE0 + code).encode(): code for code in range(33, 127)}
    prefixes = sorted({key[:length] for key in keys for length in range(4)}, key=len)
    origins = {prefix: 256 * (place + 1) for place, prefix in enumerate(prefixes)}
    nodes = [0xFF] * (256 * (len(prefixes) + 1))  # 0xFF leads nowhere: no text in UTF-8 holds it
    nodes[0] = origins[b""] << 10
    for prefix in prefixes[1:]:
        place = origins[prefix[:-1]] ^ prefix[-1]
        nodes[place] = (place ^ origins[prefix]) << 10 | (prefix in keys) << 8 | prefix[-1]
        if prefix in keys:
            nodes[origins[prefix]] = 1 << 31 | 2 * (keys[prefix] - 33)
    array = struct.pack(f"<{len(nodes)}I", *nodes)
    return struct.pack("<I", len(array)) + array + b"".join(bytes([code, 0]) for code in keys.values())

"""Tiny GGUF models with random weights for embedding and reranking, which the real llama.cpp loads. Know no language.

Both families: BERT (WordPiece, encoder only) and Qwen3 (bytes, decoder). The same seed makes the same bytes.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from pathlib import Path

import gguf
import numpy as np

WIDTH, HEADS, LAYERS, INNER = 32, 2, 2, 64
CONTEXT = 256
"""Tokens the tiny models are made for."""
CLS, SEP, UNKNOWN = 2, 3, 1
RERANK_TEMPLATE = "<|im_start|>user\n<Query>: {query}\n<Document>: {document}<|im_end|>\n<|im_start|>assistant\n"
_BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_QWEN_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_WORDS = "hotel travel cap night price expense leave office the is of for a what per how much day week query passage"


def bert_embedder(path: Path, *, pooling: str = "mean", context: int = CONTEXT) -> Path:
    """An encoder that pools: "mean", "cls", or "" for a file that does not say."""
    writer, _ = _bert(path, context)
    if pooling:
        writer.add_pooling_type(gguf.PoolingType[pooling.upper()])
    return _finish(writer)


def bert_reranker(path: Path, *, labels: Sequence[str] = ("LABEL_0",), scale: float = 1.0) -> Path:
    """A cross-encoder: an encoder with a dense layer and a projection to a score, as XLM-R rerankers have."""
    writer, tensor = _bert(path, CONTEXT)
    tensor("cls.weight", WIDTH, WIDTH)
    tensor("cls.bias", WIDTH)
    tensor("cls.output.weight", len(labels), WIDTH, scale=scale)
    tensor("cls.output.bias", len(labels))
    writer.add_classifier_output_labels(list(labels))
    return _finish(writer)


def qwen_embedder(path: Path, *, add_eos: bool | None = None, context: int = CONTEXT) -> Path:
    """A decoder that is read from its last token; `add_eos` None leaves out who adds the mark of the end."""
    writer, _ = _qwen(path, context)
    writer.add_pooling_type(gguf.PoolingType.LAST)
    if add_eos is not None:
        writer.add_add_eos_token(add_eos)
    return _finish(writer)


def qwen_reranker(path: Path, *, template: str = RERANK_TEMPLATE) -> Path:
    """A decoder with the classes yes and no and a "rerank" template, as Qwen3-Reranker is converted."""
    writer, tensor = _qwen(path, CONTEXT)
    writer.add_pooling_type(gguf.PoolingType.RANK)
    writer.add_classifier_output_labels(["yes", "no"])
    writer.add_chat_template([{"name": "rerank", "template": template}])
    tensor("cls.output.weight", 2, WIDTH, scale=1.0)
    return _finish(writer)


def _bert(path: Path, context: int) -> tuple[gguf.GGUFWriter, Callable[..., None]]:
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    tokens = [*_BERT_SPECIAL, *("▁" + word for word in [*_WORDS.split(), *letters]), *letters, *"経費宿泊"]
    tokens = list(dict.fromkeys([*tokens, *("▁" + character for character in "経費宿泊")]))
    writer, tensor = _writer(path, "bert", context, len(tokens))
    writer.add_causal_attention(False)
    writer.add_layer_norm_eps(1e-12)
    writer.add_token_type_count(2)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(tokens)
    writer.add_token_types(_types(tokens, _BERT_SPECIAL))
    writer.add_unk_token_id(UNKNOWN)
    writer.add_bos_token_id(CLS)
    writer.add_sep_token_id(SEP)
    writer.add_pad_token_id(0)
    writer.add_mask_token_id(4)
    tensor("token_types.weight", 2, WIDTH)
    tensor("position_embd.weight", context, WIDTH)
    _norm(tensor, "token_embd_norm")
    for layer in (f"blk.{number}" for number in range(LAYERS)):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"{layer}.{name}.weight", WIDTH, WIDTH)
            tensor(f"{layer}.{name}.bias", WIDTH)
        tensor(f"{layer}.ffn_up.weight", INNER, WIDTH)
        tensor(f"{layer}.ffn_up.bias", INNER)
        tensor(f"{layer}.ffn_down.weight", WIDTH, INNER)
        tensor(f"{layer}.ffn_down.bias", WIDTH)
        _norm(tensor, f"{layer}.attn_output_norm")
        _norm(tensor, f"{layer}.layer_output_norm")
    return writer, tensor


def _qwen(path: Path, context: int) -> tuple[gguf.GGUFWriter, Callable[..., None]]:
    tokens = [*_byte_names(), "Ġq", *_QWEN_SPECIAL, "<think>"]
    writer, tensor = _writer(path, "qwen3", context, len(tokens))
    writer.add_head_count_kv(HEADS)
    writer.add_key_length(WIDTH // HEADS)
    writer.add_value_length(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([*_types(tokens[:-1], _QWEN_SPECIAL), gguf.TokenType.USER_DEFINED])
    writer.add_token_merges(["Ġ q"])
    writer.add_add_bos_token(False)
    writer.add_eos_token_id(tokens.index("<|endoftext|>"))
    _norm(tensor, "output_norm", bias=False)
    for layer in (f"blk.{number}" for number in range(LAYERS)):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensor(f"{layer}.{name}.weight", WIDTH, WIDTH)
        for name in ("ffn_gate", "ffn_up"):
            tensor(f"{layer}.{name}.weight", INNER, WIDTH)
        tensor(f"{layer}.ffn_down.weight", WIDTH, INNER)
        for name, size in (("attn_norm", WIDTH), ("ffn_norm", WIDTH), ("attn_q_norm", 16), ("attn_k_norm", 16)):
            writer.add_tensor(f"{layer}.{name}.weight", np.ones(size, np.float32))
    return writer, tensor


def _writer(path: Path, architecture: str, context: int, tokens: int) -> tuple[gguf.GGUFWriter, Callable[..., None]]:
    """A file with what every model has, and a function that adds a random tensor: its name, rows and columns."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    random = np.random.default_rng(7)

    def tensor(name: str, *shape: int, scale: float = 0.15) -> None:
        writer.add_tensor(name, (random.standard_normal(shape) * scale).astype(np.float32))

    tensor("token_embd.weight", tokens, WIDTH, scale=1.0)
    return writer, tensor


def _norm(tensor: Callable[..., None], name: str, *, bias: bool = True) -> None:
    tensor(f"{name}.weight", WIDTH, scale=1.0)
    if bias:
        tensor(f"{name}.bias", WIDTH)


def _types(tokens: Sequence[str], special: Sequence[str]) -> list[gguf.TokenType]:
    return [gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens]


def _byte_names() -> list[str]:
    """The printable stand-ins for the 256 bytes in byte-level vocabularies; those that are printable stand for themselves."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [*map(chr, plain), *(chr(256 + place) for place in range(len(others)))]


def _finish(writer: gguf.GGUFWriter) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(writer.path)

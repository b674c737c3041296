from __future__ import annotations

import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from gguf import GGUFReader

from models import gguf
from models.cards import ModelCard
from models.errors import ModelConfigError, ModelFileError
from models.llamacpp_quantize import KINDS, kind_of, quantize, quantize_into
from tests.models.gguf_files import tiny_llama
from tests.models.test_gguf import gguf_bytes


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes())
    return path


def test_kinds_go_by_either_case_and_others_are_refused() -> None:
    assert kind_of("q4_k_m") == "Q4_K_M"
    with pytest.raises(ModelConfigError, match="IQ4_NL"):
        kind_of("Q3")


def test_what_is_no_model_is_refused_before_a_process_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")
    (tmp_path / "page.gguf").write_text("<html>")
    with pytest.raises(ModelFileError, match="not a GGUF file"):
        quantize(tmp_path / "page.gguf", tmp_path / "out.gguf", "Q4_0")


def test_a_native_crash_ends_the_child_and_leaves_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = tmp_path / "crashing"
    crashing.write_text('#!/bin/sh\necho half > "$4"\nkill -SEGV $$\n')
    crashing.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(crashing))
    with pytest.raises(ModelFileError, match="crashed: Segmentation fault"):
        quantize(model, tmp_path / "out.gguf", "Q4_0")
    assert sorted(path.name for path in tmp_path.glob("*.gguf*")) == ["model.gguf"]


def test_a_child_that_writes_half_a_file_and_says_it_is_done_is_not_believed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lying = tmp_path / "lying"
    lying.write_text('#!/bin/sh\nhead -c 100 "$3" > "$4"\n')
    lying.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(lying))
    target = tmp_path / "out.gguf"
    target.write_bytes(b"the old one")
    with pytest.raises(ModelFileError, match="cut off"):
        quantize(model, target, "Q4_0")
    assert target.read_bytes() == b"the old one"


def test_a_full_disk_is_named_as_the_reason(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho 'failed to quantize: basic_ios::clear' >&2\nexit 1\n")
    failing.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(failing))
    with pytest.raises(ModelFileError, match="basic_ios::clear"):
        quantize(model, tmp_path / "out.gguf", "Q4_0")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("usage", "total used free")(1, 1, 0))
    with pytest.raises(ModelFileError, match="is full: free some space"):
        quantize(model, tmp_path / "out.gguf", "Q4_0")


def test_a_place_that_cannot_be_written_is_one_sentence(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="choose another place"):
        quantize(model, tmp_path / "none" / "out.gguf", "Q4_0")


@pytest.mark.real
def test_llama_cpp_says_why_it_does_not_take_a_file(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="could not be quantised to Q4_0") as caught:
        quantize(model, tmp_path / "out.gguf", "Q4_0")
    assert "no reason" not in str(caught.value)
    assert [path.name for path in tmp_path.glob("*gguf*")] == ["model.gguf"]


@pytest.mark.real
def test_the_starter_is_quantised_anew(starter: ModelCard, tmp_path: Path) -> None:
    target = tmp_path / "out.gguf"
    quantize(starter.path, target, "q8_0", threads=2)
    header = gguf.check(target)
    assert (header.metadata["general.file_type"], header.context_length) == (7, starter.context_length)
    assert [path.name for path in tmp_path.glob("*gguf*")] == ["out.gguf"]


@pytest.mark.real
def test_every_kind_is_one_of_the_installed_llama_cpp() -> None:
    import llama_cpp

    assert all(hasattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}") for kind in KINDS)


@pytest.mark.real
def test_careful_weights_keep_eight_bits(tmp_path: Path) -> None:
    part = tmp_path / "part.gguf"
    quantize_into(part, tiny_llama(tmp_path / "tiny.gguf"), "Q4_0", careful=("ffn_down", "attn_v"))
    kinds = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(part).tensors}

    assert kinds["blk.0.ffn_down.weight"] == kinds["blk.1.attn_v.weight"] == "Q8_0"
    assert kinds["blk.0.ffn_up.weight"] == kinds["blk.0.attn_q.weight"] == "Q4_0"

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models import catalogue
from models.catalogue import PublishedModel
from models.library import Library
from tests.bot.cli.conftest import Ended
from tests.models.hub import HubServer
from tests.models.test_gguf import gguf_bytes
from tests.models.test_library import ADAPTER

Kura = Callable[..., Ended]
BYTES = gguf_bytes()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, hub: HubServer) -> PublishedModel:
    """A catalogue of one chat model, which the hub has."""
    sha256 = hub.publish("owner/Small-GGUF", "small-q4_0.gguf", BYTES)
    files = [
        {"quant": "Q4_0", "name": "small-q4_0.gguf", "size": len(BYTES), "sha256": sha256},
        {"quant": "Q8_0", "name": "small-q8_0.gguf", "size": 0, "sha256": ""},
    ]
    values = {
        "name": "small",
        "kind": "chat",
        "licence": "Apache-2.0",
        "parameters": "1B",
        "languages": ["en", "ja"],
        "context_length": 1024,
        "template": "chatml",
        "answer_style": "quote",
        "note": "For tests.",
        "repository": "owner/Small-GGUF",
        "revision": "main",
        "cpu": "Q4_0",
        "gpu": "Q8_0",
        "files": files,
    }
    model = PublishedModel.model_validate(values)
    monkeypatch.setattr(catalogue, "published", lambda: (model,))
    return model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "ours.gguf"
    path.write_bytes(BYTES)
    return path


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "data" / "models")


def test_the_list_shows_what_there_is_by_kind_and_language(kura: Kura, model: Path) -> None:
    assert kura("models", "add", str(model)).code == 0
    shown = kura("models", "list").out
    assert "ours" in shown.split("Published:")[0]
    assert "qwen3-8b" in shown.split("Published:")[1]
    some = kura("models", "list", "--kind", "reranker", "--language", "JA", "--json").json
    assert some["installed"] == some["faults"] == []
    assert {one["kind"] for one in some["published"]} == {"reranker"}
    assert all("ja" in one["languages"] for one in some["published"])
    assert kura("models", "list", "--kind", "painter").code == 2


def test_a_reranker_that_was_added_is_told_with_the_section_that_names_it(kura: Kura, model: Path) -> None:
    ended = kura("models", "add", str(model), "--kind", "reranker")
    assert ended.code == 0
    assert ended.out.endswith('[rerank]\nname = "ours"\n')


def test_listing_makes_no_folder(kura: Kura, library: Library) -> None:
    assert "none: `kura models pull NAME`" in kura("models", "list").out
    assert not library.folder.parent.exists()


def test_a_spoiled_card_does_not_hide_the_others(kura: Kura, model: Path, library: Library) -> None:
    kura("models", "add", str(model))
    (library.folder / "bad.toml").write_text("kind = 1")
    ended = kura("models", "list")
    assert ended.code == 0
    assert "ours" in ended.out
    assert "bad.toml" in ended.err


def test_a_published_model_is_pulled_verified_and_removed(
    kura: Kura, published: PublishedModel, library: Library
) -> None:
    ended = kura("models", "pull", "small")
    assert ended.code == 0
    assert '[model]\nname = "small-Q4_0"' in ended.out
    assert "Apache-2.0" in ended.err
    assert "small-Q4_0: " in ended.err
    card = library.card("small-Q4_0")
    assert (card.path.read_bytes(), card.answer_style, card.context_length) == (BYTES, "quote", 1024)
    assert (
        kura("models", "show", "small-Q4_0", "--json").json["origin"].startswith("owner/Small-GGUF/small-q4_0.gguf at ")
    )
    assert kura("models", "verify").out == "ok     small-Q4_0\n"
    card.path.write_bytes(BYTES[:-1] + b"?")
    ended = kura("models", "verify", "small-Q4_0")
    assert ended.code == 1
    assert "does not have the checksum" in ended.out
    assert kura("models", "remove", "small-Q4_0").code == 0
    assert kura("models", "verify").out == ""
    assert kura("models", "show", "small-Q4_0").code == 1


def test_the_quant_is_the_one_asked_for_or_the_one_for_a_gpu(
    kura: Kura, published: PublishedModel, hub: HubServer, monkeypatch: pytest.MonkeyPatch, library: Library
) -> None:
    hub.publish("owner/Small-GGUF", "small-q8_0.gguf", BYTES)
    monkeypatch.setenv("KURA_MODEL_GPU_LAYERS", "-1")
    assert kura("models", "pull", "small").code == 0
    assert kura("models", "pull", "small", "--quant", "q4_0").code == 0
    assert library.names() == ["small-Q4_0", "small-Q8_0"]
    ended = kura("models", "pull", "small", "--quant", "Q2_K")
    assert ended.code == 1
    assert "Q4_0, Q8_0" in ended.err


def test_another_revision_is_not_held_to_the_cards_checksum(
    kura: Kura, published: PublishedModel, hub: HubServer, library: Library
) -> None:
    newer = gguf_bytes(tensors=(("w", (64,), 0, 256),))
    sha256 = hub.publish("owner/Small-GGUF", "small-q4_0.gguf", newer, revision="v2")
    assert kura("models", "pull", "small", "--revision", "v2").code == 0
    assert library.card("small-Q4_0").sha256 == sha256 == hashlib.sha256(newer).hexdigest()


def test_any_repository_can_be_pulled_from_if_its_template_is_told(
    kura: Kura, hub: HubServer, library: Library
) -> None:
    hub.publish("other/Model", "sub/model-q8.gguf", BYTES)
    assert kura("models", "pull", "other/Model", "sub/model-q8.gguf").code == 2
    assert kura("models", "pull", "other/Model").code == 2
    assert kura("models", "pull", "other/Model", "sub/model-q8.gguf", "--template", "chatml").code == 0
    assert library.card("model-q8").answer_style == "generate"
    ended = kura("models", "pull", "other/Model", "sub/model-q8.gguf", "--kind", "embedding", "--name", "embedder")
    assert '[embedder]\nname = "embedder"' in ended.out


def test_a_hub_that_refuses_is_one_sentence(kura: Kura, published: PublishedModel, hub: HubServer) -> None:
    hub.faults["hub", "HEAD"] = [lambda answer: answer.status(401)]
    ended = kura("models", "pull", "small")
    assert ended.code == 1
    assert "HF_TOKEN" in ended.err
    assert kura("models", "pull", "smal").err.endswith("did you mean small?\n")


def test_a_model_of_ones_own_is_added_with_its_adapter(
    kura: Kura, model: Path, library: Library, tmp_path: Path
) -> None:
    adapter = tmp_path / "tuned.gguf"
    adapter.write_bytes(gguf_bytes(entries=ADAPTER))
    ended = kura(
        "models", "add", str(model), "--name", "house", "--answer-style", "quote", "--adapter", str(adapter), "--link"
    )
    assert '[model]\nname = "house"' in ended.out
    card = library.card("house")
    assert (card.path, card.adapter, card.answer_style) == (model, adapter, "quote")
    assert "linked and stays" in kura("models", "remove", "house").out
    assert kura("models", "add", str(model), "--template", "none").code == 1
    assert kura("models", "add", str(tmp_path / "none.gguf")).code == 1


def test_a_published_file_that_was_carried_over_gets_its_own_card(
    kura: Kura, published: PublishedModel, library: Library, tmp_path: Path
) -> None:
    carried = tmp_path / "small-q4_0.gguf"
    carried.write_bytes(BYTES[:-1] + b"?")
    assert "checksum" in kura("models", "add", str(carried)).err
    carried.write_bytes(BYTES)
    assert kura("models", "add", str(carried)).code == 0
    assert library.card("small-Q4_0").answer_style == "quote"


def test_a_published_model_is_shown_before_it_is_pulled(kura: Kura, published: PublishedModel) -> None:
    shown = kura("models", "show", "small").out
    assert "licence         Apache-2.0" in shown
    assert "quant Q4_0, name small-q4_0.gguf" in shown
    assert kura("models", "show", "small", "--json").json["repository"] == "owner/Small-GGUF"


def test_quantising_needs_a_model_and_a_kind_there_is(kura: Kura, model: Path, tmp_path: Path) -> None:
    assert "did you mean ours" in (kura("models", "add", str(model)), kura("models", "quantize", "our", "Q4_0"))[1].err
    assert "choose one of" in kura("models", "quantize", "ours", "Q9").err
    (tmp_path / "ours-Q4_0.gguf").write_bytes(b"there")
    assert kura("models", "quantize", str(model), "q4_0").code == 2
    assert (tmp_path / "ours-Q4_0.gguf").read_bytes() == b"there"


@pytest.mark.real
def test_an_installed_model_is_quantised_beside_itself_and_a_file_next_to_it(
    kura: Kura, library: Library, tmp_path: Path
) -> None:
    from models.cards import starter_chat

    starter = starter_chat()
    kura("models", "add", str(starter.path), "--name", "small-F16", "--link", "--answer-style", "quote")
    ended = kura("models", "quantize", "small-F16", "q8_0")
    assert '[model]\nname = "small-Q8_0"' in ended.out
    card = library.card("small-Q8_0")
    assert (card.path.parent, card.answer_style) == (library.folder, "quote")
    library.verify("small-Q8_0")
    assert kura("models", "quantize", str(card.path), "Q4_0").code == 0
    assert (library.folder / "small-Q8_0-Q4_0.gguf").is_file()

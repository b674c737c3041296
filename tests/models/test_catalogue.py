from __future__ import annotations

from pathlib import Path

import pytest

from models import catalogue
from models.catalogue import PublishedModel
from models.errors import ModelConfigError
from models.templates import NAMES

GOOD = """
kind = "chat"
licence = "Apache-2.0"
parameters = "1.5B"
languages = ["en", "ja"]
context_length = 4096
template = "chatml"
answer_style = "generate"
note = "For a test."
repository = "owner/Model-GGUF"
revision = "main"
cpu = "Q4_0"
gpu = "Q8_0"

[[files]]
quant = "Q4_0"
name = "model-q4_0.gguf"
size = 0
sha256 = ""

[[files]]
quant = "Q8_0"
name = "parts/model-q8_0.gguf"
size = 12
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "ours.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_card_is_read(tmp_path: Path) -> None:
    model = catalogue.read(write(tmp_path, GOOD))

    assert (model.name, model.kind, model.languages) == ("ours", "chat", {"en", "ja"})
    assert model.file("q8_0").name == "parts/model-q8_0.gguf"
    with pytest.raises(ModelConfigError, match="Q4_0, Q8_0"):
        model.file("Q5_K_M")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('kind = "chat"', 'kind = "painter"', "kind"),
        ('kind = "chat"', 'kind = "chat"\ncolour = "red"', "colour"),
        ('licence = "Apache-2.0"', "", "licence"),
        ('licence = "Apache-2.0"', 'licence = ""', "licence"),
        ('parameters = "1.5B"', 'parameters = "large"', "parameters"),
        ('languages = ["en", "ja"]', 'languages = "en"', "languages"),
        ('languages = ["en", "ja"]', 'languages = ["English"]', "languages.0"),
        ("context_length = 4096", 'context_length = "4096"', "context_length"),
        ("context_length = 4096", "context_length = 0", "context_length"),
        ('template = "chatml"', 'template = "none"', "template"),
        ('template = "chatml"', "", "template"),
        ('answer_style = "generate"', 'answer_style = "sing"', "answer_style"),
        ('repository = "owner/Model-GGUF"', 'repository = "../etc"', "repository"),
        ('cpu = "Q4_0"', 'cpu = "Q2_K"', "cpu"),
        ('gpu = "Q8_0"', 'gpu = "Q2_K"', "gpu"),
        ("size = 12", "size = -1", "files.1.size"),
        ("size = 12", "size = 1.5", "files.1.size"),
        ('sha256 = ""', 'sha256 = "abc"', "files.0.sha256"),
        ('sha256 = ""', "", "files.0.sha256"),
        ('name = "model-q4_0.gguf"', 'name = "../model.gguf"', "files.0.name"),
        ('name = "model-q4_0.gguf"', 'name = "model.bin"', "files.0.name"),
        ('quant = "Q8_0"', 'quant = "Q4_0"', "files"),
        ('quant = "Q4_0"', 'quant = "Q4_0"\nspeed = 1', "files.0.speed"),
    ],
)
def test_a_wrong_card_names_itself_and_the_field(tmp_path: Path, old: str, new: str, field: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ModelConfigError) as caught:
        catalogue.read(path)
    assert str(path) in str(caught.value)
    assert f"({field}: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_toml_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError, match="not valid TOML"):
        catalogue.read(write(tmp_path, "kind = "))


def test_the_published_models_cover_what_a_company_needs() -> None:
    models = catalogue.published()

    assert 12 <= len(models) <= 20
    assert len({model.name for model in models}) == len(models)
    for kind in ("chat", "embedding", "reranker"):
        assert any("ja" in model.languages for model in models if model.kind == kind)
    assert all(model.template in NAMES for model in models if model.kind == "chat")
    assert all(model.file(model.cpu) and model.file(model.gpu) for model in models)


def test_an_embedder_says_how_its_vectors_come_about() -> None:
    for model in catalogue.published():
        if model.kind == "embedding":
            assert model.pooling != "file"


def test_a_name_that_is_near_is_suggested() -> None:
    assert catalogue.find("qwen3-8b").repository == "Qwen/Qwen3-8B-GGUF"
    with pytest.raises(ModelConfigError, match="did you mean qwen3-8b"):
        catalogue.find("Qwen3-8b-instruct")
    with pytest.raises(ModelConfigError, match="kura models list"):
        catalogue.find("zzzzzz")


def row(model: PublishedModel) -> str:
    """A model's line in the table of docs/models.md."""
    size = model.file(model.cpu).size
    cells = (
        f"`{model.name}`",
        model.kind,
        model.parameters,
        model.cpu if model.cpu == model.gpu else f"{model.cpu}, GPU {model.gpu}",
        f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size else "?",
        " ".join(sorted(model.languages)),
        f"{model.context_length:,}",
        model.answer_style if model.kind == "chat" else "–",
        model.licence,
    )
    return f"| {' | '.join(cells)} |"


def test_the_table_in_the_documentation_is_the_catalogue() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("| `")] == [row(model) for model in catalogue.published()]

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from models import gguf
from models.errors import ModelConfigError, ModelFileError
from models.library import Library, Use
from tests.models.test_gguf import ENTRIES, gguf_bytes, string_entry

ADAPTER = (*ENTRIES, string_entry("general.type", "adapter"), string_entry("adapter.type", "lora"))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "data" / "models")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "ours.gguf"
    path.write_bytes(gguf_bytes())
    return path


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    path = tmp_path / "tuned.gguf"
    path.write_bytes(gguf_bytes(entries=ADAPTER))
    return path


def visible(library: Library) -> list[str]:
    return sorted(path.name for path in library.folder.glob("[!.]*"))


def hidden(library: Library) -> list[str]:
    return sorted(path.name for path in library.folder.glob(".*") if not path.name.endswith("lock"))


def test_a_model_is_copied_with_a_card_beside_it(library: Library, model: Path) -> None:
    card = library.add(model, Use(licence="ours alone", languages=frozenset({"en", "ja"}), origin="the tuning team"))

    assert card == library.card("ours")
    assert (card.path, card.sha256) == (library.folder / "ours.gguf", gguf.checksum(model))
    assert (card.context_length, card.template, card.answer_style) == (2048, "chatml", "generate")
    assert (card.licence, card.languages) == ("ours alone", {"en", "ja"})
    assert library.origin("ours") == "the tuning team"
    model.unlink()
    library.verify("ours")
    assert library.names() == ["ours"]
    assert not hidden(library)


def test_the_folders_are_for_their_owner_alone(library: Library, model: Path) -> None:
    library.add(model, Use())
    for folder in (library.folder, library.folder.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_texts_of_every_kind_come_back_from_the_card(library: Library, model: Path) -> None:
    prefix = 'Instruct: "何か" \\ \x7f \t\nQuery: 🦉'
    card = library.add(
        model, Use(kind="embedding", pooling="last", query_prefix=prefix, passage_prefix="p: ", context_length=512)
    )
    assert (card.kind, card.pooling, card.query_prefix, card.passage_prefix) == ("embedding", "last", prefix, "p: ")
    assert (card.context_length, card.template) == (512, "")


def test_a_linked_model_stays_where_it_is_and_is_never_deleted(
    library: Library, model: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent)
    card = library.add(Path(model.name), Use(), link=True, adapter=adapter, name="linked")
    assert (card.path, card.adapter) == (model, adapter)
    assert visible(library) == ["linked.toml"]
    assert library.remove("linked") == []
    assert model.is_file()
    assert adapter.is_file()
    assert library.names() == []


def test_an_adapter_comes_along_and_goes_along(library: Library, model: Path, adapter: Path) -> None:
    card = library.add(model, Use(), adapter=adapter)
    assert card.adapter == library.folder / "ours.adapter.gguf"
    assert card.adapter_sha256 == gguf.checksum(adapter)
    library.verify("ours")
    assert {path.name for path in library.remove("ours")} == {"ours.gguf", "ours.adapter.gguf"}
    assert visible(library) == []


def test_what_does_not_fit_together_is_refused(library: Library, model: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no whole model"):
        library.add(adapter, Use())
    with pytest.raises(ModelFileError, match="no LoRA adapter"):
        library.add(model, Use(), adapter=model)
    other = tmp_path / "other.gguf"
    other.write_bytes(gguf_bytes(entries=(string_entry("general.architecture", "gemma3"), *ADAPTER[1:])))
    with pytest.raises(ModelFileError, match="gemma3"):
        library.add(model, Use(), adapter=other)
    with pytest.raises(ModelConfigError, match="chatml"):
        library.add(model, Use(template="none"))
    (tmp_path / "page.gguf").write_text("<html>")
    with pytest.raises(ModelFileError, match="not a GGUF file"):
        library.add(tmp_path / "page.gguf", Use())
    assert not library.folder.exists()


@pytest.mark.parametrize(
    "name",
    ["../x", "a/b", "/etc/x", "a\0b", ".hidden", "..", "-x", "a b", "x" * 121, "蔵" * 41, "a\nb", "C:x", "a\\b"],
)
def test_names_that_could_lead_elsewhere_are_refused(library: Library, model: Path, name: str) -> None:
    for call in (
        lambda: library.add(model, Use(), name=name),
        lambda: library.card(name),
        lambda: library.remove(name),
    ):
        with pytest.raises(ModelFileError, match="cannot be named"):
            call()
    assert not library.folder.exists()


def test_a_japanese_name_is_a_name(library: Library, model: Path) -> None:
    library.add(model, Use(), name="社内モデル-v2.1")
    assert library.card("社内モデル-v2.1").path.is_file()


def test_a_name_is_given_once(library: Library, model: Path) -> None:
    library.add(model, Use())
    with pytest.raises(ModelFileError, match=r"named ours already.*--name"):
        library.add(model, Use(licence="other"))
    assert library.card("ours").licence == ""


def test_an_unknown_name_suggests_near_ones_or_how_to_get_it(library: Library, model: Path) -> None:
    library.add(model, Use())
    with pytest.raises(ModelFileError, match="did you mean ours"):
        library.card("our")
    with pytest.raises(ModelFileError, match="kura models pull qwen3-8b"):
        library.card("qwen3-8b")
    with pytest.raises(ModelFileError, match="kura models list"):
        library.card("zzz")


def test_verify_says_what_differs(library: Library, model: Path, adapter: Path) -> None:
    card = library.add(model, Use(), adapter=adapter)
    assert card.adapter is not None
    damaged = bytearray(card.adapter.read_bytes())
    damaged[-1] ^= 1
    card.adapter.write_bytes(damaged)
    with pytest.raises(ModelFileError, match=r"adapter\.gguf does not have the checksum"):
        library.verify("ours")
    card.path.unlink()
    with pytest.raises(ModelFileError, match=r"ours\.gguf does not exist"):
        library.verify("ours")
    library.remove("ours")
    assert visible(library) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kind = "chat"', 'kind = "song"'),
        ('file = "ours.gguf"', 'file = "../../etc/passwd"'),
        ('template = "chatml"', 'template = "none"'),
        ('template = "chatml"', 'template = "chatml"\nextra = 1'),
        ("context_length = 2048", "context_length = 0"),
        ("context_length = 2048", "context_length"),
    ],
)
def test_a_card_that_was_spoiled_is_one_sentence(library: Library, model: Path, old: str, new: str) -> None:
    library.add(model, Use())
    path = library.folder / "ours.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ModelConfigError, match=r"ours\.toml"):
        library.card("ours")
    library.remove("ours")
    assert visible(library) == []


def test_a_full_disk_leaves_nothing(library: Library, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelFileError, match="no room"):
        library.add(model, Use())
    with pytest.raises(ModelFileError, match="No space left"):
        library.add(model, Use(), link=True)
    assert visible(library) == hidden(library) == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, model: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(ModelFileError, match="model folder"):
        Library(tmp_path / "data" / "models").add(model, Use())


def test_a_crash_between_the_file_and_its_card_leaves_no_model_and_may_be_repeated(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def crash(self: Path, target: Path) -> Path:
        if target.suffix == ".toml":
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            library.add(model, Use())
    assert library.names() == []
    library.add(model, Use())
    library.verify("ours")


def test_what_a_dead_process_left_is_swept_away_and_a_living_ones_is_not(library: Library, model: Path) -> None:
    library.folder.mkdir(parents=True)
    dead, living = library.folder / ".a.0000.part", library.folder / ".b.0000.part"
    dead.write_bytes(b"half")
    with living.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        library.add(model, Use())
        assert hidden(library) == [living.name]


@pytest.mark.real
def test_of_processes_that_add_the_same_name_at_once_exactly_one_does(library: Library, model: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from models.library import Library, Use\n"
        "from models.errors import ModelFileError\n"
        "sys.stdin.read()\n"
        "try: Library(Path(sys.argv[1])).add(Path(sys.argv[2]), Use())\n"
        "except ModelFileError as error: sys.exit(3 if 'already' in str(error) else 4)\n"
    )
    command = [sys.executable, "-c", program, str(library.folder), str(model)]
    root = Path(__file__).parents[2]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, cwd=root) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    assert sorted(process.wait(60) for process in processes) == [0, 3, 3, 3]
    library.verify("ours")
    assert visible(library) == ["ours.gguf", "ours.toml"]
    assert not hidden(library)

"""Sources built from settings: each kind, and what each remembers in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from bot.errors import SettingsError
from bot.settings import Settings
from bot.settings_sources import SourceSettings
from bot.wiring.sources import configured, forget_source, uploads, webhook_secret


class Tickets(BaseLoader):
    """A loader of a company's own."""

    def __init__(self, project: str) -> None:
        self.project = project

    def lazy_load(self) -> Iterator[Document]:
        yield Document(f"Ticket of {self.project}.", metadata={"source": "t/1", "title": "First"})


def settings(tmp_path: Path, *sources: dict[str, object]) -> Settings:
    return Settings(data_dir=tmp_path / "data", sources=tuple(SourceSettings.model_validate(one) for one in sources))


def test_a_loader_of_ones_own_is_named_by_its_path(tmp_path: Path) -> None:
    component = f"{__name__}.Tickets"
    made = settings(
        tmp_path,
        {
            "name": "tickets",
            "kind": "loader",
            "component": component,
            "arguments": {"project": "IT", "api_key": "s3cret"},
        },
    )
    with pytest.raises(SettingsError, match="api_key"):
        configured(made)[0].feed()
    made = settings(
        tmp_path, {"name": "tickets", "kind": "loader", "component": component, "arguments": {"project": "IT"}}
    )
    feed = configured(made)[0].feed()
    assert feed.source.root.startswith(f"{__name__}:Tickets#")
    assert "IT" not in feed.source.root
    (item,) = feed.source.list({}).items
    assert feed.source.read(item).data == b"Ticket of IT."
    feed.source.close()


def test_a_folder_has_its_patterns_and_readers(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A")
    (tmp_path / "b.md").write_text("# B")
    (only,) = configured(settings(tmp_path, {"name": "x", "path": tmp_path, "exclude": ["b.md"], "readers": ["hr"]}))
    feed = only.feed()
    assert [item.item for item in feed.source.list({}).items] == ["a.md"]
    assert feed.readers.groups == {"hr"}
    assert not feed.deliberate


def test_uploads_are_kept_apart_whatever_sources_are_called(tmp_path: Path) -> None:
    made = settings(tmp_path, *({"name": name, "kind": "upload"} for name in ("hr", "h:r", "人事", "..")))
    roots = [one.path for one in configured(made)]
    assert len(set(roots)) == 4
    assert all(root and root.parent == tmp_path / "data" / "uploads" for root in roots)
    files = uploads(made, "hr")
    assert files is not None
    files.put("a.md", b"# A")
    assert [item.item for item in configured(made)[0].feed().source.list({}).items] == ["a.md"]
    assert configured(made)[0].feed().deliberate
    assert uploads(made, "nope") is None


def test_what_a_source_remembers_is_removed_with_it(tmp_path: Path) -> None:
    made = settings(tmp_path, {"name": "hr", "kind": "upload"})
    files = uploads(made, "hr")
    assert files
    files.put("a.md", b"# A")
    forget_source(settings(tmp_path), "hr")  # configured any more or not
    assert list((tmp_path / "data" / "uploads").iterdir()) == []


def test_a_webhook_secret_comes_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    source = SourceSettings(name="w", kind="git", repository="https://g.example.com/w.git", webhook_secret_file=file)
    with pytest.raises(SettingsError, match="cannot be read"):
        webhook_secret(source)
    file.write_text("\n")
    with pytest.raises(SettingsError, match="empty"):
        webhook_secret(source)
    file.write_text("s3cret\n")
    assert webhook_secret(source) == "s3cret"
    assert webhook_secret(SourceSettings(name="w", kind="git", repository="https://g.example.com/w.git")) == ""

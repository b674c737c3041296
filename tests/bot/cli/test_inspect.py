from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval.data_folder import DataFolder
from tests.bot.cli.conftest import Ended

Kura = Callable[..., Ended]


def test_init_writes_a_file_that_loads_and_is_never_overwritten(kura: Kura) -> None:
    assert kura("init").code == 0
    assert kura("config", "show").code == 0
    ended = kura("init")
    assert ended.code == 2
    assert "--force" in ended.err
    assert kura("init", "--force").code == 0


def test_status_counts_documents_by_source(kura: Kura, ingested: Path) -> None:
    status = kura("status", "--json").json
    assert status["documents"] == 3
    assert {source["name"]: source["documents"] for source in status["sources"]} == {"docs": 2, "people": 1}
    assert "people: 1 document, read by hr" in kura("status").out


def test_status_of_nothing_says_what_to_do(kura: Kura, tmp_path: Path) -> None:
    assert "kura ingest" in kura("status").out
    assert not (tmp_path / "data").exists()


def test_a_sound_installation_has_no_fault(kura: Kura, ingested: Path) -> None:
    ended = kura("doctor", "--json")
    assert [one["check"] for one in ended.json if not one["ok"]] == []
    assert {one["check"] for one in ended.json} >= {"python", "llama.cpp", "model", "data folder", "index", "port"}
    assert len(kura("doctor").out.splitlines()) == len(ended.json)


def test_a_source_that_is_not_configured_any_more_is_named_by_each_command(kura: Kura, ingested: Path) -> None:
    letters = '[[sources]]\nname = "letters"\nkind = "upload"\n'
    others = f'[[sources]]\nname = "company"\npath = "{ingested}"\n'
    Path("kura.toml").write_text(letters + others)
    said = "letters is stored and not configured any more"
    ended = kura("ingest")
    assert said not in ended.out + ended.err + kura("status").out + kura("doctor").out
    assert kura("status", "--json").json["unconfigured"] == []
    Path("kura.toml").write_text(others)
    for ended in (kura("ingest"), kura("status"), kura("doctor")):
        assert said in ended.out + ended.err
        assert "kura remove letters" in ended.out + ended.err
        assert "docs is stored" not in ended.out + ended.err
    assert said not in kura("ingest", "company").err  # one source was asked for
    assert said in kura("ingest", "--json").err
    assert kura("status", "--json").json["unconfigured"] == ["letters"]
    assert [one["check"] for one in kura("doctor", "--json").json if not one["ok"]] == ["sources"]
    assert kura("remove", "letters").code == 0
    assert said not in kura("status").out
    assert kura("doctor").code == 0


def test_a_lost_vector_index_is_found_and_mended(kura: Kura, ingested: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "data" / "chroma")
    ended = kura("doctor")
    assert ended.code == 1
    assert "FAULT  index" in ended.out
    assert "kura repair" in ended.out
    assert kura("repair").code == 0
    assert kura("doctor").code == 0


def test_an_open_data_folder_and_a_wrong_model_are_faults(
    kura: Kura, ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").chmod(0o755)
    monkeypatch.setenv("KURA_MODEL_PATH", str(tmp_path / "none.gguf"))
    faults = [one["check"] for one in kura("doctor", "--json").json if not one["ok"]]
    assert faults == ["model", "data folder"]


def test_a_folder_that_is_held_is_said_by_each_command(kura: Kura, ingested: Path, tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data", holder="kura serve"):
        ended = kura("ask", "hotel limit?")
        assert ended.code == 1
        assert "in use by kura serve" in ended.err
        assert kura("ingest", str(ingested)).code == 1
        assert "in use by kura serve" in kura("status").out
        assert kura("doctor").code == 0
    assert kura("ask", "hotel limit?").code == 0


def test_config_show_masks_secrets(kura: Kura, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KURA_DISCORD_TOKEN", "s3cret")
    shown = kura("config", "show")
    assert "discord.token = ********" in shown.out
    assert "s3cret" not in shown.out + shown.err


def test_the_data_folder_may_be_named_before_or_after_the_command(kura: Kura, tmp_path: Path) -> None:
    for arguments in (["--data-dir", "here", "config", "show"], ["config", "show", "--data-dir", "here"]):
        assert f"data_dir = {tmp_path / 'work' / 'here'}" in kura(*arguments).out


def test_the_version_and_the_help_are_there(kura: Kura) -> None:
    assert kura("--version").out.startswith("kura ")
    assert kura("--help").code == 0


def test_telemetry_is_off_for_every_command(kura: Kura, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    assert kura("config", "show").code == 0
    assert os.environ["LANGSMITH_TRACING"] == "false"


def test_status_and_doctor_say_how_far_the_embedder_is_trusted(kura: Kura, ingested: Path) -> None:
    said = "as it says which languages it speaks (too few passages to measure it on)"
    assert f"Trusted:     {said}" in kura("status").out
    assert kura("status", "--json").json["trusted"] == said
    assert f"trusted {said}" in kura("doctor").out

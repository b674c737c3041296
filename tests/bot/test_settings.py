from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.errors import SettingsError
from bot.settings import discord_token, environment_names, keys, load

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def write(text: str, name: str = "kura.toml") -> Path:
    Path(name).write_text(text, encoding="utf-8")
    return Path(name).resolve()


def test_flags_win_over_environment_over_file_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().server.port == 8642
    write('[server]\nport = 1111\nhost = "::1"\n')
    assert load().server.port == 1111
    monkeypatch.setenv("KURA_SERVER_PORT", "2222")
    assert load().server.port == 2222
    assert load().server.host == "::1"
    assert load(overrides={"server": {"port": 3333}}).server.port == 3333


def test_paths_in_the_file_count_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    monkeypatch.delenv("KURA_DATA_DIR")
    file = write(
        'data_dir = "data"\n[model]\npath = "m.gguf"\n[[sources]]\nname = "a"\npath = "docs"\n',
        str(tmp_path / "etc" / "kura.toml"),
    )
    settings = load(file)
    assert settings.data_dir == tmp_path / "etc" / "data"
    assert settings.model.path == tmp_path / "etc" / "m.gguf"
    assert settings.sources[0].path == tmp_path / "etc" / "docs"


def test_the_file_can_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KURA_CONFIG", str(write("[server]\nport = 4444\n", str(tmp_path / "other.toml"))))
    assert load().server.port == 4444


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load().server.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 1\n", "prot: there is no such setting; did you mean port"),
        ("[server]\nport = 70000\n", "server.port: input should be less than or equal to 65535"),
        ("[server]\nport = [\n", "is not valid TOML"),
        (
            '[[sources]]\nname = "a"\npath = "x"\n[[sources]]\nname = "a"\npath = "y"\n',
            "two sources have the same name",
        ),
        ('[[sources]]\nname = "a"\npath = "x"\nreaders = []\n', "sources.0.readers"),
        ('[model]\npath = "x"\ncomponent = "a.B"\n', "model: give only one of name, path, servers and component"),
        ('[model]\nservers = ["http://gpu1:8000/v1"]\n', "model: servers and served_model belong together"),
        ('[model]\nadapter = "a.gguf"\n', "model: adapter goes with path"),
        ('[embedder]\npath = "x"\nname = "y"\n', "embedder: give only one"),
        ("[model]\nfirst_token_s = 0\n", "model.first_token_s"),
        ('[model]\nanswer_style = "poem"\n', "model.answer_style"),
        ('[model]\nsha256 = "abc"\n', "model.sha256"),
        ('[[sources]]\nname = "a"\npath = ""\n', "the path is empty"),
        ('[[sources]]\nname = "a"\n', 'sources.0: a is of kind "folder" and needs path'),
        ('[[sources]]\nname = "a"\nkind = "git"\n', "needs repository"),
        ('[[sources]]\nname = "a"\nkind = "web"\npath = "x"\n', 'path is for sources of kind = "folder"'),
        ('[[sources]]\nname = "a/b"\npath = "x"\n', "sources.0.name"),
        ('[[sources]]\nname = "a"\npath = "x"\nschedule = "soon"\n', "sources.0"),
        ("[ingest]\nmost_removed = 2\n", "ingest.most_removed"),
    ],
)
def test_a_wrong_file_gets_one_sentence_naming_the_key(text: str, says: str) -> None:
    write(text)
    with pytest.raises(SettingsError, match="kura") as caught:
        load()
    assert says in str(caught.value)
    assert "kura.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="kura init"):
        load(tmp_path / "none.toml")
    (tmp_path / "junk.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load(tmp_path / "junk.toml")


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KURA_DATA_DRI", "/tmp/x")  # noqa: S108
    with pytest.raises(SettingsError, match="did you mean KURA_DATA_DIR"):
        load()


def test_lists_in_the_environment_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KURA_SERVER_HOSTS", "kura.company.example, localhost")
    assert load().server.hosts == ("kura.company.example", "localhost")


def test_the_token_comes_from_environment_or_file_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert discord_token(load()) == ""
    monkeypatch.setenv("KURA_DISCORD_TOKEN", "s3cret")
    assert discord_token(load()) == "s3cret"
    assert "s3cret" not in repr(load())
    monkeypatch.delenv("KURA_DISCORD_TOKEN")
    (tmp_path / "token").write_text("fr0m-file\n")
    monkeypatch.setenv("KURA_DISCORD_TOKEN_FILE", str(tmp_path / "token"))
    assert discord_token(load()) == "fr0m-file"
    (tmp_path / "token").unlink()
    with pytest.raises(SettingsError, match="token_file"):
        discord_token(load())


def test_every_setting_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    missing = [key for key, _ in keys() if f"`{key.rsplit('.', 1)[-1]}`" not in text]
    assert not missing
    assert "KURA_DATA_DIR" in environment_names()


@pytest.mark.parametrize("name", ["KURA_DATA_DIR", "KURA_MODEL_PATH", "KURA_DISCORD_TOKEN_FILE"])
def test_an_empty_path_is_a_slip_and_not_the_working_folder(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    with pytest.raises(SettingsError, match="the path is empty"):
        load()


def test_the_home_folder_of_nobody_is_said() -> None:
    write('[[sources]]\nname = "a"\npath = "~no-such-person/x"\n')
    with pytest.raises(SettingsError, match=r"sources\.path: there is no home folder for ~no-such-person/x"):
        load()


def test_what_kubernetes_sets_for_a_service_named_kura_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8642_TCP", "PORT_8642_TCP_ADDR"):
        monkeypatch.setenv(f"KURA_{name}", "tcp://10.0.0.1:8642")
    assert load().server.port == 8642
    monkeypatch.setenv("KURA_PORT_X", "1")
    with pytest.raises(SettingsError, match="KURA_PORT_X"):
        load()

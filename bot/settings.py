"""The settings: read once from flags, environment and `kura.toml`, then frozen. Builds nothing (`bot/wiring/` does).

A flag wins over the environment (`KURA_SECTION_KEY`), the environment over the file, the file over the defaults.
Unknown keys are refused, in the file and in the environment. Relative paths in the file count from the file's folder.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs
import pydantic_settings
from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from bot.errors import SettingsError
from bot.settings_base import NamedPath, Names, Section, Sha256, go_with
from bot.settings_discord import DiscordSettings
from bot.settings_search import RerankSettings, SearchSettings
from bot.settings_sources import IngestSettings, SourceSettings
from models.engine import FlashAttention, SplitMode

CONFIG_FILE = "kura.toml"
_PREFIX = "KURA_"
_PATHS = (
    ("model", "path"),
    ("model", "adapter"),
    ("model", "api_key_file"),
    ("model", "ca_file"),
    ("embedder", "path"),
    ("search", "glossary"),
    ("rerank", "path"),
    ("answer", "prompts"),
    ("discord", "token_file"),
    ("discord", "server_token_file"),
)
"""Settings of a section that name a file or folder."""
_NOT_SETTINGS = frozenset({"KURA_CONFIG"})
_KUBERNETES = re.compile(
    r"KURA_SERVICE_HOST|KURA_SERVICE_PORT(_\w+)?|KURA_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
)
"""What Kubernetes sets in every container beside a Service named `kura`: not meant for us."""


class ModelSettings(Section):
    """The chat model. With no `name`, `path`, `servers` or `component` it is the starter model."""

    name: str = Field("", description="A model that was installed by `kura models pull` or `kura models add`.")
    path: NamedPath | None = Field(None, description="A GGUF file of your own, used where it lies.")
    sha256: Sha256 = Field("", description="The checksum of `path`; a file that differs is refused.")
    template: str = Field("chatml", description="The chat template that the model of `path` was trained with.")
    adapter: NamedPath | None = Field(None, description="A LoRA adapter (GGUF) over the model of `path`.")
    servers: Names = Field(
        (), description="Addresses of servers that speak OpenAI's protocol, in place of a file: `http://gpu1:8000/v1`."
    )
    served_model: str = Field("", description="What the model is called on `servers`.")
    api_key_file: NamedPath | None = Field(None, description="A file that holds the key of `servers`.")
    ca_file: NamedPath | None = Field(None, description="Certificates (PEM) that `servers` are trusted by.")
    component: str = Field(
        "",
        description="A LangChain chat model by dotted path, such as `langchain_openai.ChatOpenAI`, in place of a file.",
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="Arguments of `component`.")
    answer_style: Literal["quote", "generate"] | None = Field(
        None,
        description="`quote` copies sentences, `generate` writes prose with `[n]` marks. Default: what the model is good at.",
    )
    context_length: int = Field(4096, ge=512, le=1_048_576, description="Tokens of prompt and answer together.")
    first_token_s: float = Field(
        15.0,
        gt=0,
        description="Seconds until the first word is due: as many passages are read as this machine reads in that time.",
    )
    deadline_s: float = Field(
        120.0,
        gt=0,
        le=86_400,
        description="Seconds an answer may take, waiting included; what is there by then is shown.",
    )
    slots: int = Field(
        0,
        ge=0,
        le=128,
        description="Answers written at once; 0 is as many as a quarter of the free memory holds, at most 8.",
    )
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0 is one for each core that no other model uses.")
    gpu_layers: int = Field(0, ge=-1, description="Layers to put on the GPU; -1 is all of them.")
    split_mode: SplitMode = Field("layer", description="How layers are spread over several GPUs: none, layer or row.")
    main_gpu: int = Field(0, ge=0, description="The GPU that is used where there is no splitting.")
    flash_attention: FlashAttention = Field("auto", description="auto, on or off; auto asks the hardware.")

    @model_validator(mode="after")
    def _one_model(self) -> ModelSettings:
        if sum(map(bool, (self.name, self.path, self.servers, self.component))) > 1:
            raise ValueError("give only one of name, path, servers and component")
        if bool(self.servers) != bool(self.served_model):
            raise ValueError("servers and served_model belong together")
        if self.adapter and not self.path:
            raise ValueError("adapter goes with path; a named model got its adapter from `kura models add`")
        go_with(self, ("sha256", "template"), "path")
        go_with(self, ("api_key_file", "ca_file"), "servers")
        for server in self.servers:
            parts = urlsplit(server)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
                raise ValueError("servers are http or https addresses, without a password or query in them")
        return self


class EmbedderSettings(Section):
    """The embedder. With no `name`, `path` or `component` it is the starter embedder."""

    name: str = Field(
        "", description="An embedding model that was installed by `kura models pull` or `kura models add`."
    )
    path: NamedPath | None = Field(None, description="A GGUF embedding model, used where it lies.")
    sha256: Sha256 = Field("", description="The checksum of `path`; a file that differs is refused.")
    pooling: Literal["file", "mean", "cls", "last"] = Field(
        "file", description="How the vectors of `path` come about; `file`: as the file says."
    )
    query_prefix: str = Field("", description="What the model wants to read before a question.")
    passage_prefix: str = Field("", description="What the model wants to read before a passage.")
    languages: Names = Field((), description="Languages the model is good at, such as `en,ja`; empty: all.")
    component: str = Field("", description="A LangChain `Embeddings` by dotted path, in place of a file.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Arguments of `component`.")

    @model_validator(mode="after")
    def _one_embedder(self) -> EmbedderSettings:
        if sum(map(bool, (self.name, self.path, self.component))) > 1:
            raise ValueError("give only one of name, path and component")
        go_with(self, ("sha256", "pooling"), "path")
        return self


class AnswerSettings(Section):
    """How answers are made."""

    prompts: NamedPath | None = Field(
        None, description="A folder of prompts of your own (`answer.md`), which win over Kura's of the same name."
    )
    rewrite: Literal["auto", "off"] = Field(
        "auto",
        description="`auto`: a model that writes prose, but not the starter, makes follow-ups stand alone before the search;"
        " `off`: their form alone tells.",
    )
    golden: NamedPath | None = Field(
        None,
        description="A suite of golden questions: another index, model, prompt or setting answers only if they fare no worse.",
    )
    golden_loss: float = Field(
        0.02, ge=0, le=1, description="By how much the mean of a score of the golden questions may fall."
    )


class ClientSettings(Section):
    """A program that asks over HTTP with a token of its own."""

    name: str = Field(min_length=1, description="Who it is.")
    groups: Names = Field((), description="Groups it is in, besides `all`.")
    ingest: bool = Field(
        False,
        description="Whether it may start ingests, upload files, and see how they went: the names of all"
        " documents, whatever its groups.",
    )
    discord: bool = Field(False, description="Whether it may ask for people on Discord, in at most its groups.")
    token_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="The SHA-256 of its token, in hexadecimal.")


class ServerSettings(Section):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8642, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    hosts: Names = Field(("localhost", "127.0.0.1", "[::1]"), description="Host names that requests may use.")
    clients: tuple[ClientSettings, ...] = Field((), description="Programs with a token of their own.")


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=_PREFIX, env_nested_delimiter="_", env_nested_max_split=1
    )

    data_dir: NamedPath = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("kura", appauthor=False)),
        description="Where the index and the conversations are kept. Default: the user's data folder (XDG).",
    )
    model: ModelSettings = Field(default_factory=ModelSettings)
    embedder: EmbedderSettings = Field(default_factory=EmbedderSettings)
    search: SearchSettings = Field(default_factory=SearchSettings)
    rerank: RerankSettings = Field(default_factory=RerankSettings)
    answer: AnswerSettings = Field(default_factory=AnswerSettings)
    sources: tuple[SourceSettings, ...] = Field((), description="What `kura ingest` reads when it is given no path.")
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    server: ServerSettings = Field(default_factory=ServerSettings)
    discord: DiscordSettings = Field(default_factory=DiscordSettings)

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        names = [source.name for source in sources]
        if len(set(names)) != len(names):
            raise ValueError("two sources have the same name")
        paths = [source.path.resolve() for source in sources if source.path]
        if len(set(paths)) != len(paths):
            raise ValueError("two sources have the same path: a folder is read once, by its readers")
        return sources


def load(config: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings; `overrides` are flags. Raises SettingsError with one sentence naming the key and the place.

    `config` None looks at KURA_CONFIG, then for `kura.toml` in the working folder; neither need exist.
    """
    file = config or (Path(os.environ["KURA_CONFIG"]) if os.environ.get("KURA_CONFIG") else None)
    path = file or (Path(CONFIG_FILE) if Path(CONFIG_FILE).is_file() else None)
    values = _read(path) if path else {}
    _refuse_unknown_environment(os.environ)

    class _Sources(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=values)

    try:
        return _Sources(**dict(overrides or {}))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "settings"
        where = f"{path} or the environment" if path else "the environment"
        raise SettingsError(f"{where}: {key}: {_reason(first['type'], first['msg'], key)}.") from None
    except pydantic_settings.SettingsError as error:
        raise SettingsError(f"the environment: {error}".rstrip(".") + ".") from None


def environment_names() -> list[str]:
    """Every environment variable that is a setting."""
    return sorted(f"{_PREFIX}{key.replace('.', '_').upper()}" for key, _ in keys())


def keys() -> Iterable[tuple[str, str]]:
    """Every setting as `section.key`, with its description; lists of tables as `sources[].name`."""
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from ((f"{name}.{key}", inner.description or "") for key, inner in section.model_fields.items())
        else:
            yield name, field.description or ""


def discord_token(settings: Settings) -> str:
    """The bot's token, or "" if there is none; raises SettingsError if its file cannot be read."""
    return _secret(settings.discord.token, settings.discord.token_file, "discord.token_file")


def discord_server_token(settings: Settings) -> str:
    """The token with which `kura discord` asks a server, or ""; raises SettingsError if its file cannot be read."""
    chosen = settings.discord
    return _secret(chosen.server_token, chosen.server_token_file, "discord.server_token_file")


def _secret(value: SecretStr, file: Path | None, key: str) -> str:
    if file is None:
        return value.get_secret_value().strip()
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{key}: {file} cannot be read: check the path and its permissions.") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist: run `kura init` to write one.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): check the path and its permissions.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error
    _absolute_paths(values, path.resolve().parent)
    return values


def _absolute_paths(values: dict[str, Any], folder: Path) -> None:
    for name, key in _PATHS:
        section = values.get(name)
        if isinstance(section, dict):
            _make_absolute(section, key, f"{name}.{key}", folder)
    for source in values.get("sources", []) if isinstance(values.get("sources"), list) else []:
        for key in ("path", "webhook_secret_file") if isinstance(source, dict) else ():
            _make_absolute(source, key, f"sources.{key}", folder)
    _make_absolute(values, "data_dir", "data_dir", folder)


def _make_absolute(section: dict[str, Any], key: str, shown: str, folder: Path) -> None:
    path = section.get(key)
    if isinstance(path, str) and path:
        try:
            section[key] = folder / Path(path).expanduser()
        except RuntimeError:  # what pathlib says of a home folder it cannot find
            raise SettingsError(f"{shown}: there is no home folder for {path}: write the whole path.") from None


def _refuse_unknown_environment(environ: Mapping[str, str]) -> None:
    known = {*environment_names(), *_NOT_SETTINGS}
    for name in environ:
        if name.startswith(_PREFIX) and name.upper() not in known and not _KUBERNETES.fullmatch(name):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "see docs/settings.md for those that are."
            raise SettingsError(f"the environment: {name} is no setting: {hint}")


def _reason(kind: str, message: str, key: str) -> str:
    if kind == "extra_forbidden":
        leaf = key.rsplit(".", 1)[-1]
        near = difflib.get_close_matches(leaf, {known.rsplit(".", 1)[-1] for known, _ in keys()}, n=1)
        return "there is no such setting" + (f"; did you mean {near[0]}?" if near else "; see docs/settings.md")
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]

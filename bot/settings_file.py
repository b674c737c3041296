"""The settings as text: the commented `kura.toml` that `kura init` writes, and what `kura config show` prints."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, SecretStr

from bot.settings import Settings

MASK = "********"

_SECRETS = ("auth", "credential", "header", "token", "key", "password", "secret", "cookie")
_HARMLESS = re.compile(r"tokeniz\w*|(max|min)_(\w+_)?tokens|keyword|first_token_s")
_USER_INFO = re.compile(r"(\w[\w+.-]*://)[^/?#\s]*@")

_TEMPLATE = """\
# Kura's settings. Every line here is optional; docs/settings.md explains each one.
# Relative paths count from this file's folder. The environment wins over this file: KURA_SERVER_PORT=9000.

# data_dir = "kura-data"               # where the index is kept; default: your XDG data folder

# What `kura ingest` reads when it is given no path. Repeat the table for each source; docs/ingestion.md shows every kind.
# [[sources]]
# name = "handbook"
# path = "docs/handbook"               # a folder, or one file
# readers = ["all"]                    # groups that may read it; everybody is in "all"
# owner = "People team, #ask-people"   # whom a refusal names beside its documents
# discord = false                      # true: its text may be shown on Discord, outside the company
# exclude = ["drafts/", "*.bak.md"]    # as in a .gitignore
# watch = true                         # `kura serve` takes in a change as soon as it is saved
#
# [[sources]]
# name = "wiki"
# kind = "git"                         # or "web", "upload", "loader"
# repository = "https://git.example.com/it/wiki.git"
# branch = "main"
# schedule = "*/15 * * * *"            # when `kura serve` brings it up to date

# How documents are read.
# [ingest]
# passage = 2400                       # characters of a passage; another size makes a new index beside the old one
# most_removed = 0.3                   # share of a source's documents that may go at once unasked

# The chat model. Without one: the starter model, which quotes sentences and writes none. `kura models list` shows others.
# [model]
# name = "qwen3-8b-Q4_K_M"             # installed by `kura models pull` or `kura models add`
# path = "models/my-model.gguf"        # in place of a name: a file where it lies
# sha256 = ""                          # its checksum; a file that differs is refused
# template = "chatml"                  # the chat template it was trained with
# adapter = "models/tuned.gguf"        # a LoRA adapter over it
# answer_style = "generate"            # "quote": sentences verbatim; "generate": prose with [n] marks
# context_length = 4096
# first_token_s = 15                   # seconds until the first word: so much of the documents is read
# slots = 0                            # answers written at once; 0: as many as the memory holds, at most 8
# gpu_layers = 0                       # -1: all layers on the GPU
# servers = ["http://gpu1:8000/v1"]    # in place of a file: servers that speak OpenAI's protocol ...
# served_model = "qwen3"               # ... and what the model is called there
# api_key_file = "/etc/kura/model-key"
# component = "langchain_openai.ChatOpenAI"    # or any LangChain chat model ...
# arguments = { base_url = "http://127.0.0.1:8000/v1", model = "local", api_key = "none" }    # ... and its arguments

# The embedder. Without one: the starter embedder (English).
# [embedder]
# name = "bge-m3-Q8_0"                 # installed by `kura models pull`; or a file of your own:
# path = "models/my-embedder.gguf"
# query_prefix = "query: "
# passage_prefix = "passage: "
# languages = ["en", "ja"]             # what it is good at

# [search]
# glossary = "glossary.toml"           # words that say the same; docs/search.md

# [rerank]
# name = "bge-reranker-v2-m3"          # a second look at the best passages; docs/search.md
# candidates = 20
# deadline_s = 5

# [answer]
# prompts = "prompts"                  # a folder with prompts of your own; docs/prompts.md
# golden = "golden.yaml"               # questions that whatever is changed must answer as well; docs/evaluation.md

# [server]
# host = "127.0.0.1"
# port = 8642
# hosts = ["localhost", "127.0.0.1", "[::1]"]    # host names that requests may use

# A program that asks over HTTP with `Authorization: Bearer TOKEN`.
# [[server.clients]]
# name = "hr-portal"
# groups = ["hr"]
# token_sha256 = ""                    # printf %s TOKEN | sha256sum
# ingest = true                        # it may start ingests and see them
# discord = true                       # it may ask for people on Discord, in at most its groups: `kura discord`

# [discord]
# token_file = "/etc/kura/discord-token"         # or the environment: KURA_DISCORD_TOKEN
# guilds = [123456789012345678]        # ids of the Discord servers it answers in; it leaves others
# channels = []                        # ids of the channels it answers in; none: all
# admin_roles = []                     # ids of the roles that may use /kura and /stats
# read_threads = true                  # threads go on without a mention; needs the message content intent
# per_person = 6                       # questions a minute
# per_channel = 30
# recall_days = 14                     # answers are corrected when what they cite changes; 0: never
# server = "https://kura.example.com"  # for `kura discord`: the Kura it asks, with the token of a client ...
# server_token_file = "/etc/kura/bot-token"      # ... that has discord = true
#
# Groups of a role, or of a person (user = ...), on Discord.
# [[discord.members]]
# role = 123456789012345678
# groups = ["hr"]
"""


def template() -> str:
    """A commented kura.toml that changes nothing as it stands."""
    return _TEMPLATE


def shown(settings: Settings) -> dict[str, Any]:
    """Every setting by its key, secrets masked."""
    return dict(_flat("", settings))


def _flat(prefix: str, section: BaseModel) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            rows += _flat(f"{prefix}{name}.", value)
        else:
            rows.append((prefix + name, _plain(name, value)))
    return rows


def masked(value: Any) -> Any:
    """A copy of plain values without their secrets: those under a key that names one, and the user-info of URLs."""
    return _plain("", value)


def is_secret(name: str) -> bool:
    """Whether a key names a secret. The path of a secret's file is none; a hash of a token is treated as one."""
    lowered = _HARMLESS.sub("", name.lower())
    return not lowered.endswith("_file") and any(word in lowered for word in _SECRETS)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, BaseModel):
        return {inner: _plain(inner, getattr(value, inner)) for inner in type(value).model_fields}
    if isinstance(value, (list, tuple)):
        return [_plain(name, one) for one in value]
    if isinstance(value, dict):
        return {key: MASK if is_secret(key) else _plain(key, one) for key, one in value.items()}
    if is_secret(name) and value:
        return MASK
    plain = isinstance(value, (bool, int, float)) or value is None
    return value if plain else _USER_INFO.sub(rf"\1{MASK}@", str(value))

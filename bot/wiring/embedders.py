"""The embedder of an installation, built from its settings, and opened again from what an index says of its own.

Apart from the chat models, so that an ingest does not pay for what only answers need.
"""

from __future__ import annotations

import json
from hashlib import sha256

from bot.errors import SettingsError
from bot.settings import EmbedderSettings, Settings
from bot.settings_file import is_secret, masked
from models.cores import available_cores
from models.embedders import Embedder, StarterEmbedder
from models.library import Library

LIBRARY = "models"
"""Folder of installed models, inside the data folder."""
MOST_EMBEDDED = 1024
"""Tokens of a passage that an embedder reads at most: passages are shorter, and each token costs memory from the start."""


def model_library(settings: Settings) -> Library:
    """The models that were pulled or added."""
    return Library(settings.data_dir / LIBRARY)


def _embedder_threads(settings: Settings) -> int:
    """Half of the cores, unless somebody says: an embedder works beside the model that answers."""
    return settings.model.threads or max(1, available_cores() // 2)


def make_embedder(settings: Settings) -> Embedder:
    """The embedder that is set; nothing is loaded yet. Raises ModelFileError for a name that is not installed."""
    chosen = settings.embedder
    if chosen.component:
        from langchain_core.embeddings import Embeddings

        from bot.wiring.components import ComponentEmbeddings, make_component

        component = make_component(chosen.component, chosen.arguments, Embeddings, "embedder.component")
        return ComponentEmbeddings(component, name=_component_name(settings), languages=chosen.languages)
    if chosen.path is None and not chosen.name:
        return StarterEmbedder()
    from models.llamacpp_embed import LlamaEmbeddings

    if chosen.path is None:
        card = model_library(settings).card(chosen.name)
        if card.kind != "embedding":
            raise SettingsError(f"embedder.name: {chosen.name} is of the kind {card.kind}: name an embedding model.")
        return LlamaEmbeddings(
            card.path,
            sha256=card.sha256,
            pooling=card.pooling,
            query_prefix=chosen.query_prefix or card.query_prefix,
            passage_prefix=chosen.passage_prefix or card.passage_prefix,
            context_length=min(card.context_length, MOST_EMBEDDED),
            threads=_embedder_threads(settings),
            n_gpu_layers=settings.model.gpu_layers,
            languages=chosen.languages or card.languages,
        )
    return LlamaEmbeddings(
        chosen.path,
        sha256=chosen.sha256,
        pooling=chosen.pooling,
        query_prefix=chosen.query_prefix,
        passage_prefix=chosen.passage_prefix,
        threads=_embedder_threads(settings),
        n_gpu_layers=settings.model.gpu_layers,
        languages=chosen.languages,
    )


def embedder_spec(settings: Settings) -> str:
    """What the embedder that is set is opened from again once the settings name another; holds no secret."""
    chosen = settings.embedder.model_dump(mode="json")
    chosen["arguments"] = {key: value for key, value in chosen["arguments"].items() if not is_secret(key)}
    return json.dumps(chosen, ensure_ascii=False, sort_keys=True)


def reopen_embedder(settings: Settings, spec: str) -> Embedder:
    """The embedder that `embedder_spec` told of; secrets come from the settings. Raises SettingsError, ModelFileError."""
    stored = json.loads(spec)
    secrets = {key: value for key, value in settings.embedder.arguments.items() if is_secret(key)}
    stored["arguments"] = {**secrets, **stored["arguments"]} if stored["component"] else {}
    return make_embedder(settings.model_copy(update={"embedder": EmbedderSettings.model_validate(stored)}))


def _component_name(settings: Settings) -> str:
    """What tells an embedder that is a component from others: its path and arguments. A new key is no new embedder."""
    arguments = masked(settings.embedder.arguments)
    told = sorted((key, value) for key, value in arguments.items() if not is_secret(key))
    return f"{settings.embedder.component} {told}"


def made_index(settings: Settings, fingerprint: str) -> bool:
    """Whether the embedder that is set has this fingerprint; calls no component to find out."""
    if settings.embedder.component:
        return fingerprint.endswith("-" + sha256(_component_name(settings).encode()).hexdigest()[:12])
    return fingerprint == make_embedder(settings).fingerprint

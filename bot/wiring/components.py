"""LangChain components named by a dotted path in the settings: made, and their faults told in a sentence."""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from bot.errors import SettingsError
from bot.settings_file import MASK, is_secret, masked
from models.errors import EngineFailed, ModelError
from models.langchain_embeddings import NamedEmbeddings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable, RunnableConfig


def make_component(path: str, arguments: dict[str, Any], port: type[Any], key: str) -> Any:
    """A LangChain component by its dotted path; raises SettingsError naming the key if it cannot be made."""
    module_name, _, name = path.rpartition(".")
    try:
        made = getattr(importlib.import_module(module_name), name)(**arguments)
    except Exception as error:  # noqa: BLE001 - a component raises what it likes: it cannot be made
        # without its cause: a validator's error holds the arguments, and so the keys
        raise SettingsError(
            f"{key}: {path} cannot be made ({_said(error, arguments)}): check the path, its package and its arguments."
        ) from None
    if not isinstance(made, port):
        raise SettingsError(f"{key}: {path} is no {port.__name__}: name a class that is one.")
    return made


def _said(error: Exception, arguments: dict[str, Any]) -> str:
    """What an error says, without what it was given."""
    if isinstance(error, ValidationError):
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        text = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
    else:
        text = f"{type(error).__name__}: {error}"
    for secret in sorted(_secrets(arguments), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return str(masked(text))


def _secrets(value: Any, within: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _secrets(one, within or is_secret(key))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _secrets(one, within)
    elif within and str(value):
        yield str(value)


@contextmanager
def _served(key: str, path: str) -> Iterator[None]:
    """Whatever a component raises, as EngineFailed with its kind and without its text, which may quote key and prompt."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise EngineFailed(
            f"The model server of {key} ({path}) did not answer ({type(error).__name__}): check that it runs, its address"
            " and its key."
        ) from error


class ComponentChat:
    """A chat component as the assistant calls it, its faults told in a sentence."""

    def __init__(self, chat: BaseChatModel, path: str) -> None:
        self._chat = chat
        self._path = path

    async def astream(
        self, messages: list[BaseMessage], config: RunnableConfig, **arguments: Any
    ) -> AsyncGenerator[BaseMessage, None]:
        """As the component's own."""
        chunks = cast("AsyncGenerator[BaseMessage, None]", self._chat.astream(messages, config, **arguments))
        async with aclosing(chunks):
            with _served("model.component", self._path):
                async for chunk in chunks:
                    yield chunk

    def with_structured_output(self, schema: dict[str, Any]) -> ComponentStructured:
        """As the component's own."""
        with _served("model.component", self._path):
            return ComponentStructured(self._chat.with_structured_output(schema), self._path)


class ComponentStructured:
    """A chat component that is bound to a schema, its faults told in a sentence."""

    def __init__(self, bound: Runnable[Any, Any], path: str) -> None:
        self._bound = bound
        self._path = path

    async def ainvoke(self, messages: list[BaseMessage], config: RunnableConfig, **arguments: Any) -> Any:
        """As the component's own."""
        with _served("model.component", self._path):
            return await self._bound.ainvoke(messages, config, **arguments)


class ComponentEmbeddings(NamedEmbeddings):
    """An embedder component, its faults told in a sentence."""

    @cached_property
    def dimensions(self) -> int:
        with self._served():
            return super().dimensions

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._served():
            return super().embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        with self._served():
            return super().embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._served():
            return await super().aembed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        with self._served():
            return await super().aembed_query(text)

    def _served(self) -> AbstractContextManager[None]:
        return _served("embedder.component", type(self._embeddings).__name__)

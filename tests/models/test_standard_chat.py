"""LangChain's own unit tests for chat models, over both of ours."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from models.chat import ChatKura
from models.fakes import ScriptedEngine
from models.served import ChatServed


class TestChatKura(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatKura

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"engine": ScriptedEngine(), "model_name": "scripted"}

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True


class TestChatServed(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatServed

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base_urls": ("http://127.0.0.1:9/v1",), "model": "served"}

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True

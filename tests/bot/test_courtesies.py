from __future__ import annotations

import pytest

from bot.courtesies import courtesy, reply


@pytest.mark.parametrize(
    "text",
    [
        "Thanks!",
        "thank you so much",
        "OK, thanks a lot",
        "Great, thank you Kura 🙏",
        "ok",
        "ありがとうございます！",
        "了解です。ありがとう",
    ],
)
def test_thanks_ask_nothing(text: str) -> None:
    assert courtesy(text) == "thanks"


@pytest.mark.parametrize("text", ["Hello", "Hi there!", "good morning, Kura", "こんにちは。", "お疲れ様です"])
def test_a_greeting_asks_nothing(text: str) -> None:
    assert courtesy(text) == "greeting"


@pytest.mark.parametrize(
    "text",
    [
        "Thanks! And in Oslo?",
        "Hello, what is the hotel limit?",
        "thank you letters",
        "OK?",
        "No",
        "hi " * 40,
        "ありがとうの日はいつですか。",
        "🙏",
        "",
    ],
)
def test_whoever_says_more_asks(text: str) -> None:
    assert courtesy(text) is None
    assert reply(text) == ""


def test_the_reply_is_in_the_language_of_the_words() -> None:
    assert reply("Thanks!") == "You are welcome."
    assert reply("ありがとうございます") == "どういたしまして。"
    assert reply("Hello") == "Hello! Ask me what you would like to know from the documents."
    assert reply("こんにちは") == "こんにちは。社内文書について、知りたいことを質問してください。"

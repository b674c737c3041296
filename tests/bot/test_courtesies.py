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
    assert reply(text, first=False) == ""


def test_the_reply_is_in_the_language_of_the_words() -> None:
    assert reply("Thanks!", first=True) == "You are welcome."
    assert reply("ありがとうございます", first=True) == "どういたしまして。"
    assert reply("Hello", first=True) == "Hello! Ask me what you would like to know from the documents."
    assert reply("こんにちは", first=True) == "こんにちは。社内文書について、知りたいことを質問してください。"


@pytest.mark.parametrize("text", ["yes", "No.", "why?", "OK?", "はい", "いいえ。", "なぜ？", "どうしてですか？"])
def test_a_lone_word_asks_nothing_unless_something_was_said_before(text: str) -> None:
    assert courtesy(text, first=True) == "unclear"
    assert courtesy(text) is None


@pytest.mark.parametrize("text", ["Why VPN?", "no parking", "はいつ", "?", "どこで申請しますか"])
def test_a_word_with_a_subject_asks(text: str) -> None:
    assert courtesy(text, first=True) is None


def test_whoever_says_too_little_is_asked_in_their_language() -> None:
    assert reply("why?", first=True) == "What would you like to know? Please ask a whole question."
    assert reply("なぜ？", first=True) == "何について知りたいのか、文で質問してください。"

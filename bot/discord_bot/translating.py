"""What commands are called and what they do, in Japanese. English is what the cogs say; every text of theirs is here."""

from __future__ import annotations

import discord
from discord import app_commands

JAPANESE = {
    "Ask Kura about this": "Kura に質問する",
    "Ask about the company's documents; the answer names its sources": "社内文書について質問します（回答には出典が付きます）",
    "What you would like to know": "知りたいこと",
    "Only you see the answer": "回答を自分だけに表示する",
    "Search only this source": "この文書元だけを検索する",
    "Find passages in the documents, without an answer": "文書の該当箇所を検索します（回答は作りません）",
    "What to look for": "探したい内容",
    "What Kura reads, as far as you may": "Kura が読み込んでいる文書元のうち、閲覧できるものを表示します",
    "What Kura can do here": "Kura の使い方を表示します",
    "Delete your questions, the answers to them, and what you said of answers": "自分の質問とその回答、回答への評価を削除します",
    "For Kura's administrators": "Kura の管理者用コマンド",
    "How Kura stands": "Kura の状態を表示します",
    "The sources and when each was read last": "文書元と、それぞれの最終読み込み日時を表示します",
    "Bring a source up to date, or all of them": "文書元を読み込み直して最新にします（指定がなければすべて）",
    "Only this source": "この文書元だけ",
    "What was asked on Discord, and what was said of the answers": "Discord での質問の数と、回答への評価を表示します",
    "Of how many days": "何日分を集計するか",
}


class JapaneseCommands(app_commands.Translator):
    """Hands Discord the Japanese texts. Names of slash commands stay as they are typed."""

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        """None where there is no text of its own: Discord then shows the English one."""
        return JAPANESE.get(string.message) if locale is discord.Locale.japanese else None

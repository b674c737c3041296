"""What text of documents and models may hold that must not act: orders to whoever answers, and marks that come alive on a
screen. Pure; knows no passage and no answer.

The orders are known by their wording, so that no list of them is ever whole: it is the second wall. The first is that a
model's sentence is shown only if a passage says it (`bot/grounding.py`), and that nothing here ever follows text.
"""

from __future__ import annotations

import re
import unicodedata

_LIVE = re.compile(
    r"\]\s*[(\[:]|!\["  # Markdown's links, references and images
    r"|</?[a-z!][^<>]*>?|&(?:#x?\w+|[a-z]+\d*);"  # HTML
    r"|\b[a-z][a-z0-9+.-]{1,20}:/|\bwww\.|\b(?:javascript|vbscript|data|mailto|file|tel):\S"  # addresses
    r"|(?<![\w.])@\w|\b[\w.+-]+@[\w-]+\.\w|<[@#]"  # mentions
    r"|<\||\|>|\[/?(?:inst|sys|tool\w*|system\w*)\b|###"  # role tokens
    r"|\[\W*\d",  # marks of citations that are not ours
    re.IGNORECASE,
)
_ANSWERER = r"(?:ai|llm|chat ?bot|(?:ai|virtual|language|answering) (?:model|assistant|system)|language model|kura)"
_SPEAKS = (
    r"(?:answer|append|comply|display|include|obey|output|print|refuse|repeat|repl(?:y|ies)|respond|reveal|say|send|show"
    r"|tell|write)"
)
_ORDERS = re.compile(
    r"\b(?:ignor|disregard|forget|overrid|bypass)\w*\b.{0,60}?\b(?:instructions?|prompts?|rules?|guidelines?|restrictions?"
    r"|permissions?|above|previous|prior|everything)\b"
    r"|\b(?:system|developer|hidden) (?:prompt|message|instruction|override)"
    r"|\byou are (?:now|no longer)\b|\bpretend (?:to be|you|that)\b|\b(?:jailbreak|developer mode)\b"
    rf"|\b{_ANSWERER}s?\b[^.!?]{{0,80}}\b{_SPEAKS}\b"
    rf"|\b{_SPEAKS}\b[^.!?]{{0,40}}\b{_ANSWERER}s?\b"
    rf"|\b(?:notes?|messages?|attention|instructions?|orders?)\b (?:to|for) (?:the |any |all )?"
    rf"(?:{_ANSWERER}|assistant|bot|model)"
    r"|(?:^\W*|[\"'(>]\s*)(?:system|assistant|user|developer|human)\s*:"
    rf"|\b{_SPEAKS}\b(?:[^.!?]{{0,20}} )?(?:only|exactly|verbatim|nothing but|the (?:exact )?words?|the (?:following|phrase))\b"
    r"|\b(?:when|if|whenever) (?:you are |anybody |anyone |somebody |someone |a user |the user |users )?ask(?:ed|s)?\b"
    rf".{{0,80}}\b{_SPEAKS}\b"
    r"|not in the documents"
    r"|<\|[^\s<>]{1,40}>|<(?:start|end)_of_\w+>|<[|/]?(?:turn|channel|think|im_\w+|s|eos|bos)\|?>|\[/?inst\]|<</?sys>>"
    r"|###\s*(?:instruction|response|system|指示|応答|入力)"
    r"|(?:指示|命令|ルール|規則|プロンプト|制限)[^。]{0,15}(?:無視|忘れ|破棄|上書き)|システムプロンプト"
    r"|(?:AI|アシスタント|言語モデル|(?<!ロ)ボット)[^。]{0,40}(?:答え|回答|返答|出力|応答|表示|言っ|伝え|従|書き)"
    r"|あなたは今(?:から|後)|次の(?:とおり|ように|文を?)(?:答え|回答|返答|出力)"
    r"|と(?:だけ|のみ)?(?:回答|返答|出力|返信|答え|言)[しえっいう]?て?(?:なさい|ください|下さい|すること|せよ)"
    r"|(?:質問され|聞かれ|尋ねられ)たら[^。]{0,40}(?:答え|回答|返答|出力|言)",
    re.IGNORECASE,
)
_SPEAKS_OF_ORDERS = re.compile(
    r"\b(?:prompts?|inject\w*|instructions?|ai|llm|chat ?bot|jailbreak|assistant|kura)\b"
    r"|プロンプト|指示|インジェクション|AI|ボット",
    re.IGNORECASE,
)
_FOREIGN_LETTER = re.compile(r"[^\W\d_a-zA-Z\u3000-\u30ff\u3400-\u9fff々〇]")


def live(text: str) -> bool:
    """Whether a front end could make a link, an image, HTML, a mention, a citation mark or a role of some part of it, or
    show it otherwise than it is written."""
    unseen = any(unicodedata.category(sign) in {"Cf", "Cc"} and not sign.isspace() for sign in text)
    return unseen or _LIVE.search(unicodedata.normalize("NFKC", text)) is not None


def gives_orders(text: str) -> bool:
    """Whether it tells whoever answers what to do or say, or looks like a turn of a conversation."""
    return _ORDERS.search(unicodedata.normalize("NFKC", text)) is not None


def speaks_of_orders(question: str) -> bool:
    """Whether somebody asks about such text: then a passage that holds it may be quoted."""
    return _SPEAKS_OF_ORDERS.search(unicodedata.normalize("NFKC", question)) is not None


def foreign_letters(text: str) -> set[str]:
    """Letters that are neither plain Latin nor Japanese: a Cyrillic "а" looks like a Latin one and is another name."""
    return set(_FOREIGN_LETTER.findall(unicodedata.normalize("NFKC", text)))

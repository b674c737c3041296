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
    r"|(?<![\w.])@\w|\w[.+-]*+@[\w-]+\.\w|<[@#]"  # mentions
    r"|<\||\|>|\[/?(?:inst|sys|tool\w*|system\w*)\b|###"  # role tokens
    r"|\[[^\w\[]*+\d",  # marks of citations that are not ours
    re.IGNORECASE,
)
_ANSWERER = r"(?:ai|llm|chat ?bot|(?:ai|virtual|language|answering) (?:model|assistant|system)|language model|kura)"
_SPEAKS = (
    r"(?:answer|append|comply|display|include|obey|output|print|refuse|repeat|reply|respond|reveal|say|send|show|tell"
    r"|write)"
)
_WORD_FOR_WORD = r"(?:only|exactly|nothing but|verbatim)"
_ORDERS = re.compile(
    # only what speaks to an answerer: "send only PDF files" and "if anyone asks, say that it is closed" are people's rules
    r"(?<!not )(?<!never )\b(?:ignore|disregard|forget|override|bypass)\b.{0,30}?(?:"
    r"\b(?:previous|prior|preceding|earlier|above|your|system)\b.{0,20}?"
    r"\b(?:instructions?|prompts?|rules?|guidelines?|restrictions?|permissions?)\b"
    r"|\b(?:all|any) (?:instructions|prompts)\b|\b(?:instructions?|prompts?|everything|all|anything) (?:above|before)\b)"
    r"|\b(?:system|developer|hidden) prompts?\b"
    rf"|\b(?:you are (?:now|no longer)|pretend (?:to be|(?:that )?you are))\b[^.!?]{{0,40}}?"
    rf"\b(?:{_ANSWERER}|assistant|bot|unrestricted|uncensored|developer mode)\b"
    rf"|\b{_ANSWERER}s?(?: ?[:,;]| (?:must|shall|should|will|ha(?:s|ve) to|(?:is|are) to)\b)"
    rf"(?: (?:please|now|always|only|instead)\b)*(?: (?:not|never) (?:answer|reply|respond)\b| {_SPEAKS}\b)"
    rf"|\bas an? (?:{_ANSWERER}|assistant),? (?:you\b|{_SPEAKS}\b)"
    rf"|\b(?:notes?|messages?|attention|instructions?|orders?)\b,? ?(?:to |for )?(?:the |any |all )?"
    rf"(?:{_ANSWERER}s?\b|(?:assistant|bot|model)s?\s*[:,])"
    rf"|(?:^\W*|[\"'(>]\s*)(?:system|assistant)\s*:\s*(?:please |now )?"
    rf"(?:from now on|ignore\b|add\b|you (?:are|may|must|shall|will)\b|{_SPEAKS}\b)"
    rf"|\b(?:answer|output|reply|respond|say)\b {_WORD_FOR_WORD}(?: with)? (?:the |this )?(?:exact )?"
    r"(?:words?|phrase|text|sentence|string)\b"
    r"|(?-i:NOT IN THE DOCUMENTS)"
    r"|<\|[^\s<>]{1,40}>|<(?:start|end)_of_\w+>|<[|/]?(?:turn|channel|think|im_\w+|s|eos|bos)\|?>|\[/?inst\]|<</?sys>>"
    r"|###\s*(?:instruction|response|system|指示|応答|入力)s?\s*:"
    r"|(?:これまで|今まで|以前|上記|ここまで)[^。]{0,10}(?:指示|命令|ルール|規則|プロンプト|制限)[^。]{0,10}(?:無視|忘れ|破棄|上書き)"
    r"|(?:指示|命令|プロンプト)を?(?:すべて|全て|全部)(?:無視|忘れ|破棄)|システムプロンプト"
    r"|(?:AI|アシスタント|言語モデル|(?<!ロ)ボット)(?:は、?|よ、?|[:、])[^。、]{0,40}"
    r"(?:答え|回答|返答|出力|応答|言|伝え|拒否)[^。]{0,8}(?:こと|ください|下さい|なさい|せよ|しろ|ならない|べき)"
    r"|あなたは今(?:から|後)[^。]{0,30}(?:AI|アシスタント|モデル|ボット)"
    r"|と(?:だけ|のみ)(?:回答|返答|出力|返信|答え|言)",
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

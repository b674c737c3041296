"""Thanks and greetings: what asks nothing is answered shortly, and no document is looked at for it. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from bot import phrases

Courtesy = Literal["thanks", "greeting"]

_THANKS = (
    r"(?:many |ok(?:ay)? )?(?:thanks|thank you|thx|cheers)(?: (?:a lot|so much|very much|again|for (?:your|the) help))*"
    r"|(?:that s |that is )?(?:great|perfect|excellent|very helpful|helpful)|ok(?:ay)?|got it|i see|understood|good ?bye|bye"
    r"|(?:どうも)?ありがとう(?:ございます|ございました)?|どうも|助かりました|助かります|了解(?:です|しました)?"
    r"|わかりました|分かりました|承知しました|なるほど|さようなら"
)
_GREETING = (
    r"(?:hello|hi|hey)(?: there)?|good (?:morning|afternoon|evening)"
    r"|こんにちは|こんばんは|おはよう(?:ございます)?|お疲れ様です|お疲れさまです|はじめまして|よろしくお願いします"
)
_ONLY = {
    kind: re.compile(rf"(?:(?:{pattern})(?: kura)? ?)+")
    for kind, pattern in (("greeting", _GREETING), ("thanks", f"{_GREETING}|{_THANKS}"))
}
"""A greeting with thanks is thanks."""
LONGEST = 80
"""Characters; whoever writes more has something to ask."""


def reply(text: str) -> str:
    """What to say to a text that is only thanks or a greeting, in its language; "" to any other."""
    kind = courtesy(text)
    return phrases.courtesy(text, kind) if kind else ""


def courtesy(text: str) -> Courtesy | None:
    """What a text is if nothing is asked in it."""
    if len(text) > LONGEST:
        return None
    said = " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))
    if not said or "?" in text or "？" in text:
        return None
    return "greeting" if _ONLY["greeting"].fullmatch(said) else "thanks" if _ONLY["thanks"].fullmatch(said) else None

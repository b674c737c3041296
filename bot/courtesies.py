"""What asks nothing of the documents is answered shortly, and none is looked at for it: thanks, greetings, a lone "yes". Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from bot import phrases

Courtesy = Literal["thanks", "greeting", "unclear"]

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
_UNCLEAR = re.compile(
    r"(?:yes|yeah|yep|no|nope|ok(?:ay)?|sure|why|why not|how|how so|what|which|who|where|when|and|so|really|huh"
    r"|はい|いいえ|いや|いえ|うん|ええ|ううん|なぜ(?:ですか)?|何故(?:ですか)?|どうして(?:ですか)?|なんで(?:ですか)?"
    r"|何(?:ですか)?|本当(?:ですか)?|それで|で)"
)
"""What means something only after what was said before."""
_ONLY = {
    kind: re.compile(rf"(?:(?:{pattern})(?: kura)? ?)+")
    for kind, pattern in (("greeting", _GREETING), ("thanks", f"{_GREETING}|{_THANKS}"))
}
"""A greeting with thanks is thanks."""
LONGEST = 80
"""Characters; whoever writes more has something to ask."""


def reply(text: str, *, first: bool) -> str:
    """What to say to a text that asks nothing, in its language; "" to any other. `first`: nothing was said before it."""
    kind = courtesy(text, first=first)
    return phrases.courtesy(text, kind) if kind else ""


def courtesy(text: str, *, first: bool = False) -> Courtesy | None:
    """What a text is if nothing is asked in it; "unclear" is only what comes `first`."""
    if len(text) > LONGEST:
        return None
    said = " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))
    if said and "?" not in text and "？" not in text:
        kinds: tuple[Courtesy, ...] = ("greeting", "thanks")
        if kind := next((kind for kind in kinds if _ONLY[kind].fullmatch(said)), None):
            return kind
    return "unclear" if first and _UNCLEAR.fullmatch(said) else None

"""Text into search terms: the one tokenisation of index and question. Knows no index and no ranking.

Scripts written without spaces (and Hangul, whose particles stick to words) become character bigrams; other words are
stemmed; identifiers are kept as written, beside their parts. A term holds only letters, marks, digits and `_ . - @ / # + :`,
so the FTS5 tokenizer of `retrieval/words.py` finds the same terms again in a space-joined string of them.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from typing import Any

from retrieval.documents import Chunk, Document

TERMS_VERSION = "2"
"""Changes whenever the same text would give other terms."""

_PACKED = (
    # Han, kana, bopomofo, Hangul; then Thai, Lao, Myanmar and Khmer
    "々〇ぁ-ゖゝゞァ-ヺーヽヾ㐀-䶿一-鿿\U00020000-\U0003134f"
    "ㄅ-ㄯ가-힣\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ecd\u1000-\u1049\u1050-\u109d\u1780-\u17d3"
)
_SIGNS = "\u0970\u09f2\u09f3\u09fa\u09fb\u0af0\u0af1\u0b70\u0bf3-\u0bfa\u0c7f\u0d79\u0df4"
"""Abbreviation and currency signs within the Indic blocks."""
_LETTER = (
    # letters and digits of spaced scripts, with combining accents, Arabic and Hebrew points and the Indic blocks
    rf"(?:(?![{_PACKED}_{_SIGNS}])\w|(?![{_SIGNS}])[\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u0900-\u0963\u0966-\u0dff])"
)
_TOKEN = re.compile(
    rf"(?P<packed>[{_PACKED}]+)"
    r"|(?P<thousands>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?)"
    rf"|(?P<word>(?:--?|[@/#])?{_LETTER}+(?:['’.\-@/#+:_]+{_LETTER}+)*(?:\+\+|\#(?!\w))?)"
)
_PARTS = re.compile(r"\d+|[^\W\d_](?:[^\d_.\-@/#+:])*")
_TIME_OR_DECIMAL = re.compile(r"\d+(?:[.:]\d+)+")
_PACKED_RUN = re.compile(f"[{_PACKED}]+")
_LONGEST = 64
"""Characters; a longer compound (an address, a hash) is kept by its parts alone."""
_LATIN_LIMIT = "\u0250"
"""From here on an accent is part of the letter (й, ग़); below it people leave it out (é, ö)."""

_STOP = frozenset(
    "a about am an and any are as at be been being but by can could did do doe does doing for from had has have"
    " having he her hers him his how i if in into is it its itself mani many may me might much must my of on onli or"
    " our ours pleas please shall she should so some such than that the their them then there these they this those"
    " to us was we were what when where which while who whom whose whi why will with would you your yours dont"
    " doesnt im ive whats".split()
)
_IRREGULAR = {
    form: base
    for base, *forms in map(
        str.split,
        "become became|begin began begun|break broke broken|bring brought|build built|buy bought|catch caught|choose chose"
        " chosen|come came|deal dealt|draw drew drawn|drive drove driven|eat ate eaten|fall fell fallen|fight fought|find"
        " found|fly flew flown|forbid forbade forbidden|forget forgot forgotten|freeze froze frozen|get got gotten|give gave"
        " given|go went gone|grow grew grown|hear heard|hide hid hidden|hold held|keep kept|know knew known|lead led|leave"
        " left|lend lent|lose lost|make made|mean meant|meet met|pay paid|run ran|say said|see seen|seek sought|sell sold"
        "|send sent|shake shook shaken|show shown|speak spoke spoken|spend spent|stand stood|steal stole stolen|strike struck"
        " stricken|swear swore sworn|take took taken|teach taught|tell told|think thought|throw threw thrown|understand"
        " understood|wear wore worn|win won|write wrote written|man men|woman women|child children|foot feet".split(
            "|"
        ),
    )
    for form in forms
}
"""What no stemmer finds: the base of an irregular form. Without those that are another word as well (saw, rose, felt)."""
_HIRAGANA_STOP = frozenset(
    # the hiragana bigrams that stand in at least a tenth of the paragraphs of JaQuAD's training part (CC BY-SA 3.0),
    "あっ あり ある いう いた いっ いて いな いる うな うに えた えて えら える おい おり かけ かし かっ から があ"
    " きた きな くな けた けて ける こと この これ させ さら され しい しか した して する その それ たが たこ たた"
    " たと たの ため たも だっ った って つい てい てお ての ては ても であ でき での では でも とい とが とし とす"
    " とで とと とな とに との とは とも とを どの ない なか なく なっ など なり なる にあ にお につ にな には にも"
    " によ のた ので のは のよ はな ばれ への また まっ まで まれ めた めて めに もあ もの よう よっ より よる らに"
    " らの られ るが るこ るた ると るの るよ れた れて れに れら れる われ んだ んで"
    # and what makes a sentence a polite question
    " です ます すか まし ませ せん しょ でし ょう うか ださ くだ さい いで たか るか のか とか かを かは どこ どれ"
    " どう どん いつ だれ なに なん いく くら くつ つで こで れは れが".split()
)


def terms(text: str) -> list[str]:
    """The terms of a text, in its order, with repetitions. NFKC and case folded; `1,200` is `1200`."""
    return list(chain.from_iterable(map(_SEEN.__getitem__, text.split())))  # no term goes over white space


def _of_piece(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    found: list[str] = []
    for match in _TOKEN.finditer(plain):
        token = match[0]
        if match.lastgroup == "packed":
            found += [token[at : at + 2] for at in range(len(token) - 1)] or [token]
        elif match.lastgroup == "thousands":
            found.append(token.replace(",", ""))
        elif token.isascii() and token.isalpha() and len(token) <= _LONGEST:
            found.append(_stem(token))
        else:
            found += _compound(token)
    return found


class _Seen(dict[str, tuple[str, ...]]):
    """The terms of pieces of text; most were seen before. `lru_cache` would cost four times as much for each."""

    def __missing__(self, piece: str) -> tuple[str, ...]:
        made = tuple(_of_piece(piece))
        if len(piece) <= _LONGEST:
            if len(self) >= _MOST_SEEN:
                self.clear()
            self[piece] = made
        return made


_SEEN = _Seen()
_MOST_SEEN = 65_536
"""Some ten MB."""


def content_terms(question: str) -> list[str]:
    """The terms of a question without function words and question words; all its terms if nothing else is left."""
    every = terms(question)
    return [term for term in every if not is_function(term)] or every


def is_function(term: str) -> bool:
    """Whether a term stands in texts about anything: "the", "which", です, 何."""
    return term in _STOP or term in _HIRAGANA_STOP or ("何" in term and term != "幾何") or "誰" in term


def is_packed(term: str) -> bool:
    """Whether it is a bigram (or single character) of a script written without spaces."""
    return len(term) <= 2 and bool(_PACKED_RUN.fullmatch(term))


def _compound(token: str) -> Iterator[str]:
    """A word with other than ASCII letters in it: its parts, then the whole as written if it is more than one part."""
    whole = _without_accents(token.replace("’", "'").removesuffix("'s").replace("'", ""))
    if _TIME_OR_DECIMAL.fullmatch(whole):
        yield whole
        return
    parts = _PARTS.findall(whole)
    for part in parts:
        yield _stem(part) if part.isalpha() else part
    if whole not in parts and len(whole) <= _LONGEST:
        yield whole


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    kept: list[str] = []
    for character in unicodedata.normalize("NFD", word):
        if unicodedata.combining(character) and kept and kept[-1] < _LATIN_LIMIT:
            continue
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    stemmer = _stemmer()
    with _STEMMING:
        return str(stemmer.stemWord(_IRREGULAR.get(word, word)))


_STEMMING = threading.Lock()
"""The stemmer keeps the word it works on in itself."""


@cache
def _stemmer() -> Any:
    from snowballstemmer.english_stemmer import EnglishStemmer

    return EnglishStemmer()


@dataclass(frozen=True, slots=True)
class ChunkWords:
    """The terms of one chunk by field, each field space-joined."""

    title: str
    heading: str
    body: str


def chunk_words(document: Document, chunks: Iterable[Chunk]) -> tuple[ChunkWords, ...]:
    """The words of each of the document's chunks, in their order."""
    title = " ".join(terms(document.title))
    return tuple(
        ChunkWords(
            title, " ".join(terms("\n".join(chunk.heading))), " ".join(terms(document.text[chunk.start : chunk.end]))
        )
        for chunk in chunks
    )

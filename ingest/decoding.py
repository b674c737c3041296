"""Bytes to text, or a refusal: never mojibake. Knows no file format; an HTML loader hands in the charset it read.

The order, and why each step is certain enough:

1. A byte order mark names the encoding.
2. Seven-bit bytes are ASCII, or ISO-2022-JP when they hold its escape sequences.
3. Bytes that are valid UTF-8 and not ASCII are UTF-8: other encodings hardly ever form its sequences. The one rival
   is a short EUC-JP text; it shows as letters of several scripts in one word, and is refused.
4. A declared multi-byte charset is believed when the text reads like text in it.
5. EUC-JP and Shift_JIS (cp932). EUC-JP never holds the bytes 80-8D and 90-A0, with which Shift_JIS writes kana and
   common kanji; so a text is valid in both only if Shift_JIS would show half-width katakana and rare kanji. It is
   EUC-JP if that reading holds kana (Chinese GB 2312 has the same structure and would not), and refused otherwise.
6. A declared single-byte charset; without one, Windows-1252 if all accented letters belong to one language's alphabet.
"""

from __future__ import annotations

import codecs
import re

from ingest.errors import UndecodableText

_BOMS = (
    # UTF-32 before UTF-16: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_MULTI_BYTE = {
    # what a declaration says: the codec that reads it (the Microsoft supersets, as in the WHATWG Encoding Standard)
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "windows-31j", "cp932"), "cp932"),
    **dict.fromkeys(("euc-jp", "x-euc-jp", "eucjp", "euc_jp"), "euc_jp"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "x-gbk"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs"), "big5hkscs"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "cp949"), "cp949"),
}
_CP1252_NAMES = {"iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii", "windows-1252", "cp1252"}
_SINGLE_BYTE = re.compile(r"windows-125[0-8]|iso-8859-(?:[2-9]|1[013-6])|koi8-[ru]")

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
_ASCII_CONTROLS = bytes(code for code in range(128) if _CONTROL.match(chr(code)))
_CONTROL_SHARE = 0.01
"""More control characters than this share of a text: it is no text."""

_BINARY = "The file holds binary data, not text: give it the ending of its real kind, or remove it."

_KANA = re.compile(r"[ぁ-ゖァ-ヺー]")
_JAPANESE = re.compile(r"[、-〕ぁ-ゖァ-ー㐀-䶿一-鿿！-～￥]")
_JAPANESE_RUN = re.compile(r"[、-〕ぁ-ゖァ-ー㐀-䶿一-鿿！-～￥]{2,}")
_HALF_WIDTH = re.compile(r"[｡-ﾟ]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_PRIVATE_USE = re.compile(r"[\ue000-\uf8ff]")
_RARE_LETTERS = re.compile("[\u0180-\u036f\u0460-\u058f\u0700-\u07ff]")
_TWO_BYTE_RUN = re.compile("[\u0080-\u07ff]{3,}")
_SCRIPTS = tuple(
    re.compile(f"[{letters}]")
    for letters in ("\u0080-\u017f", "\u0370-\u03ff", "\u0400-\u045f", "\u0590-\u05ff", "\u0600-\u06ff")
)

_KANA_SHARE = 0.05
"""Japanese prose holds far more kana than this share of its characters; Chinese or Korean misread as Japanese, none."""

_WESTERN_SIGNS = set("€…‘’“”–—•™\xa0£§©«®°´·»¡¿")
_ALPHABETS = tuple(
    set(letters)
    for letters in (
        "éÉäöüßÄÖÜ",  # German
        "éèêëàâçîïôùûüœæÉÈÊÀÂÇÎÔŒ",  # French
        "éáíóúñüÉÁÍÓÚÑ",  # Spanish
        "éãõáâàêíóôúçÉÃÕÁÂÀÊÍÓÔÚÇ",  # Portuguese
        "éàèìòùÉÀÈÌÒÙ",  # Italian
        "éåäöæøÉÅÄÖÆØ",  # Danish, Norwegian, Swedish
    )
)
_APOSTROPHE_IN_WORD = re.compile(rb"[A-Za-z]\x92[a-z]")


def decode(data: bytes, *, declared: str = "") -> str:
    """Text of `data`, with `\\n` line ends and without a byte order mark, otherwise untouched.

    `declared` is a charset the document names itself ("" if none); it never wins against the bytes' own evidence.
    Raises UndecodableText for binary data and for text whose encoding cannot be told.
    """
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return _finish(_strict(data[len(mark) :], codec))
    if b"\0" in data:
        raise UndecodableText(_BINARY)
    declared = declared.strip().strip("\"'").lower()
    if data.isascii():
        return _finish(_seven_bit(data))
    return _finish(
        _utf8(data)
        or _declared_multi_byte(data, declared)
        or _japanese(data)
        or _declared_single_byte(data, declared)
        or _western(data)
    )


def _finish(text: str | None) -> str:
    if text is None:
        raise UndecodableText("The encoding of the text cannot be told with certainty: save the file as UTF-8.")
    if "\0" in text:  # UTF-16 and UTF-32 are full of zero bytes, and their text must still hold none
        raise UndecodableText(_BINARY)
    if _controls(text) > _CONTROL_SHARE * len(text):
        raise UndecodableText("The file holds control characters, not text: save it as UTF-8 text, or remove it.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _controls(text: str) -> int:
    if text.isascii():  # many times as fast
        return len(text) - len(text.encode("ascii").translate(None, _ASCII_CONTROLS))
    return len(_CONTROL.findall(text))


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _count(pattern: re.Pattern[str], text: str) -> int:
    return len(pattern.findall(text))


def _shift_jis(data: bytes) -> str | None:
    # the standard before Microsoft's superset: the two differ in a few signs (8160 is 〜 or ～), and so agrees with EUC-JP
    text = _strict(data, "shift_jis")
    return text if text is not None else _strict(data, "cp932")


def _seven_bit(data: bytes) -> str | None:
    if b"\x1b$" in data or b"\x1b(" in data:
        return _strict(data, "iso2022_jp_ext")
    return data.decode("ascii")


def _utf8(data: bytes) -> str | None:
    text = _strict(data, "utf-8")
    if text is None or _strict(data, "euc_jp") is None:
        return text
    mixed = any(sum(script.search(run) is not None for script in _SCRIPTS) > 1 for run in _TWO_BYTE_RUN.findall(text))
    if mixed or _RARE_LETTERS.search(text):
        raise UndecodableText("The text could be UTF-8 or EUC-JP, and reads oddly in both: save the file as UTF-8.")
    return text


def _declared_multi_byte(data: bytes, declared: str) -> str | None:
    codec = _MULTI_BYTE.get(declared)
    text = _shift_jis(data) if codec == "cp932" else _strict(data, codec) if codec else None
    if text is None or _PRIVATE_USE.search(text) or _CONTROL.search(text):
        return None
    # half-width katakana as the greater part is how EUC-JP looks when it is read as Shift_JIS
    return text if 2 * _count(_HALF_WIDTH, text) <= _count(_NOT_ASCII, text) else None


def _japanese(data: bytes) -> str | None:
    shift_jis = _shift_jis(data)
    euc_jp = _strict(data, "euc_jp")
    if euc_jp is None and shift_jis is None:
        euc_jp = _strict(data, "euc_jis_2004")  # EUC-JP with the circled digits and units many programs wrote
    if euc_jp is not None:
        if shift_jis is not None and all(byte < 0xE0 for byte in data):
            return None  # could be nothing but half-width katakana
        return euc_jp if _reads_japanese(euc_jp) and _KANA.search(euc_jp) else None
    if shift_jis is not None and _reads_japanese(shift_jis):
        if _KANA.search(shift_jis):
            return shift_jis
        # kanji alone: only where neither Windows-1252 nor a Chinese encoding (it shows half-width katakana) can be meant
        certain = _western(data) is None and not _HALF_WIDTH.search(shift_jis) and _count(_JAPANESE, shift_jis) >= 4
        return shift_jis if certain else None
    return None


def _reads_japanese(text: str) -> bool:
    """Mostly full-width Japanese, in runs; with kana, unless it is as short as a table of kanji words."""
    if _PRIVATE_USE.search(text) or _CONTROL.search(text):
        return False
    foreign, japanese = _count(_NOT_ASCII, text), _count(_JAPANESE, text)
    in_runs = sum(map(len, _JAPANESE_RUN.findall(text)))
    if 2 * japanese < foreign or 2 * in_runs < japanese:
        return False
    return japanese < 40 or _count(_KANA, text) >= _KANA_SHARE * japanese


def _declared_single_byte(data: bytes, declared: str) -> str | None:
    if declared in _CP1252_NAMES:
        declared = "cp1252"
    elif not _SINGLE_BYTE.fullmatch(declared):
        return None
    text = _strict(data, declared)
    return None if text is None or _CONTROL.search(text) else text


def _western(data: bytes) -> str | None:
    """Windows-1252, if it is ASCII prose with a few signs and the accented letters of one language."""
    text = _strict(data, "cp1252")
    if text is None:
        return None
    foreign = set(_NOT_ASCII.findall(text)) - _WESTERN_SIGNS
    ascii_letters = sum(character.isascii() and character.isalpha() for character in text)
    if 3 * _count(_NOT_ASCII, text) > ascii_letters or not any(foreign <= alphabet for alphabet in _ALPHABETS):
        return None
    if _strict(data, "cp932") is not None and not _APOSTROPHE_IN_WORD.search(data):
        return None  # every accented letter pairs with the next one: it could be Shift_JIS
    return text

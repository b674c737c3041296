from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoding import decode
from ingest.errors import UndecodableText

SENTENCES = (
    "経費精算は翌月の第三営業日までに申請してください。",
    "ホテル代の上限は一泊15,000円です（東京23区内は18,000円）。",
    "有給休暇は入社から六か月後に十日付与されます。",
    "VPNに接続できないときは、情報システム部へ連絡すること。",
    "社内のWi-Fiのパスワードは四半期ごとに変更されます。",
    "在宅勤務の申請はポータルから前日までに行う。",
)


@pytest.mark.parametrize(
    "codec", ["shift_jis", "cp932", "euc_jp", "iso2022_jp", "utf-8", "utf-8-sig", "utf-16", "utf-32"]
)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_japanese_sentences_are_read_in_every_encoding(sentence: str, codec: str) -> None:
    assert decode(sentence.encode(codec)) == sentence


@given(
    text=st.builds(
        lambda pieces, cut: "".join(pieces)[cut : cut + 40],
        st.lists(st.sampled_from(SENTENCES), min_size=3, max_size=6),
        st.integers(0, 30),
    ),
    length=st.integers(8, 40),
    codec=st.sampled_from(["shift_jis", "euc_jp", "iso2022_jp", "utf-8"]),
)
def test_a_cut_of_japanese_text_is_read_right_or_refused(text: str, length: int, codec: str) -> None:
    try:
        assert decode(text[:length].encode(codec)) == text[:length]
    except UndecodableText:
        assert codec != "utf-8"


@given(
    text=st.text(
        alphabet="経費精算規程出張旅費休暇申請部長承認期限金額東京本社ABC0123年月日のはがをにでですますアイウカキク、。",
        min_size=8,
        max_size=60,
    ),
    codec=st.sampled_from(["shift_jis", "euc_jp"]),
)
def test_random_japanese_words_are_never_read_wrong(text: str, codec: str) -> None:
    with suppress(UndecodableText):
        assert decode(text.encode(codec)) == text


def test_characters_of_microsoft_and_of_the_newer_standard_are_read() -> None:
    text = "手順は①申請、②承認、③精算の三つです。"
    assert decode(text.encode("cp932")) == text
    assert decode(text.encode("euc_jis_2004")) == text


def test_a_table_of_kanji_words_in_shift_jis_is_read() -> None:
    assert decode("日付,氏名,部署,金額".encode("cp932")) == "日付,氏名,部署,金額"


@pytest.mark.parametrize(
    "text",
    [
        "Das Büro öffnet um neun Uhr; die Maße prüft der Empfang.",
        "It’s the company’s policy – don’t ask",
        "Le café est à côté de l’école, dans la rue principale",
    ],
)
def test_western_prose_in_windows_1252_is_read(text: str) -> None:
    assert decode(text.encode("cp1252")) == text


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Příliš žluťoučký kůň úpěl ďábelské ódy", "cp1250"),
        ("Привет, как дела сегодня, друзья", "cp1251"),
        ("ﾃｽﾄﾃﾞｰﾀ", "cp932"),
        ("我们的报销制度规定每月十五日之前提交", "gb2312"),
        ("회의는 매주 월요일에 열립니다", "euc_kr"),
        ("Die Büros schließen früh; größere Räume öffnen später", "cp850"),
    ],
)
def test_what_cannot_be_told_is_refused_with_the_next_step(text: str, codec: str) -> None:
    with pytest.raises(UndecodableText, match="save the file as UTF-8"):
        decode(text.encode(codec))


def test_a_short_euc_jp_text_that_is_valid_utf_8_is_refused() -> None:
    with pytest.raises(UndecodableText, match="UTF-8 or EUC-JP"):
        decode("2005年17.".encode("euc_jp"))


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", bytes(range(1, 256)) * 4, b"\x01\x02\x03\x04text", b"\xff\xfeA"]
)
def test_binary_junk_is_refused(data: bytes) -> None:
    with pytest.raises(UndecodableText):
        decode(data)


def test_line_ends_become_line_feeds_and_nothing_else_changes() -> None:
    assert decode(b"\xef\xbb\xbfa\r\nb\rc \t\n\n") == "a\nb\nc \t\n\n"
    assert decode("a\u200bb　c\x1b[31mred".encode()) == "a\u200bb　c\x1b[31mred"
    assert decode(b"") == ""


def test_a_declared_charset_decides_what_the_bytes_leave_open() -> None:
    assert decode("Привет, друзья".encode("cp1251"), declared="windows-1251") == "Привет, друзья"
    assert decode("经费报销制度".encode("gb2312"), declared="GB2312") == "经费报销制度"
    assert decode("経費規程".encode("euc_jp"), declared=" 'EUC-JP' ") == "経費規程"


@pytest.mark.parametrize("declared", ["shift_jis", "iso-8859-1", "euc-jp", "utf-8", "rot13", "no-such-charset"])
def test_a_wrong_declaration_does_not_win_against_the_bytes(declared: str) -> None:
    for codec in ("utf-8", "euc_jp", "cp932"):
        assert decode(SENTENCES[0].encode(codec), declared=declared) == SENTENCES[0]


@pytest.mark.parametrize("codec", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_zero_character_makes_text_of_any_encoding_binary(codec: str) -> None:
    with pytest.raises(UndecodableText, match="binary data"):
        decode(("A long line of ordinary text. " * 20 + "\0").encode(codec))

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cutting import CODE, LIST, PROSE, TABLE, pieces, weight


def cut(text: str, size: int) -> list[str]:
    return [text[start:end] for start, end in pieces(text, 0, len(text), size, PROSE)]


@given(
    text=st.text(alphabet="ab1 。！?.「」（）(\n、はのお東京タワー年か\u3099|-", max_size=300),
    size=st.integers(1, 60),
    cuts=st.sampled_from([PROSE, LIST, TABLE, CODE]),
)
def test_pieces_are_the_text_and_keep_to_the_size(text: str, size: int, cuts: tuple[object, ...]) -> None:
    found = [text[start:end] for start, end in pieces(text, 0, len(text), size, cuts)]  # type: ignore[arg-type]
    assert "".join(found) == text
    assert all(weight(piece.rstrip("\u3099")) <= max(size, 2) for piece in found)


def test_sentences_inside_brackets_and_quotes_are_kept_together() -> None:
    sentence = "彼は「はい。そうです！」と言った。規程（前年度。改訂版）を見る。"
    assert cut(sentence * 3, 60) == ["彼は「はい。そうです！」と言った。", "規程（前年度。改訂版）を見る。"] * 3
    assert cut("「はい。」「いいえ。」" * 2, 20) == ["「はい。」", "「いいえ。」"] * 2


def test_a_forgotten_bracket_keeps_nothing_together() -> None:
    found = cut("「" + "これは規程の本文です。" * 100, 200)
    assert all(piece.endswith("。") for piece in found)


def test_japanese_without_punctuation_is_cut_behind_particles() -> None:
    text = "東京タワーの展望台に登る人は入場券を窓口で購入してから" * 20
    found = cut(text, 120)
    assert len(found) > 5
    for piece in found[:-1]:
        assert re.search("[のにはをでら]$", piece), piece


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("東京タワー展望台入場券売場インフォメーション" * 20, "タワー|インフォメーション|展望台入場券売場"),
        ("お知らせ画面ご案内状" * 60, "お知らせ|ご案内状"),
        ("1200円2024年3回5メートル第4章" * 30, "1200円|2024年|3回|5メートル|第4章"),
        ("incomprehensibilities " * 40, "incomprehensibilities"),
        ("本番環境Kubernetesクラスタ構成" * 30, "Kubernetes|クラスタ|本番環境"),
    ],
)
def test_words_and_counted_things_are_not_cut(text: str, kept: str) -> None:
    found = cut(text, 100)
    assert len(found) > 3
    assert sum(len(re.findall(kept, piece)) for piece in found) == len(re.findall(kept, text))


def test_a_long_address_is_cut_at_its_joints() -> None:
    found = cut("https://example.com/" + "path/to/page/" * 40, 100)
    assert all(piece.endswith("/") for piece in found)


@pytest.mark.parametrize(
    "text", ["「" * 300_000, "「。" * 200_000, "。" * 300_000, "あ。」" * 200_000, "a.)\n" * 200_000, "(" * 300_000]
)
def test_endless_brackets_are_cut_in_linear_time(text: str) -> None:
    assert sum(map(len, cut(text, 800))) == len(text)

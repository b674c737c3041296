import pytest

from retrieval.language import language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("経費精算は翌月までに申請してください。", "ja"),
        ("経費上限", "ja"),
        ("SlackとGitHubのアカウントはIT supportに申請する。", "ja"),
        ("The hotel cap is 180 EUR for each night.", "en"),
        ("How do I reset my password?", "en"),
        ("The word 経費 means expenses, and it is used in all of the forms.", "en"),
        ("Das Büro öffnet um neun Uhr und schließt am Abend, wenn alle gegangen sind.", ""),
        ("我们的报销制度规定每月十五日之前提交所有的发票和收据" * 3, ""),
        ("x = 1; y = foo(x)", ""),
        ("12345", ""),
        ("", ""),
    ],
)
def test_the_language_is_told_by_script_and_small_words(text: str, expected: str) -> None:
    assert language(text) == expected

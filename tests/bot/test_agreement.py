from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.agreement import difference

LIMIT = "The hotel limit is 180 EUR per night, and must be approved by Ms. Mori."


@pytest.mark.parametrize(
    ("claim", "unit", "about"),
    [
        ("A night may cost 180 EUR.", LIMIT, ""),
        ("Ms. Mori approves up to €180.", "Ms. Mori approves up to 180 EUR.", ""),
        ("You get three days.", "Employees get 3 days of leave.", ""),
        ("The limit is 1,200 EUR.", "| hotel | 1200 |", "| what | limit (EUR) |"),
        ("In Berlin the limit is 180 EUR.", "The limit is 180 EUR.", "Travel › Berlin"),
        ("Smoking is not allowed.", "Smoking is prohibited.", ""),
        ("上限は1泊180ユーロです。", "1泊の上限は１８０ユーロとする。", ""),
        ("申請は30日以内に行わなければなりません。", "申請は30日以内に行うこと。", ""),
        ("有給休暇は年20日です。", "年次有給休暇は20日とする。", ""),
        ("喫煙は禁止です。", "構内では喫煙できません。", ""),
        ("VPN access needs a token.", "Access to the VPN needs a token.", ""),
        ("It starts on April 1, 2025.", "It starts on 2025-04-01.", ""),
        ("It starts on 1 April.", "It starts on 2025年4月1日.", ""),
        ("改定日は2025年4月1日です。", "改定日は令和7年4月1日。", ""),
        ("In 2019 the plant opened.", "The plant opened in 2019年.", ""),
        ("Staff without a badge sign in.", "Staff who do not have a badge sign in.", ""),
        ("Managers approve travel.", "Only managers approve travel.", ""),
        ("会議は2週間に1回行う。", "会議は2週間に1回、行います。", ""),
        ("Every second week there is a meeting.", "There is a meeting every other week.", ""),
    ],
)
def test_what_says_the_same_agrees(claim: str, unit: str, about: str) -> None:
    assert difference(claim, unit, about) is None


@pytest.mark.parametrize(
    ("claim", "unit", "kind"),
    [
        ("A night may cost 280 EUR.", LIMIT, "amount"),
        ("A night may cost 180 USD.", LIMIT, "measure"),
        ("A night may cost $180.", LIMIT, "measure"),
        ("A night may cost 180 EUR, and Mr. Sato approves it.", LIMIT, "name"),
        ("Bob approves the trip.", "Alice approves the trip.", "name"),
        ("A night may not cost 180 EUR.", LIMIT, "negation"),
        ("You can travel first class.", "You can travel first class, but not on domestic flights.", "negation"),
        ("Smoking is allowed.", "Smoking isn't allowed.", "negation"),
        ("At least 3 people must sign.", "At most 3 people must sign.", "bound"),
        ("Apply 2 weeks after the trip.", "Apply 2 weeks before the trip.", "bound"),
        ("It takes 5 days.", "It takes 5 hours.", "measure"),
        ("It takes 10 ms.", "It takes 10 s.", "measure"),
        ("It costs 5 billion euros.", "It costs 5 million euros.", "amount"),
        ("It costs seventy euros.", "It costs eighty euros.", "amount"),
        ("It is stored at 5 °C.", "It is stored at -5 °C.", "amount"),
        ("The daily limit is 180 EUR.", "The weekly limit is 180 EUR.", "bound"),
        ("You get double pay.", "You get half pay.", "bound"),
        ("The backup runs every day.", "The backup runs every other day.", "bound"),
        ("The backup runs every other day.", "The backup runs every day.", "bound"),
        ("It is cleaned each week.", "It is cleaned each second week.", "bound"),
        ("It is cleaned weekly.", "It is cleaned bi-weekly.", "bound"),
        ("It is cleaned every week.", "It is cleaned on alternate weeks.", "bound"),
        ("Half a day is deducted.", "A day is deducted.", "bound"),
        ("A day is deducted.", "Half a day is deducted.", "bound"),
        ("Leave is taken in days.", "Leave is taken in half days.", "bound"),
        ("A loan can be renewed.", "A loan can be renewed at most once.", "bound"),
        ("A loan can be renewed twice.", "A loan can be renewed once.", "bound"),
        ("バックアップは毎日行う。", "バックアップは隔日で行う。", "bound"),
        ("会議は毎週行う。", "会議は隔週で行う。", "bound"),
        ("You must not lock the door and may not smoke.", "You must lock the door and may not smoke.", "negation"),
        ("It ends on 1 May.", "It ends on 1 April.", "date"),
        ("It takes five weeks.", "It takes four weeks.", "amount"),
        ("It starts on 1 April 2024.", "It starts on 2025-04-01.", "date"),
        ("It starts on April 2, 2025.", "It starts on 1 April 2025.", "date"),
        ("改定日は令和6年4月1日です。", "改定日は2025年4月1日です。", "date"),
        ("It takes 3 business days.", "It takes 3 days.", "measure"),
        ("期限は3日です。", "期限は3営業日です。", "measure"),
        ("It is 5 miles away.", "It is 5 km away.", "measure"),
        ("The fee is 90 NOK.", "The fee is 90 EUR.", "measure"),
        ("価格は税込100円です。", "価格は税抜100円です。", "bound"),
        ("A badge costs 20 EUR and a key costs 5 EUR.", "A badge costs 5 EUR and a key costs 20 EUR.", "amount"),
        ("You must not lock the door and may smoke.", "You must lock the door and may not smoke.", "negation"),
        ("Staff in Oslo may not apply.", "Staff not in Oslo may apply.", "negation"),
        ("東京の社員は申請できません。", "東京以外の社員は申請できます。", "negation"),
        ("Bob reports to Alice.", "Alice reports to Bob.", "name"),
        ("部長は課長に報告します。", "課長は部長に報告します。", "name"),
        ("Approval may be given in writing.", "Approval must be given in writing.", "bound"),
        ("申請は任意です。", "申請は必須です。", "bound"),
        ("All sites are closed.", "The sites are closed.", "quantity"),
        ("Sites are closed.", "Some sites are closed.", "quantity"),
        ("Only managers may apply.", "Managers may apply.", "quantity"),
        ("いつでも申請できます。", "申請できます。", "quantity"),
        ("You may fly business class.", "You may fly business class if the trip is long.", "condition"),
        ("宿泊費を払います。", "出張の場合、宿泊費を払います。", "condition"),
        ("上限は200ユーロです。", "上限は180ユーロです。", "amount"),
        ("上限は180円です。", "上限は180ユーロです。", "measure"),
        ("出張は申請が必要です。", "出張は申請が不要です。", "negation"),
        ("3日以上前に申請します。", "3日以下前に申請します。", "bound"),
        ("経費はカードで払えます。", "経費はカードで払えません。", "negation"),
        ("ベルリンでは上限は180ユーロです。", "パリでは上限は180ユーロです。", "name"),
    ],
)
def test_what_says_something_else_does_not(claim: str, unit: str, kind: str) -> None:
    assert difference(claim, unit) == kind


def test_an_amount_may_not_come_from_beside_the_unit() -> None:
    assert difference("The limit is 180 EUR.", "The limit is 120 EUR.", "Another limit is 180 EUR.") == "amount"


@given(st.text(max_size=120))
@example("@A0")
@example("A-A0")
def test_every_text_agrees_with_itself(text: str) -> None:
    assert difference(text, text) is None

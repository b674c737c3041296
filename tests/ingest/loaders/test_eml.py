from datetime import date
from email.message import EmailMessage

import pytest

from ingest.errors import DocumentError, EmptyDocument
from ingest.loaders import parse
from ingest.loaders.eml import load

HEAD = b"From: eve@example.com\r\nSubject: Caps\r\n"


def mail(body: str = "The cap is 180 EUR.", subject: str = "Hotel caps") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Eve Ng <eve@example.com>"
    message["To"] = "山田 花子 <hanako@example.com>, ops@example.com"
    message["Date"] = "Wed, 01 May 2024 09:30:00 +0900"
    message["Subject"] = subject
    message.set_content(body)
    return message


def body_of(data: bytes) -> str:
    return load("a", data).text.partition("\n\n")[2]


def test_people_and_date_stand_above_the_body_and_the_subject_is_the_title() -> None:
    document = parse("a.eml", mail("はい。\n\n> The cap?\n", "Re: 宿泊費の上限").as_bytes())
    assert document.title == "Re: 宿泊費の上限"
    assert document.text == (
        "From: Eve Ng <eve@example.com>\nTo: 山田 花子 <hanako@example.com>, ops@example.com\n"
        "Date: 2024-05-01 09:30+09:00\n\nはい。\n\n> The cap?"
    )


def test_the_plain_form_is_read_and_attachments_are_only_named() -> None:
    message = mail()
    message.add_alternative("<p>Never read</p>", subtype="html")
    message.add_attachment(b"%PDF secret", maintype="application", subtype="pdf", filename="上限 2024.pdf")
    message.add_attachment("inside,secret\n", subtype="csv", filename="caps.csv")
    message.add_attachment(mail("deep secret", "Older mail"))
    text = parse("a.eml", message.as_bytes()).text
    assert "Attachments: 上限 2024.pdf, caps.csv, Older mail\n\nThe cap is 180 EUR." in text
    assert "secret" not in text
    assert "Never" not in text


@pytest.mark.parametrize("plain", [None, " \n"])
def test_without_words_in_the_plain_form_the_page_is_read_with_its_headings(plain: str | None) -> None:
    message = mail(plain or "")
    page = "<html><meta charset=shift_jis><h1>上限</h1><p>180 EUR <script>no()</script></p></html>"
    if plain is None:
        message.set_content(page, subtype="html")
    else:
        message.add_alternative(page, subtype="html")
        message.get_payload()[1].add_related(b"png", "image", "png", cid="<a>", filename="logo.png")
    document = parse("a.eml", message.as_bytes())
    assert document.text.endswith("\n\n# 上限\n\n180 EUR")
    assert "logo" not in document.text
    (mark,) = document.marks
    assert mark.heading == ("上限",)
    assert document.text[mark.start :].startswith("# 上限")


def test_text_below_an_inline_attachment_is_read_too() -> None:
    message = mail("Before.")
    message.add_attachment(b"png", maintype="image", subtype="png", filename="plan.png", disposition="inline")
    message.add_attachment("After.", disposition="inline")
    text = parse("a.eml", message.as_bytes()).text
    assert "Attachments: plan.png" in text
    assert text.endswith("Before.\n\nAfter.")


@pytest.mark.parametrize("charset", ["iso-2022-jp", "shift_jis", "euc-jp", "utf-8"])
@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_japanese_bodies_in_every_charset(charset: str, encoding: str) -> None:
    message = mail()
    cte = "7bit" if charset == "iso-2022-jp" and encoding == "8bit" else encoding
    message.set_content("上限は千円です。ご確認ください。", charset=charset, cte=cte)
    assert parse("a.eml", message.as_bytes()).text.endswith("上限は千円です。ご確認ください。")


def test_circled_digits_in_iso_2022_jp_are_read() -> None:
    body = b"\x1b$B\x2d\x21\x3e\x65\x38\x42\x1b(B ok\r\n"
    assert body_of(HEAD + b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + body) == "①上限 ok"


@pytest.mark.parametrize(
    "subject",
    [
        b"=?ISO-2022-JP?B?GyRCPWlIcSROPmU4QhsoQg==?=",
        b"=?UTF-8?Q?=E5=87=BA=E8=B2=BB=E3=81=AE?=\r\n =?UTF-8?B?5LiK6ZmQ?=",
        "出費の上限".encode("cp932"),
        "出費の上限".encode(),
        "出費の上限".encode("iso-2022-jp"),
    ],
    ids=range(5),
)
def test_subjects_are_decoded_whoever_wrote_them(subject: bytes) -> None:
    title = load("a", b"From: eve@example.com\r\nSubject: " + subject + b"\r\n\r\nText.\r\n").title
    assert title.endswith("費の上限")


def test_flowing_lines_are_put_together() -> None:
    flowed = HEAD + b"Content-Type: text/plain; format=flowed%s\r\n\r\n"
    lines = b"The cap \r\nis 180.\r\n> What is \r\n> the cap?\r\nSo \r\n-- \r\nEve\r\n"
    assert body_of(flowed % b"" + lines) == "The cap is 180.\n> What is the cap?\nSo\n--\nEve"
    assert body_of(flowed % b"; delsp=yes" + b"abc \r\ndef\r\n") == "abcdef"


def test_of_many_people_some_are_named() -> None:
    many = ", ".join(f"p{i}@example.com" for i in range(50))
    text = load("a", b"To: " + many.encode() + b"\r\n\r\nHi\r\n").text
    assert "p19@example.com and 30 more\n" in text
    assert load("a", b"To: undisclosed-recipients:;\r\n\r\nHi\r\n").text.endswith("Hi")


@pytest.mark.parametrize(
    "head",
    [
        b'From: "=?utf-8?q?a?=" <>\r\nTo: <<@@>>,,;:\r\nDate: yesterday\r\n',
        b"From: =?nonsense?b?!!!?=\r\nDate: 99 Foo 99999 99:99:99\r\n",
        b"From: \xff\xfe\x80 <a@b>\r\nSubject: \xff\x80\r\n",
        b"From: a@b\r\nContent-Type: multipart/mixed\r\n",
        b'From: a@b\r\nContent-Type: text/plain; charset="no-such"\r\nContent-Transfer-Encoding: base65\r\n',
        b"From: a@b\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n",
        b"To: " + b"(" * 5000 + b"\r\n",
        b"To: " + b"a@b, " * 200_000 + b"\r\n",
    ],
    ids=range(8),
)
def test_odd_fields_lose_no_body(head: bytes) -> None:
    assert load("a", head + b"\r\nThe body.\r\n").text.endswith("The body.")


@pytest.mark.parametrize("data", [b"no mail\nat all\n", b"%PDF-1.7\n\x00\x01\n", b"\x89PNG\r\n\x1a\n" * 9])
def test_what_is_no_mail_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="no e-mail"):
        parse("a.eml", data)


def test_a_mail_of_an_attachment_alone_is_named_and_one_of_nothing_is_empty() -> None:
    text = load("a", HEAD + b"Content-Type: application/pdf; name=plan.pdf\r\n\r\n%PDF\r\n").text
    assert text == "From: eve@example.com\nAttachments: plan.pdf"
    with pytest.raises(EmptyDocument):
        parse("a.eml", b"Subject: \r\n\r\n \r\n")


def test_parts_nested_without_end_are_refused_or_read() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(3000))
    with pytest.raises(DocumentError):
        parse("a.eml", HEAD + nested + b"\r\nText\r\n")


def test_a_mail_is_of_the_day_it_was_sent() -> None:
    assert parse("a.eml", mail().as_bytes()).dated == date(2024, 5, 1)
    assert parse("a.eml", HEAD + b"Date: some day\r\n\r\nThe cap is 180 EUR.").dated is None

from __future__ import annotations

import io
import json
from datetime import date
from typing import Any

import pytest

from ingest.errors import DocumentError, EmptyDocument
from ingest.loaders import parse
from ingest.sources.safezip import SafeZip
from ingest.sources.slack import SlackExport
from tests.ingest.sources.zips import zipped

DAY = "general/2024-01-31.json"
NINE = 1706691600  # 2024-01-31 09:00 UTC
PEOPLE = [
    {"id": "U1", "name": "ann", "profile": {"display_name": "Ann\n Lee", "real_name": "Annabel Lee"}},
    {"id": "U2", "name": "bob", "profile": {"display_name": "", "real_name": "Bob Ray"}},
]
CHANNELS = [{"id": "C1", "name": "general"}, {"id": "C2", "name": "random"}]


def said(text: str, minute: float = 0, user: str = "U1", **more: Any) -> dict[str, Any]:
    return {"type": "message", "user": user, "text": text, "ts": f"{NINE + 60 * minute:.6f}"} | more


def export(*messages: Any, folder: str = "", **files: Any) -> SlackExport:
    members = {"channels.json": CHANNELS, "users.json": PEOPLE, DAY: list(messages)}
    members |= {name.replace("__", "/") + ".json": content for name, content in files.items()}
    data = zipped(
        {
            folder + name: content if isinstance(content, str) else json.dumps(content)
            for name, content in members.items()
        }
    )
    return SlackExport(SafeZip(io.BytesIO(data), "x.zip"), folder)


def text_of(*messages: Any) -> str:
    return export(*messages).read(DAY, 0).decode()


def test_a_day_is_a_markdown_document() -> None:
    text = text_of(said("Second", 12, "U2"), said("First &amp; foremost", 0))
    assert text == ("# #general 2024-01-31\n\n- **Ann Lee** 09:00: First & foremost\n\n- **Bob Ray** 09:12: Second\n")
    document = parse(export().name(DAY), text.encode())
    assert document.title == "#general 2024-01-31"


def test_people_channels_and_links_have_their_names() -> None:
    text = text_of(
        said(
            "<@U2> see <#C2|random> or <#G9|secret>, <https://a.b/c?d=1&amp;e|the page>, <https://a.b>, <!here>,"
            " <mailto:x@y.z|x@y.z>, <@U9|zed>, <!subteam^S1|@team>, 1 &lt; 2"
        )
    )
    assert text.endswith(
        "@Bob Ray see #random or #another-channel, the page (https://a.b/c?d=1&e), https://a.b, @here,"
        " x@y.z, @zed, @team, 1 < 2\n"
    )


def test_threads_stand_together() -> None:
    head = f"{NINE}.000000"
    text = text_of(
        said("Question?", 0, thread_ts=head),
        said("Something else", 1),
        said("Answer", 2, "U2", thread_ts=head),
        said("Late answer", 3, "U2", thread_ts=f"{NINE - 86400}.000000"),
    )
    assert (
        "- **Ann Lee** 09:00: Question?\n  - **Bob Ray** 09:02: Answer\n\n- **Ann Lee** 09:01: Something else" in text
    )
    assert "- **Bob Ray** 09:03 (in a thread of 2024-01-30): Late answer" in text


def test_joins_bots_and_deleted_messages_are_left_out() -> None:
    text = text_of(
        said("kept"),
        said("<@U2> has joined the channel", 1, subtype="channel_join"),
        said("Build failed", 2, subtype="bot_message"),
        said("Reminder", 3, bot_id="B1"),
        said("This message was deleted.", 4, subtype="tombstone"),
        said("odd", 5, subtype=["x"]),
        said("  ", 6),
        "no message",
    )
    assert text == "# #general 2024-01-31\n\n- **Ann Lee** 09:00: kept\n"


def test_a_message_stays_within_its_line_of_the_list() -> None:
    text = text_of(said("---\n# Policy\n\n```\nopen fence\n\n===", 0), said("after", 1))
    document = parse("x.md", text.encode())
    assert [mark.heading for mark in document.marks] == [("#general 2024-01-31",)]


def test_private_conversations_are_not_ingested_and_said_so() -> None:
    one = export(
        groups=[{"id": "G1", "name": "board"}],
        dms=[{"id": "D1"}, {"id": "D2"}],
        mpims=[{"id": "M1", "name": "mpdm-ann--bob-1"}],
        **{"board__2024-01-31": [said("x")], "D1__2024-01-31": [said("x")], "mpdm-ann--bob-1__2024-01-31": [said("x")]},
        **{"left__2024-01-31": [said("x")]},
    )
    for place in ("board", "D1", "mpdm-ann--bob-1", "left"):
        path = f"{place}/2024-01-31.json"
        assert one.name(path) == ""
        with pytest.raises(DocumentError, match="no day of a public channel"):
            one.read(path, 0)
    assert one.name(DAY) == "general/2024-01-31.md"
    assert one.notes == {
        "groups.json": "1 private channel, never ingested",
        "dms.json": "2 direct conversations, never ingested",
        "mpims.json": "1 group conversation, never ingested",
        "left": "in no list of channels",
    }


def test_a_channel_that_any_list_calls_private_is_private() -> None:
    channels = [{"id": "C1", "name": "general"}, {"id": "C3", "name": "hr", "is_private": True}]
    one = export(channels=channels, groups=[{"id": "G1", "name": "general"}])
    assert one.name(DAY) == ""
    assert one.name("hr/2024-01-31.json") == ""


def test_a_folder_around_the_export_is_no_matter() -> None:
    one = export(said("x"), folder="Acme/")
    assert one.name("Acme/" + DAY) == "Acme/general/2024-01-31.md"
    assert b"Ann Lee" in one.read("Acme/" + DAY, 0)
    assert one.name(DAY) == ""


def test_a_day_on_which_nobody_wrote_is_empty() -> None:
    with pytest.raises(EmptyDocument, match="nobody wrote"):
        text_of(said("joined", subtype="channel_join"))


@pytest.mark.parametrize("content", ["{", "{}", "[" * 100_000, "\ufeff[", ""])
def test_a_day_that_is_no_json_is_damaged(content: str) -> None:
    one = export(**{DAY.replace("/", "__").removesuffix(".json"): content})
    with pytest.raises(DocumentError, match="export it anew"):
        one.read(DAY, 0)


@pytest.mark.parametrize("file", ["channels", "users", "groups"])
def test_without_its_lists_nothing_of_an_export_is_read(file: str) -> None:
    with pytest.raises(DocumentError, match="export it anew"):
        export(**{file: "{"})


@pytest.mark.parametrize("ts", ["nan", "1e99", "-1e18", "x", None, 5, [], ""])
def test_odd_records_are_no_fault(ts: object) -> None:
    odd: dict[str, Any] = {"type": "message", "user": {}, "text": "odd \ud800 <@> <#> <!>", "ts": ts, "user_profile": 3}
    assert "Somebody" in text_of(odd, odd, said("x"))


def test_a_day_is_of_that_day() -> None:
    assert export().dated(DAY) == date(2024, 1, 31)
    assert export().dated("users.json") is None

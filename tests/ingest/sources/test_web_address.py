from __future__ import annotations

import pytest

from ingest.sources.web_address import AllowList, Refused, check_machine, parse_address


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("HTTPS://Docs.Example:443", "https://docs.example/"),
        ("http://docs.example:80/a#b", "http://docs.example/a"),
        ("http://docs.example.:8080/?", "http://docs.example:8080/"),
        ("http://docs.example/a/../b/./c//d", "http://docs.example/b/c//d"),
        ("http://docs.example/%7Ea/%e6%97%a5", "http://docs.example/~a/%E6%97%A5"),
        ("http://docs.example/日 本?q=日&b", "http://docs.example/%E6%97%A5%20%E6%9C%AC?q=%E6%97%A5&b"),
        ("http://docs.example/a%2fb", "http://docs.example/a%2fb"),
        ("http://docs.example/a?utm_source=x&id=1&gclid=y", "http://docs.example/a?id=1"),
        ("http://docs.example/caf%e9", "http://docs.example/caf%E9"),
        ("http://日本.example/", "http://xn--wgv71a.example/"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("http://93.184.215.14/", "http://93.184.215.14/"),
        ("//docs.example/a\r\nb", "http://docs.example/ab"),
    ],
)
def test_an_address_has_one_form(text: str, form: str) -> None:
    found = parse_address(text, "http://base.example/")
    assert str(found) == form
    assert parse_address(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://docs.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "gopher://docs.example/",
        "http://user@docs.example/",
        "http://user:secret@docs.example/",
        "http://docs.example@169.254.169.254/",
        "http://docs.example\\@evil.example/",
        "http://docs.example\\.evil.example/",
        "http:///a",
        "http://docs.example:99999/",
        "http://docs.example:x/",
        "http://[::1",
        "http://a b/",
        "http://-a.example/",
        "http://a..example/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.01/",
        "http://docs.example/\ud800",
        "http://docs.example/" + "a" * 3000,
    ],
)
def test_what_is_no_plain_address_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("digits", ["①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1"])
def test_digits_of_other_scripts_are_seen_through(digits: str) -> None:
    assert parse_address(f"http://{digits}/").host == "127.0.0.1"


@pytest.mark.parametrize(
    "machine",
    [
        *(
            "127.0.0.1",
            "127.255.255.254",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "192.0.0.8",
        ),
        *("169.254.1.1", "169.254.169.254", "168.63.129.16", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1"),
        *("192.0.2.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
        *(
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
        ),
        *("2002:7f00:1::", "2002:a9fe:a9fe::", "2001::1", "2001:db8::1", "100::1", "not-an-address", ""),
    ],
)
def test_machines_that_are_not_public(machine: str) -> None:
    with pytest.raises(Refused):
        check_machine(machine, trusted=False)


@pytest.mark.parametrize(
    "machine", ["93.184.215.14", "2606:2800:21f:cb07::1", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14"]
)
def test_public_machines(machine: str) -> None:
    assert check_machine(machine, trusted=False) == machine


def test_a_trusted_host_may_be_inside_but_never_metadata() -> None:
    for machine in ("127.0.0.1", "10.0.0.1", "fd00::1", "::ffff:10.0.0.1"):
        assert check_machine(machine, trusted=True) == machine
    for machine in ("169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "::", "224.0.0.1", "fd00:ec2::254"):
        with pytest.raises(Refused):
            check_machine(machine, trusted=True)


def test_the_list_of_hosts_names_hosts_and_ports() -> None:
    allowed = AllowList(["Wiki.Example", "docs.example:8080", "::1", "[::1]:8000", "10.0.0.1"])
    for host, port in (("wiki.example", 80), ("wiki.example", 443), ("docs.example", 8080), ("::1", 80), ("::1", 8000)):
        assert allowed.trusts(host, port)
    for host, port in (("wiki.example", 8080), ("docs.example", 80), ("docs.example", 443), ("a.wiki.example", 80)):
        assert not allowed.trusts(host, port)
    allowed.check_port(parse_address("http://docs.example:8080/"))
    for text in ("http://docs.example:8081/", "http://wiki.example:8080/", "http://10.0.0.1:22/"):
        with pytest.raises(Refused):
            allowed.check_port(parse_address(text))
    for text in ("", "http://a/", "a/b", "user@host", "*.example"):
        with pytest.raises(Refused):
            AllowList([text])

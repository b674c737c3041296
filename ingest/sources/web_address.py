"""Addresses of the web in one form each, and which machines they may lead to. Connects to nothing.

What is fetched is put together from the parts that were checked, so that no other reading of the same text can lead
elsewhere. Which addresses of machines are public follows the IANA special-purpose registries.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit

PORTS = {"http": 80, "https": 443}
MOST_CHARACTERS = 2048
"""Of an address; longer ones come from traps for crawlers."""
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\.?")
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:0x[0-9a-f]*|[0-9]+)\.?$")
"""By the WHATWG URL Standard such a host is an IPv4 address, in whatever odd form."""
_TRACKING = re.compile(r"utm_\w+|gclid|fbclid|msclkid|mc_[ce]id|_ga|_gl")
"""Parts of a query that say where a reader came from and nothing of the page."""
_IPV4 = ipaddress.IPv4Address
_IPV6 = ipaddress.IPv6Address
_METADATA = frozenset(
    ipaddress.ip_address(text)
    # where clouds tell a machine its passwords; the first stands for AWS, Azure, Google, Oracle and others
    for text in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
_PROTOCOL_USE = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("192.88.99.0/24"))
"""Of no machine that serves pages, whatever the version of Python thinks of them."""
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Refused(Exception):
    """An address that is not fetched; its message is part of a sentence for people."""


@dataclass(frozen=True, slots=True)
class Address:
    """An http or https address in one form: `target` is path and query, in ASCII; there is no fragment."""

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def netloc(self) -> str:
        """Host, and port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def path(self) -> str:
        """The path without its first slash, readable."""
        return unquote(self.target.partition("?")[0]).removeprefix("/")


def parse_address(text: str, base: str = "") -> Address:
    """The address in `text`, seen from the page `base`; raises Refused."""
    text = text.strip()
    if len(text) > MOST_CHARACTERS:
        raise Refused("its address is too long")
    try:
        text.encode()
        parts = urlsplit(urljoin(base, text))
        port = parts.port
        host = parts.hostname or ""
    except ValueError as error:
        raise Refused("its address cannot be read") from error
    if parts.scheme not in PORTS:
        raise Refused("only http and https are fetched")
    if "@" in parts.netloc:
        raise Refused("its address holds credentials")
    query = quote(parts.query, safe="/%?:@!$&'()*+,;=~")
    if _TRACKING.search(query):
        kept = [(name, value) for name, value in parse_qsl(parts.query, True) if not _TRACKING.fullmatch(name)]
        query = urlencode(kept)
    return Address(
        parts.scheme, _host(host), port or PORTS[parts.scheme], _path(parts.path) + (f"?{query}" if query else "")
    )


def _path(path: str) -> str:
    """Each character escaped if it must be, and not otherwise; `.` and `..` followed."""
    if "/." in path and not path.startswith("//"):
        path = urlsplit(urljoin("http://host/", path)).path
    if "%2F" in path.upper():  # an escaped slash is not a slash
        return quote(path, safe="/%:@!$&'()*+,;=~")
    readable = unquote(path, errors="surrogateescape")
    return quote(readable, safe="/:@!$&'()*+,;=~", errors="surrogateescape") or "/"


def _host(host: str) -> str:
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError as error:
            raise Refused("its host cannot be read") from error
    try:
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise Refused("its host cannot be read") from error
    ascii_host = ascii_host.lower().removesuffix(".")
    if not _HOST.fullmatch(ascii_host):
        raise Refused("its host cannot be read")
    if _ENDS_IN_NUMBER.search(ascii_host):
        try:
            return str(ipaddress.IPv4Address(ascii_host))
        except ValueError as error:
            raise Refused("its host is a number in disguise") from error
    return ascii_host


class AllowList:
    """Hosts that may be this company's own machines: `host` for the usual ports, `host:port` for one more port."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = set()
        for text in hosts:
            bare = text.count(":") > 1 and not text.startswith("[")  # an IPv6 address without a port
            address = parse_address(f"http://[{text}]/" if bare else f"http://{text}/")
            if address.target != "/":
                raise Refused(f"{text!r} is no host")
            self._hosts.add((address.host, address.port))

    def trusts(self, host: str, port: int) -> bool:
        """Whether this host may have an address that is not public, at this port."""
        return (host, port) in self._hosts or (port == PORTS["https"] and (host, PORTS["http"]) in self._hosts)

    def check_port(self, address: Address) -> None:
        """Raise Refused for a port that is neither the web's own nor on the list."""
        if address.port not in PORTS.values() and not self.trusts(address.host, address.port):
            raise Refused(f"port {address.port} is not on the list of allowed hosts")


def check_machine(text: str, *, trusted: bool) -> str:
    """The IP address of a machine that may be connected to; raises Refused. `trusted`: it may be the company's own.

    Even then never link-local, multicast, or where clouds keep a machine's passwords.
    """
    try:
        machine = _inner(ipaddress.ip_address(text))
    except ValueError as error:
        raise Refused("its host has no address that can be read") from error
    if machine in _METADATA or machine.is_link_local or machine.is_multicast or machine.is_unspecified:
        raise Refused("its host is an address that nothing is fetched from")
    if not trusted and not _is_public(machine):
        raise Refused("its host is an address inside a network, and not on the list of allowed hosts")
    return text


def _inner(machine: _IPV4 | _IPV6) -> _IPV4 | _IPV6:
    """The IPv4 address that an IPv6 address only wraps (mapped, NAT64, 6to4), or the address itself."""
    if isinstance(machine, _IPV4):
        return machine
    if machine in _NAT64:
        return _IPV4(int(machine) & 0xFFFFFFFF)
    return machine.ipv4_mapped or machine.sixtofour or machine


def _is_public(machine: _IPV4 | _IPV6) -> bool:
    if isinstance(machine, _IPV6) and machine not in _GLOBAL_UNICAST:
        return False
    if any(machine in network for network in _PROTOCOL_USE):
        return False
    return machine.is_global and not machine.is_private and not machine.is_reserved

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from starlette.testclient import TestClient

Site = Callable[..., TestClient]


class Addresses(HTMLParser):
    """Collects what a page links to and loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"href", "src"} and value]


def test_the_page_loads_only_what_this_server_has(site: Site) -> None:
    client = site()
    page = client.get("/docs")
    assert "//" not in page.text
    addresses = Addresses()
    addresses.feed(page.text)
    assert len(addresses.found) == 5
    for address in addresses.found:
        response = client.get(urljoin("/docs", address))
        assert response.status_code == 200
        assert response.content
        assert response.headers["x-content-type-options"] == "nosniff"


def test_the_start_script_names_no_other_host_and_asks_nobody_to_validate(site: Site) -> None:
    script = site().get("/docs/start.js").text
    assert "//" not in script
    assert "validatorUrl: null" in script


def test_the_page_may_neither_load_from_nor_send_to_another_host(site: Site) -> None:
    policy = site().get("/docs").headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert directives["connect-src"] == "'self'"
    sources = {source for value in directives.values() for source in value.split()}
    assert sources <= {"'none'", "'self'", "data:"}


def test_only_the_files_of_the_page_are_served(site: Site) -> None:
    client = site()
    for name in ("__init__.py", "..%2f__init__.py", "%2e%2e", "swagger-ui.css%00"):
        assert client.get(f"/docs/{name}").status_code == 404


def test_the_description_names_every_route_and_no_other_host(site: Site) -> None:
    description = site().get("/openapi.json")
    assert set(description.json()["paths"]) == {
        "/v1/ask",
        "/v1/search",
        "/v1/documents/{document_id}",
        "/v1/sources",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    assert not re.search(r"https?://", description.text)
    content = description.json()["paths"]["/v1/ask"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream"}


@pytest.mark.parametrize("path", ["/v1/ask", "/v1/search"])
def test_the_description_shows_faults_in_the_shape_they_have(site: Site, path: str) -> None:
    responses = site().get("/openapi.json").json()["paths"][path]["post"]["responses"]
    for status in ("401", "413", "415", "422", "503"):
        assert responses[status]["content"]["application/json"]["schema"]["$ref"].endswith("/FaultPayload")

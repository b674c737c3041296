import json
from typing import Any

import pytest
import yaml

from ingest.errors import DocumentError, EmptyDocument
from ingest.loaders import parse
from ingest.splitting import split

API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1.2", "description": "Keeps pets."},
    "servers": [{"url": "https://api.example.com/v1", "description": "live"}],
    "tags": [{"name": "pets", "description": "All about pets"}],
    "security": [{"key": []}],
    "paths": {
        "/orders": {
            "post": {
                "summary": "Order pets",
                "security": [],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"properties": {"n": {"type": "integer"}}}}},
                },
                "responses": {"201": {"description": "Ordered"}},
            }
        },
        "/pets/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {
                "tags": ["pets"],
                "operationId": "getPet",
                "summary": "Get a pet",
                "description": "Gives\n\none pet.",
                "deprecated": True,
                "parameters": [{"name": "lang", "in": "query", "schema": {"type": "string", "enum": ["en", "ja"]}}],
                "responses": {
                    "200": {
                        "description": "The pet",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                    },
                    "404": {"$ref": "#/components/responses/Gone"},
                },
            },
        },
    },
    "components": {
        "parameters": {
            "Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}, "description": "Which"}
        },
        "responses": {"Gone": {"description": "No such pet"}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        "schemas": {"Pet": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
}
GET = """GET /pets/{id}: Get a pet
Gives one pet.
Operation: getPet
Deprecated.
Authentication: key
Path parameter id (integer; required): Which
Query parameter lang (string, one of en, ja; optional)
Response 200 (Pet): The pet
Response field name (string)
Response 404: No such pet"""
POST = """POST /orders: Order pets
Authentication: none
Request body application/json (object; required)
Body field n (integer; optional)
Response 201: Ordered"""


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.json", json.dumps(API, indent=1)), ("a.json", json.dumps(API)), ("a.yaml", yaml.safe_dump(API))],
    ids=["indented", "one line", "yaml"],
)
def test_each_operation_is_one_chunk_under_its_group_and_name(name: str, data: str) -> None:
    document = parse(name, data.encode())
    assert document.title == "Pets"
    chunks = {chunk.heading: document.text[chunk.start : chunk.end] for chunk in split(document)}
    assert chunks == {
        (): "Keeps pets.\n\nAPI version: 1.2\nServer https://api.example.com/v1: live\n"
        "Authentication key: apiKey, header, X-Key",
        ("pets",): "All about pets",
        ("pets", "GET /pets/{id} Get a pet"): GET,
        ("/orders", "POST /orders Order pets"): POST,
    }


def test_keys_yaml_reads_as_numbers_are_found() -> None:
    text = parse("a.yml", yaml.safe_dump(API).replace("'404'", "404").replace("'201'", "201").encode()).text
    assert "Response 404: No such pet" in text
    assert "Response 201: Ordered" in text


def test_swagger_2_is_read() -> None:
    api = {
        "swagger": "2.0",
        "info": {"title": "Old"},
        "host": "example.com",
        "basePath": "/v1",
        "schemes": ["https"],
        "paths": {
            "/pets": {
                "post": {
                    "parameters": [
                        {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}},
                        {"name": "file", "in": "formData", "type": "file"},
                    ],
                    "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Pet"}}},
                }
            }
        },
        "definitions": {"Pet": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
    }
    text = parse("a.json", json.dumps(api).encode()).text
    assert text.startswith("Server example.com/v1 (https)\n\n# /pets\n\n## POST /pets\n\nPOST /pets\n")
    assert "Request body (Pet; required)\nBody field name (string; required)\nForm field file (file; optional)" in text
    assert text.endswith("Response 200 (Pet): ok\nResponse field name (string)")


def test_a_long_description_keeps_its_paragraphs_before_the_facts() -> None:
    long = "First paragraph. " * 40 + "\n\n- an item\n- another"
    text = parse(
        "a.json", json.dumps({"openapi": "3.0.0", "paths": {"/a": {"get": {"description": long}}}}).encode()
    ).text
    assert text.endswith("- an item\n- another\n\nGET /a")


@pytest.mark.parametrize(
    "data",
    [
        b'{"name": "swagger", "dependencies": {"swagger": "2.1"}}',
        b"kind: ConfigMap\ndata: {a: 1}\n---\nkind: Secret\n",
        b"{{ if .Values.on }}\nopen: [\n",
        b"[" * 100_000 + b" deep words",
        b"# openapi: 3\nnot: {{ valid\n",
    ],
    ids=range(5),
)
def test_what_is_no_api_description_is_kept_as_it_is(data: bytes) -> None:
    assert parse("a.json", data).text == data.decode()


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(API).encode()[:900],
        b"openapi: 3.0.0\npaths: {a: [\n",
        b"openapi: 3.0.0\npaths: !!python/object/apply:os.system [ls]\n",
        b"openapi: 3.0.0\nn: 2024-13-45\n",
        b'{"openapi": "3.0.0", "n": ' + b"9" * 5000 + b"}",
    ],
    ids=range(5),
)
def test_a_description_with_a_mistake_is_refused_with_its_place(data: bytes) -> None:
    with pytest.raises(DocumentError, match="mistake in the API description"):
        parse("a.yaml", data)


@pytest.mark.parametrize(
    "data", [b'{"openapi": "3.0.0", "paths": ' + b'{"a":' * 100_000, b"openapi: 3.0.0\nx: " + b"[" * 999]
)
def test_deep_nesting_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match="nested in each other"):
        parse("a.yaml", data)


def test_schemas_of_many_layers_are_read() -> None:
    schema: dict[str, Any] = {}
    for _ in range(300):
        schema = {"allOf": [schema]}
    body = {"content": {"application/json": {"schema": schema}}}
    data = json.dumps({"openapi": "3.0.0", "paths": {"/a": {"post": {"requestBody": body}}}}).encode()
    assert "POST /a" in parse("a.json", data).text


@pytest.mark.parametrize("link", ["[%s]", "{<<: [%s]}"], ids=["lists", "merges"])
def test_a_bomb_of_aliases_is_refused(link: str) -> None:
    bomb = "".join(f"a{i}: &a{i} {link % ', '.join([f'*a{i - 1}'] * 10)}\n" for i in range(1, 12))
    with pytest.raises(DocumentError, match="stands for more than"):
        parse("a.yaml", ("openapi: 3.0.0\na0: &a0 {x: 1}\n" + bomb).encode())


def test_an_alias_of_itself_is_refused_and_an_honest_one_followed() -> None:
    with pytest.raises(DocumentError, match="stands for itself"):
        parse("a.yaml", b"openapi: 3.0.0\npaths: &a [*a]\n")
    data = b"openapi: 3.0.0\nx: &x {summary: Shared}\npaths: {/a: {get: *x}, /b: {get: {<<: *x, operationId: b}}}\n"
    text = parse("a.yaml", data).text
    assert "GET /a: Shared" in text
    assert "GET /b: Shared\nOperation: b" in text


@pytest.mark.parametrize("odd", [None, 5, "text", [1, None], {"get": 5}, {"get": {"parameters": 5, "tags": [{}]}}])
def test_values_of_a_wrong_kind_are_passed_over(odd: Any) -> None:
    api = {**API, "tags": odd, "servers": odd, "security": odd, "paths": {"/odd": odd, "/fine": {"get": {}}}}
    assert "GET /fine" in parse("a.json", json.dumps(api).encode()).text


def test_nothing_is_fetched_and_a_description_of_nothing_is_empty() -> None:
    away = {
        "get": {"parameters": [{"$ref": "https://example.com/p.yaml#/Limit"}], "responses": {"200": {"$ref": "r.yaml"}}}
    }
    text = parse("a.json", json.dumps({"openapi": "3.0.0", "paths": {"/a": away}}).encode()).text
    assert "Parameter https://example.com/p.yaml#/Limit" in text
    assert "Response 200: r.yaml" in text
    with pytest.raises(EmptyDocument):
        parse("a.json", b'{"openapi": "3.0.0"}')

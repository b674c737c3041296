"""OpenAPI and Swagger descriptions into a `Document`: a section for each operation. Any other JSON or YAML is text.

An operation is written as one paragraph of lines (method and path, summary, parameters, body, responses), so that it
is one chunk unless it is longer than a passage; its heading names it again, and each line says what it speaks of.
References inside the file are followed; those to other files are only named, nothing is fetched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ingest.decoding import decode
from ingest.errors import DocumentError
from ingest.loaders import text as plain_text
from ingest.loaders.schemas import Schemas, mapping, said, sequence
from ingest.loaders.writer import Writer, one_line, visible
from retrieval.documents import Document
from retrieval.language import language

_DECLARED = re.compile(
    r"^(?:openapi|swagger)[ \t]*:[ \t]*[\"']?[23]|[\"'](?:openapi|swagger)[\"'][ \t]*:[ \t]*[\"']?[23]", re.MULTILINE
)
"""What a description says of itself; files without it are not parsed at all."""
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PLACES = {"query": "Query parameter", "path": "Path parameter", "header": "Header", "cookie": "Cookie"}

_NODE_LIMIT = 1_000_000
"""Values in a YAML file, each alias counted as all it stands for: a bomb of aliases has billions."""
_DEPTH_LIMIT = 100
"""Values inside each other; a description needs some thirty, and YAML's parser goes down them by calls."""
_DESCRIPTION_LENGTH = 600
"""Characters of a description that stand in its operation's paragraph; a longer one has paragraphs of its own."""


def load(stem: str, data: bytes) -> Document:
    """Parse a .json, .yaml or .yml file. Title: that of the description, else `stem`."""
    source = decode(data)
    try:
        api = mapping(_parsed(source)) if _DECLARED.search(source) else {}
        if "openapi" in api or "swagger" in api:
            return _document(stem, api)
    except RecursionError as error:
        raise DocumentError("Too many things are nested in each other in it: export the description anew.") from error
    return plain_text.load(stem, data)


def _document(stem: str, api: dict[str, Any]) -> Document:
    writer = Writer()
    for block in _about(api):
        writer.block(block)
    tags = {said(tag.get("name")): said(tag.get("description")) for tag in map(mapping, sequence(api.get("tags")))}
    groups: dict[str, list[tuple[str, list[str]]]] = {tag: [] for tag in tags}
    for group, heading, blocks in _operations(api):
        groups.setdefault(group, []).append((heading, blocks))
    for group, operations in groups.items():
        if operations:
            writer.heading(1, group)
            writer.block(tags.get(group, ""))
        for heading, blocks in operations:
            writer.heading(2, heading)
            for block in blocks:
                writer.block(block)
    text, marks = writer.finish()
    return Document(said(mapping(api.get("info")).get("title")) or stem, text, language(text), marks)


def _parsed(source: str) -> Any:
    try:
        return json.loads(source) if source.lstrip().startswith("{") else _yaml(source)
    except ValueError as error:
        raise DocumentError(f"There is a mistake in the API description ({one_line(str(error))}): mend it.") from error


def _yaml(source: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_size(yaml.parse(source, Loader=loader))
        return yaml.load(source, Loader=loader)  # noqa: S506 - a safe loader, in C where there is one
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _check_size(events: Iterator[Any]) -> None:
    """Refuse nesting and aliases that are harmless as events, and would not be as values."""
    sizes: dict[str, int] = {}
    open_values: list[tuple[str | None, int]] = [(None, 0)]  # the anchor and the size so far, outermost first
    for event in events:
        kind = type(event).__name__
        size = 1
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            open_values.append((event.anchor, 1))
            if len(open_values) > _DEPTH_LIMIT:
                raise DocumentError(f"More than {_DEPTH_LIMIT} things are nested in each other in it: flatten it.")
            continue
        if kind == "AliasEvent":
            if event.anchor not in sizes:  # unknown, or still open: the value would hold itself
                raise DocumentError(f"The alias *{one_line(event.anchor)} in it stands for itself or nothing: mend it.")
            size = sizes[event.anchor]
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            anchor, size = open_values.pop()
            if anchor:
                sizes[anchor] = size
        elif kind != "ScalarEvent":
            continue
        elif event.anchor:
            sizes[event.anchor] = 1
        anchor, sum_before = open_values[-1]
        open_values[-1] = (anchor, sum_before + size)
        if sum_before + size > _NODE_LIMIT:
            raise DocumentError(f"It stands for more than {_NODE_LIMIT:,} values: split it into several files.")


def _about(api: dict[str, Any]) -> Iterator[str]:
    """What is said of the whole interface."""
    info = mapping(api.get("info"))
    yield _prose(info.get("description"))
    facts = [f"API version: {version}" for version in [said(info.get("version"))] if version]
    for server in map(mapping, sequence(api.get("servers"))):
        facts.append(": ".join(filter(None, ("Server " + said(server.get("url")), said(server.get("description"))))))
    if host := said(api.get("host")):
        schemes = ", ".join(filter(None, map(said, sequence(api.get("schemes")))))
        facts.append(f"Server {host}{said(api.get('basePath'))}" + (f" ({schemes})" if schemes else ""))
    schemes_of = mapping(mapping(api.get("components")).get("securitySchemes")) or api.get("securityDefinitions")
    for name, scheme in mapping(schemes_of).items():
        parts = [said(mapping(scheme).get(key)) for key in ("type", "scheme", "in", "name", "description")]
        facts.append(f"Authentication {name}: " + ", ".join(filter(None, parts)))
    yield "\n".join(facts)


def _operations(api: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Group, heading and blocks of each operation."""
    schemas = Schemas(api)
    for kind in ("paths", "webhooks"):
        for path, item in mapping(api.get(kind)).items():
            methods, _ = schemas.resolved(item)
            for method in _METHODS:
                if method not in methods:
                    continue
                operation, _ = schemas.resolved(methods[method])
                tag = said(next(iter(sequence(operation.get("tags"))), None))
                group = tag or ("/" + path.strip("/").split("/")[0] if kind == "paths" else "Webhooks")
                name = f"{method.upper()} {one_line(path)}"
                shared = sequence(methods.get("parameters"))
                blocks = list(_blocks(schemas, api, name, operation, shared))
                yield group, f"{name} {said(operation.get('summary'))}".strip(), blocks


def _blocks(
    schemas: Schemas, api: dict[str, Any], name: str, operation: dict[str, Any], shared: list[Any]
) -> Iterator[str]:
    description = _prose(operation.get("description"))
    short = one_line(description) if len(description) <= _DESCRIPTION_LENGTH else ""
    summary = said(operation.get("summary"))
    facts = [f"{name}: {summary}" if summary else name, short if short != summary else ""]
    if identity := said(operation.get("operationId")):
        facts.append(f"Operation: {identity}")
    if operation.get("deprecated") is True:
        facts.append("Deprecated.")
    facts.extend(_security(operation.get("security", api.get("security"))))
    facts.extend(_parameters(schemas, shared, sequence(operation.get("parameters"))))
    facts.extend(_body(schemas, operation.get("requestBody")))
    facts.extend(_responses(schemas, mapping(operation.get("responses"))))
    if not short:
        yield description
    yield "\n".join(filter(None, facts))


def _prose(value: Any) -> str:
    return visible(value).strip() if isinstance(value, str) else ""


def _security(requirements: Any) -> Iterator[str]:
    if requirements == []:
        yield "Authentication: none"
    ways = []
    for requirement in map(mapping, sequence(requirements)):
        names = []
        for name, scopes in requirement.items():
            scope = ", ".join(filter(None, map(said, sequence(scopes))))
            names.append(f"{name} ({scope})" if scope else name)
        ways.append(" and ".join(names) or "none")
    if ways:
        yield "Authentication: " + " or ".join(ways)


def _parameters(schemas: Schemas, shared: list[Any], own: list[Any]) -> Iterator[str]:
    """Lines of the path's parameters and the operation's own, which win where they have the same name and place."""
    parameters: dict[tuple[str, str], dict[str, Any]] = {}
    for node in [*shared, *own]:
        parameter, _ = schemas.resolved(node)
        if not parameter:
            parameter = {"name": said(mapping(node).get("$ref")), "in": "elsewhere"}
        parameters[said(parameter.get("name")), said(parameter.get("in"))] = parameter
    for (name, place), parameter in parameters.items():
        required = parameter.get("required") is True
        description = said(parameter.get("description"))
        schema = next(iter(_schemas_of(parameter)), parameter)
        if place == "body":  # Swagger 2
            yield schemas.line("Request body", schema, required=required, description=description)
            yield from (f"Body field {line}" for line in schemas.fields(schema, given=True))
        else:
            what = "Form field" if place == "formData" else _PLACES.get(place, "Parameter")
            yield schemas.line(f"{what} {name}", schema, required=required, description=description)


def _body(schemas: Schemas, node: Any) -> Iterator[str]:
    body, _ = schemas.resolved(node)
    for schema in _schemas_of(body)[:1]:
        what = f"Request body {', '.join(mapping(body.get('content')))}"
        required = body.get("required") is True
        yield schemas.line(what, schema, required=required, description=said(body.get("description")))
        yield from (f"Body field {line}" for line in schemas.fields(schema, given=True))


def _responses(schemas: Schemas, responses: dict[str, Any]) -> Iterator[str]:
    for status, node in responses.items():
        response, _ = schemas.resolved(node)
        found = _schemas_of(response)[:1]
        kind = schemas.kind(found[0]) if found else ""
        text = said(response.get("description")) or said(mapping(node).get("$ref"))
        yield f"Response {status}{f' ({kind})' if kind else ''}: {text}".rstrip(": ")
        if found and status[:1] in ("2", "d"):  # what went well; faults look alike everywhere
            yield from (f"Response field {line}" for line in schemas.fields(found[0], given=False))


def _schemas_of(node: dict[str, Any]) -> list[Any]:
    """The schemas of a body: of its media types, that of JSON first; the one it has itself (Swagger 2)."""
    media = mapping(node.get("content"))
    ordered = sorted(media, key=lambda name: "json" not in name)
    return [
        schema for holder in (*map(media.get, ordered), node) if (schema := mapping(holder).get("schema")) is not None
    ]

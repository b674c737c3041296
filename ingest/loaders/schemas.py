"""JSON Schema, as API descriptions use it, in lines for people: one for each field, with its type and whether required.

References inside the file are followed once on each way down; a schema that holds itself is named the second time.
What is written for one schema is limited, and says so. Knows nothing of operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from ingest.loaders.writer import one_line

_FIELD_LIMIT = 150
"""Fields written of one schema; a form of more is looked up by the names of its parts."""
_VISIT_LIMIT = 5_000
"""Schemas looked into for one description; schemas made of each other over and over have millions."""
_DEPTH_LIMIT = 4
"""Fields inside each other that are written; whole objects of the data model come below."""
_KIND_DEPTH = 2
"""Kinds inside each other that are named: `array of map of Pet`."""
_REFERENCE_LIMIT = 50
"""References followed on one way down."""
_CHOICES = 20
"""Values named of a choice."""
_VARIANTS = 8
"""Kinds named of a choice of schemas."""


def said(value: Any) -> str:
    """A value of the file in one line; "" for what is no text, number or truth."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or isinstance(value, dict | list) else one_line(str(value))


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is a mapping, with keys as text (YAML reads `200:` as a number); else an empty one."""
    return {said(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


class Schemas:
    """The schemas of one file, `root` being all of it."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._visits = 0

    def resolved(self, node: Any, trail: tuple[str, ...] = ()) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What a reference leads to (empty if nowhere in this file, or to one of `trail`), and the references taken."""
        found = mapping(node)
        while isinstance(reference := found.get("$ref"), str):
            if reference in trail or len(trail) == _REFERENCE_LIMIT or not reference.startswith("#"):
                return {}, trail
            trail = (*trail, reference)
            found = {**mapping(self._at(reference)), **{key: found[key] for key in found if key != "$ref"}}
        return found, trail

    def kind(self, node: Any, depth: int = 0) -> str:
        """The type of a schema in words: `array of Pet`, `string date-time`, `string, one of a, b`."""
        schema, _ = self.resolved(node)
        name = said(mapping(node).get("$ref")).rpartition("/")[2]
        if depth > _KIND_DEPTH:
            return name
        types = [said(kind) for kind in sequence(schema.get("type"))] or [said(schema.get("type"))]
        variants = sequence(schema.get("oneOf")) or sequence(schema.get("anyOf"))
        if "array" in types or "items" in schema:
            text = f"array of {self.kind(schema.get('items'), depth + 1) or 'anything'}"
        elif variants and not schema.get("properties"):
            kinds = dict.fromkeys(self.kind(variant, depth + 1) for variant in variants[:_VARIANTS])
            text = " or ".join(filter(None, kinds)) or name
        elif name and ("object" in types or types == [""]):
            text = name
        else:
            text = " or ".join(filter(None, types))
            if of := self.kind(schema.get("additionalProperties"), depth + 1):
                text = f"map of {of}"
            text = " ".join(filter(None, (text, said(schema.get("format")))))
            text = text or ("object" if "properties" in schema or "allOf" in schema else "")
        values = [shown for value in sequence(schema.get("enum")) if (shown := said(value))]
        if values:
            more = ", ..." if len(values) > _CHOICES else ""
            text = ", ".join(filter(None, (text, "one of " + ", ".join(values[:_CHOICES]) + more)))
        default = said(schema.get("default"))
        return f"{text}, default {default}".removeprefix(", ") if default else text

    def line(self, path: str, node: Any, *, required: bool | None, description: str = "") -> str:
        """`path (type; required): description`; the schema's own description where none is given.

        `required` None: nobody has to give it.
        """
        need = "" if required is None else "required" if required else "optional"
        kind = "; ".join(filter(None, (self.kind(node), need)))
        text = description or said(self.resolved(node)[0].get("description"))
        return path + (f" ({kind})" if kind else "") + (f": {text}" if text else "")

    def fields(self, node: Any, *, given: bool) -> Iterator[str]:
        """A line for each field of a schema, those inside it with dots, items of a list with `[]`.

        `given`: whoever asks has to give them, so that it matters which are required.
        """
        self._visits = _VISIT_LIMIT
        for number, (path, field, required) in enumerate(self._fields(node, "", 0, ())):
            if number == _FIELD_LIMIT:
                yield "and more fields"
                return
            yield self.line(path, field, required=required if given else None)

    def _fields(self, node: Any, above: str, depth: int, trail: tuple[str, ...]) -> Iterator[tuple[str, Any, bool]]:
        """Path and schema of each field, and whether it is required."""
        schema, trail = self.resolved(node, trail)
        for _ in range(_DEPTH_LIMIT):
            if "items" not in schema:
                break
            above += "[]"
            schema, trail = self.resolved(schema["items"], trail)
        properties, required, trail = self._object(schema, trail)
        for name, child in properties.items():
            path = f"{above}.{name}" if above else name
            yield path, child, name in required
            if depth < _DEPTH_LIMIT:
                yield from self._fields(child, path, depth + 1, trail)

    def _object(self, node: Any, trail: tuple[str, ...]) -> tuple[dict[str, Any], set[str], tuple[str, ...]]:
        """Properties of a schema and of those it is made of, the names of the required ones, the references taken."""
        schema, trail = self.resolved(node, trail)
        properties = mapping(schema.get("properties"))
        required = {said(name) for name in sequence(schema.get("required"))}
        for way in ("allOf", "oneOf", "anyOf"):
            for part in sequence(schema.get(way)):
                self._visits -= 1
                if self._visits < 0:
                    return properties, required, trail
                more, needed, taken = self._object(part, trail)
                trail = (*trail, *(reference for reference in taken if reference not in trail))
                properties = {**more, **properties}
                required |= needed if way == "allOf" else set()
        return properties, required, trail

    def _at(self, reference: str) -> Any:
        """What stands at a JSON pointer (RFC 6901); None if nothing does."""
        found = self._root
        for part in unquote(reference.removeprefix("#")).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(int(key) if key not in found and key.isdecimal() else key)
            elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                return None
        return found

from typing import Any

import pytest

from ingest.loaders.schemas import Schemas

PET = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "description": "What it\n answers to"},
        "friends": {"type": "array", "items": {"$ref": "#/defs/Pet"}},
        "home": {"$ref": "#/defs/Home"},
    },
}
HOME = {
    "properties": {"city": {"type": ["string", "null"]}, "pets": {"type": "array", "items": {"$ref": "#/defs/Pet"}}}
}
ROOT = {"defs": {"Pet": PET, "Home": HOME, "Size": {"enum": ["s", 2], "default": "s"}, "a/b~c": {"type": "integer"}}}


def fields(schema: Any, root: Any = None, *, given: bool = True) -> list[str]:
    return list(Schemas(root or ROOT).fields(schema, given=given))


def test_each_field_has_its_type_and_whether_it_is_required() -> None:
    assert fields({"$ref": "#/defs/Pet"}) == [
        "name (string; required): What it answers to",
        "friends (array of Pet; optional)",
        "home (Home; optional)",
        "home.city (string or null; optional)",
        "home.pets (array of Pet; optional)",
    ]
    assert fields({"type": "array", "items": {"$ref": "#/defs/Home"}}, given=False)[0] == "[].city (string or null)"


def test_what_a_schema_is_made_of_is_put_together() -> None:
    extra = {"required": ["id"], "properties": {"id": {"type": "integer"}}}
    made = fields({"allOf": [{"$ref": "#/defs/Home"}, extra]})
    assert made[0] == "id (integer; required)"
    assert "city (string or null; optional)" in made
    assert fields({"oneOf": [extra, {"properties": {"name": {"type": "string"}}}]}) == [
        "name (string; optional)",
        "id (integer; optional)",
    ]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"$ref": "#/defs/Size"}, "Size, one of s, 2, default s"),
        ({"$ref": "#/defs/a~1b~0c"}, "integer"),
        ({"type": "string", "format": "date"}, "string date"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "map of integer"),
        ({"anyOf": [{"$ref": "#/defs/Pet"}, {"type": "null"}]}, "Pet or null"),
        ({"allOf": []}, "object"),
        ({"$ref": "other.yaml#/Owner"}, "Owner"),
        ({"$ref": "#/defs/Gone"}, "Gone"),
        ({"$ref": "https://example.com/pet.json"}, "pet.json"),
        ({"enum": list(range(30))}, "one of " + ", ".join(map(str, range(20))) + ", ..."),
        (True, ""),
        (None, ""),
        ({"type": 5, "enum": "no list", "items": 7}, "array of anything"),
    ],
)
def test_kinds_in_words(schema: Any, kind: str) -> None:
    assert Schemas(ROOT).kind(schema) == kind


def test_references_in_circles_end() -> None:
    root = {"A": {"$ref": "#/B"}, "B": {"$ref": "#/A"}, "C": {"allOf": [{"$ref": "#/C"}], "properties": {"x": {}}}}
    assert fields({"$ref": "#/A"}, root) == []
    assert fields({"$ref": "#/C"}, root) == ["x (optional)"]
    assert Schemas(root).kind({"$ref": "#/A"}) == "A"


def test_schemas_made_of_each_other_over_and_over_are_cut_off() -> None:
    bomb = {str(i): {"allOf": [{"$ref": f"#/{i + 1}"}] * 10} for i in range(40)}
    assert fields({"$ref": "#/0"}, {**bomb, "40": {"properties": {"x": {}}}}) in ([], ["x (optional)"])
    chain = {str(i): {"allOf": [{"$ref": f"#/{i + 1}"}]} for i in range(5000)}
    assert fields({"$ref": "#/0"}, chain) == []
    wide: dict[str, Any] = {"type": "string"}
    for _ in range(30):
        wide = {"oneOf": [wide] * 50}
    assert not Schemas({}).kind(wide)


def test_of_many_fields_it_is_said_that_there_are_more() -> None:
    written = fields({"properties": {f"f{i}": {} for i in range(1000)}})
    assert len(written) < 200
    assert written[-1] == "and more fields"

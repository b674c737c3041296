import pytest

from ingest.loaders import parse
from ingest.splitting import PASSAGE, split

PYTHON = '''import os

# Keeps rooms.
@dataclass
class Room:
    size: int

    # How many fit.
    @property
    def seats(self) -> int:
        return self.size // 2


async def book(room):
    """Book it."""
    return room
'''


def sections(name: str, source: str) -> list[tuple[int, str]]:
    document = parse(name, source.encode())
    return [(chunk.line, " › ".join(chunk.heading)) for chunk in split(document)]


def test_definitions_are_sections_with_what_stands_above_them() -> None:
    document = parse("dir/rooms.py", PYTHON.encode())
    assert (document.title, document.text) == ("rooms.py", PYTHON)
    assert sections("rooms.py", PYTHON) == [(1, ""), (3, "Room"), (8, "Room › seats"), (14, "book")]


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        (
            "a.js",
            "// a\nclass A {\n  m() {}\n}\nconst f = () => 1;\nexport function g() {}\n",
            ["A", "A › m", "f", "g"],
        ),
        (
            "a.tsx",
            "namespace N {\n  export function q() {}\n}\nexport interface I { x: string }\n",
            ["N", "N › q", "I"],
        ),
        ("a.go", "package a\n\nfunc (s *Server) Run() {}\n\ntype T struct{}\n", ["", "Server › Run", "T"]),
        (
            "a.rs",
            "#[test]\nfn a() {}\nimpl<T> Show for S<T> {\n  fn b(&self) {}\n}\n",
            ["a", "Show for S<T>", "Show for S<T> › b"],
        ),
        ("A.java", "class A {\n  int x;\n  void f() {}\n  void f(int a) {}\n}\n", ["A", "A › f", "A › f"]),
        ("a.c", "#ifdef X\nstatic int *f(int a)\n{ return 0; }\n#endif\nstruct s { int a; };\n", ["", "f", "", "s"]),
        (
            "a.cpp",
            "namespace n {\nclass C {\n  int f() { return 1; }\n};\nint C::g() { return 2; }\n}\n",
            ["n", "n › C", "n › C › f", "n › C › g"],
        ),
        ("a.cs", "namespace N {\n  class C {\n    public void M() {}\n  }\n}\n", ["N", "N › C", "N › C › M"]),
        ("a.rb", "module A\n  class B\n    def f; end\n  end\nend\n", ["A", "A › B", "A › B › f", "A › B", "A"]),
        ("a.sh", "#!/bin/sh\n\n# says hello\nhello() {\n  echo hi\n}\n", ["", "hello"]),
        (
            "a.sql",
            '-- people\nCREATE TABLE IF NOT EXISTS "people" (id int);\n\ncreate or replace view v as select 1;\n',
            ["people", "v"],
        ),
        ("a.kt", "fun main() {\n  println(1)\n}\n", [""]),
    ],
)
def test_each_language_has_its_definitions(name: str, source: str, expected: list[str]) -> None:
    assert [heading for _, heading in sections(name, source)] == expected


def test_a_function_is_one_chunk_up_to_three_passages() -> None:
    long = "def f():\n" + "    call('- x', '| y |')\n\n" * (5 * PASSAGE // 2 // 26)
    chunks = split(parse("a.py", (long + "\ndef g():\n    return 1\n").encode()))
    assert [chunk.heading for chunk in chunks] == [("f",), ("g",)]
    assert chunks[0].end - chunks[0].start > 2 * PASSAGE


def test_broken_code_is_read_with_what_can_be_told() -> None:
    assert "good" in [heading for _, heading in sections("a.py", "def good():\n    pass\n\ndef bad(:\n  class\n")]
    assert parse("a.js", b"class { broken (((").text == "class { broken ((("


def test_hidden_characters_are_not_kept() -> None:
    assert parse("a.py", "x = 1  # \u202eevil\u200b\n".encode()).text == "x = 1  # evil\n"


@pytest.mark.parametrize(
    "source",
    [
        "(" * 100_000 + "x",
        "class A {" * 20_000,
        "x = 1; " * 300_000,
        "def f(a):\n    return a\n" * 5_000,
        "`\"'a" * 50_000,
    ],
)
@pytest.mark.parametrize("name", ["a.py", "a.js", "a.cpp"])
def test_odd_code_is_read(name: str, source: str) -> None:
    assert parse(name, source.encode()).text == source

"""A suite: questions with what is expected of their answers, in a YAML list or in JSON lines. Knows no assistant.

YAML is read without its types: `180`, `2026-04-01` and `no` are the strings that stand there, as accepted strings should be.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bot.evaluation.errors import SuiteError

MOST_BYTES = 32 * 2**20
"""A suite is read whole; tens of thousands of cases are far below this."""
JSONL, YAML = frozenset({".jsonl", ".ndjson"}), frozenset({".yaml", ".yml"})
_ID_DIGITS = 10
"""Hexadecimal digits of the id of a case that names none: suites of thousands stay without a clash."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed)]
"""A list; of one string, the string alone will do."""


class Case(BaseModel):
    """A question and what is expected. What a case does not say is not scored."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    id: str = Field("", max_length=200, description="Names the case in reports; default: made of question and groups.")
    question: Text
    follows: Texts = Field((), description="Earlier questions of the same conversation, asked before this one.")
    accepted: Texts = Field((), description="Strings any one of which the answer must hold.")
    reference: str = Field("", description="A good answer, for the judge.")
    source: Texts = Field((), description="Documents that hold the answer: the end of the address, or the title.")
    must_refuse: bool = Field(False, description="The documents do not hold the answer, or not for this person.")
    tags: Texts = ()
    language: Literal["", "en", "ja"] = Field("", description="Of the answer; default: that of the question.")
    groups: Texts = Field((), description="The groups of whoever asks, besides `all`; default: those of the run.")

    @model_validator(mode="after")
    def _agrees(self) -> Case:
        if self.must_refuse and (self.accepted or self.reference or self.source):
            raise ValueError("a case that must be refused has no accepted strings, no reference and no source")
        return self

    @property
    def asked(self) -> tuple[str, frozenset[str], tuple[str, ...]]:
        """What is asked, whatever is expected: the question, by these groups, after these questions."""
        return self.question, frozenset(self.groups), self.follows

    def named(self) -> Case:
        """The case with an id."""
        if self.id:
            return self
        told = json.dumps([self.question, sorted(self.groups), *self.follows], ensure_ascii=False)
        return self.model_copy(update={"id": sha256(told.encode()).hexdigest()[:_ID_DIGITS]})


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases, each with an id of its own."""

    name: str
    cases: tuple[Case, ...]

    @property
    def sha256(self) -> str:
        """Of what the cases say, in their order: comments and layout of the file do not count."""
        return sha256("\n".join(_told(case) for case in self.cases).encode()).hexdigest()


def _told(case: Case) -> str:
    """What a case says; one that follows nothing says it as before there were conversations, so that runs compare."""
    return case.model_dump_json(exclude=None if case.follows else {"follows"})


def load(path: Path) -> Suite:
    """Read a suite. Raises SuiteError, which names the file and the line of what is wrong."""
    return Suite(path.stem, _cases(path, _read(path)))


def add_cases(path: Path, cases: Sequence[Case]) -> tuple[Case, ...]:
    """Add cases at the end of a suite, and return those that it did not ask yet, of the same groups or under the same id.

    Comments and the rest of the file stay; a file that is not there is begun. It is whole at every moment, and whoever else
    adds to it waits. Raises SuiteError if it is no suite, or a YAML file to whose end no case can be written (a list in
    brackets).
    """
    with _alone(path.resolve().parent):
        text = _read(path) if path.exists() else ""
        before = _cases(path, text) if text.strip() else ()
        ids, asked = {one.id for one in before}, {one.asked for one in before}
        added: list[Case] = []
        for case in (one.named() for one in cases):
            if case.id not in ids and case.asked not in asked:
                added.append(case)
                ids.add(case.id)
                asked.add(case.asked)
        if added:
            whole = text + ("" if not text or text.endswith("\n") else "\n")
            whole += "".join(_written(path, case, text) for case in added)
            if not _holds(path, whole, (*before, *added)):
                raise SuiteError(
                    f"{path} takes no case at its end: write its cases as a list of lines that begin with `- `."
                )
            _replace(path, whole)
    return tuple(added)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else adds to a suite in this folder meanwhile. The lock is the folder's own, so that no file is left behind."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SuiteError(f"{folder} is no folder that a suite can be in ({error.strerror}): check the path.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _holds(path: Path, text: str, cases: tuple[Case, ...]) -> bool:
    try:
        return _cases(path, text) == cases
    except SuiteError:
        return False


def _written(path: Path, case: Case, text: str) -> str:
    said = case.model_dump(mode="json", exclude_defaults=True)
    if _kind(path) == "jsonl":
        return json.dumps(said, ensure_ascii=False) + "\n"
    import yaml

    indent = found[1] if (found := re.search(r"^( *)- ", text, re.MULTILINE)) else ""
    block = yaml.safe_dump([said], allow_unicode=True, sort_keys=False, width=120)
    return "".join(f"{indent}{line}" for line in block.splitlines(keepends=True))


def _replace(path: Path, text: str) -> None:
    path = path.resolve()  # a link stays one
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            Path(unfinished).chmod(mode)
            Path(unfinished).replace(path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SuiteError(f"{path} cannot be written ({error.strerror}): check its folder and permissions.") from error


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise SuiteError(f"{path} is larger than {MOST_BYTES // 2**20} MiB: divide it into several suites.")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise SuiteError(f"{path} cannot be read ({error.strerror}): check the path.") from error
    except UnicodeDecodeError:
        raise SuiteError(f"{path} is not UTF-8 text: save it as UTF-8.") from None


def _kind(path: Path) -> Literal["jsonl", "yaml"]:
    if path.suffix.lower() in JSONL:
        return "jsonl"
    if path.suffix.lower() in YAML:
        return "yaml"
    raise SuiteError(f"{path} is no suite by its name: call it .yaml, or .jsonl for a JSON object a line.")


def _cases(path: Path, text: str) -> tuple[Case, ...]:
    """The cases of a suite's text, with ids, each of which stands once."""
    items = _json_lines(path, text) if _kind(path) == "jsonl" else _yaml_items(path, text)
    cases: list[Case] = []
    seen: dict[str, int] = {}
    for number, (line, value) in enumerate(items, 1):
        case = _case(path, line, number, value)
        if (first := seen.setdefault(case.id, line)) != line:
            raise SuiteError(
                f"{path}: line {line} (case {number}): the id {case.id!r} is that of line {first}, too: give the case an id"
                " of its own, or remove it."
            )
        cases.append(case)
    if not cases:
        raise SuiteError(f"{path} has no cases: write at least one with a `question`.")
    return tuple(cases)


def _case(path: Path, line: int, number: int, value: Any) -> Case:
    try:
        return Case.model_validate(value).named()
    except ValidationError as error:
        raise SuiteError(f"{path}: line {line} (case {number}): {_reason(error)}.") from None


def _reason(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    match first["type"]:
        case "extra_forbidden":
            message = f"a case has no such key; those there are: {', '.join(Case.model_fields)}"
        case "missing":
            message = "it is missing"
        case "model_type":
            message = "a case is a mapping with a `question`"
        case _:
            message = message[0].lower() + message[1:]
    return f"{key}: {message}" if key else message


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line, object_pairs_hook=_once)
            except (ValueError, RecursionError) as error:
                raise SuiteError(f"{path}: line {number} is no JSON object ({_first_line(error)}): mend it.") from None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    once: dict[str, Any] = {}
    for key, value in pairs:
        if key in once:
            raise ValueError(f"{key!r} is given twice")
        once[key] = value
    return once


def _yaml_items(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    import yaml

    try:
        loader = yaml.BaseLoader(text)
        root = loader.get_single_node()
        if root is None:
            return
        if not isinstance(root, yaml.SequenceNode):
            raise SuiteError(f"{path} is no list: begin each case with `- question: `.")
        for item in root.value:
            line = item.start_mark.line + 1
            if isinstance(item, yaml.MappingNode):
                try:
                    _once([(str(key.value), None) for key, _ in item.value])
                except ValueError as error:
                    raise SuiteError(f"{path}: line {line}: {error}: keep one of them.") from None
            yield line, loader.construct_document(item)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "it"
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "what stands there"
        raise SuiteError(f"{path}: {where} is not valid YAML ({_first_line(problem)}): mend it.") from None
    except RecursionError:
        raise SuiteError(f"{path} nests things too deeply in each other: write a plain list of cases.") from None


def _first_line(said: object) -> str:
    return str(said).split("\n", 1)[0]

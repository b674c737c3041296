"""Prompts as files with versions: those that Kura ships, and a company's own that win over them. Knows no model.

A file is front matter (`name`, `version`, `purpose`, a line each between two lines of `---`) and the text of a prompt. A
placeholder such as `{{not_there}}` stands for a constant of ours and never for what people or documents say, so that there
is no format string for them to reach.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from bot.errors import SettingsError
from bot.prompting import NOT_THERE, SystemPrompt

SHIPPED = Path(__file__).parent / "prompts"
ANSWER: Final = "answer"
"""The name of the generate style's prompt."""
REWRITE: Final = "rewrite"
"""The name of the prompt by which a model makes a question stand alone."""
VALUES: Mapping[str, str] = {"not_there": NOT_THERE}
"""What each placeholder stands for."""
MOST_CHARACTERS = 8_000
"""Of a prompt: some 2,000 tokens of English. What is longer leaves a small model no room for passages."""
FINGERPRINT = 8
"""Hexadecimal digits of a text's SHA-256 in its version: enough to tell the drafts of one prompt apart."""

_KEYS = ("name", "version", "purpose")
_FENCE = "---"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt as its file says it. `source` is the whole file, `text` what the model reads, `placeholders` were in it."""

    path: Path
    name: str
    number: str
    """The version that its writer gave it."""
    purpose: str
    source: str
    text: str
    placeholders: frozenset[str]

    @property
    def version(self) -> str:
        """`name@version+hash`, for traces: the hash tells an edited text from another under the same version."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()[:FINGERPRINT]
        return f"{self.name}@{self.number}+{digest}"

    @property
    def system(self) -> SystemPrompt:
        """The system message, with its version."""
        return SystemPrompt(self.version, self.text)


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, PromptFile]:
    """Kura's own prompts, by name."""
    return {path.stem: _parse(path, read_source(path)) for path in sorted(SHIPPED.glob("*.md"))}


def load_prompts(folder: Path | None) -> Mapping[str, PromptFile]:
    """The prompts in force, by name: the files of `folder` win over the shipped ones of the same name.

    Raises SettingsError, one sentence naming file and line, for a folder that cannot be read and a file that is no prompt.
    """
    if folder is None:
        return shipped()
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".md")
    except OSError as error:
        raise SettingsError(
            f"answer.prompts: the folder {folder} cannot be read ({error.strerror}): check the path."
        ) from error
    own = {}
    for path in paths:
        if path.stem not in shipped():
            near = difflib.get_close_matches(path.stem, shipped(), n=1)
            hint = f"did you mean {near[0]}.md?" if near else "keep notes and drafts in another folder."
            raise SettingsError(f"{path}: Kura has no prompt named {path.stem}; {hint}")
        own[path.stem] = read_prompt(path)
        if own[path.stem].name != path.stem:
            raise SettingsError(f"{path}, line 2: the name must be {path.stem}, as the file's.")
    return {**shipped(), **own}


def read_prompt(path: Path) -> PromptFile:
    """A company's prompt. Raises SettingsError, one sentence naming file and line, unless it can replace one of Kura's."""
    prompt = _parse(path, read_source(path))
    if prompt.name not in shipped():
        raise SettingsError(f"{path}: Kura has no prompt named {prompt.name}: name one of {', '.join(shipped())}.")
    for missing in sorted(shipped()[prompt.name].placeholders - prompt.placeholders):
        raise SettingsError(
            f"{path}: the text must say {{{{{missing}}}}} somewhere, which stands for {VALUES[missing]!r}: without it Kura does"
            " not notice what the model means."
        )
    return prompt


def read_source(path: Path) -> str:
    """A prompt's file as text, whatever stands in it. Raises SettingsError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): check the path and its permissions.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text: save it as UTF-8.") from error


def _parse(path: Path, source: str) -> PromptFile:
    lines = source.split("\n")
    if not lines or lines[0].strip() != _FENCE:
        raise SettingsError(f"{path}, line 1: a prompt begins with a line {_FENCE}, then name, version and purpose.")
    fields: dict[str, str] = {}
    for number, line in enumerate(lines[1:], 2):
        if line.strip() == _FENCE:
            break
        if not line.strip():
            continue
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or key not in _KEYS or key in fields or not value:
            raise SettingsError(
                f"{path}, line {number}: {line!r} is not one of {', '.join(_KEYS)}, once, with a value."
            )
        if key == "version" and not _VERSION.fullmatch(value):
            raise SettingsError(
                f"{path}, line {number}: the version may have letters, digits, dots and dashes, at most 32."
            )
        fields[key] = value
    else:
        raise SettingsError(
            f"{path}, line {len(lines)}: the front matter does not end: write a line {_FENCE} after it."
        )
    for missing in (key for key in _KEYS if key not in fields):
        raise SettingsError(f"{path}, line {number}: the front matter has no {missing}.")
    used = _placeholders(path, lines[number:], number + 1)
    text = _PLACEHOLDER.sub(lambda found: VALUES[found[1].strip()], "\n".join(lines[number:])).strip()
    if not text:
        raise SettingsError(f"{path}, line {number}: nothing stands after the front matter: write the prompt there.")
    if len(text) > MOST_CHARACTERS:
        raise SettingsError(
            f"{path}: the prompt has {len(text):,} characters, at most {MOST_CHARACTERS:,} are allowed: shorten it."
        )
    return PromptFile(path, fields["name"], fields["version"], fields["purpose"], source, text, used)


def _placeholders(path: Path, lines: list[str], first: int) -> frozenset[str]:
    """The placeholders in the text, whose first line has the number `first`. Raises SettingsError for one that is none."""
    used = set()
    for number, line in enumerate(lines, first):
        names = {found.strip() for found in _PLACEHOLDER.findall(line)}
        wrong = sorted(names - VALUES.keys())
        if wrong or "{{" in _PLACEHOLDER.sub("", line):
            shown = f"{{{{{wrong[0]}}}}}" if wrong else "{{ without its }}"
            known = ", ".join(f"{{{{{name}}}}}" for name in VALUES)
            raise SettingsError(f"{path}, line {number}: {shown} is no placeholder: there is {known}.")
        used |= names
    return frozenset(used)

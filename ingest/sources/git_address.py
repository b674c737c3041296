"""How a repository and its files are named: what git is asked for, what people are shown, links. Runs nothing.

A password or token in a repository's address is taken out of it here: git gets it through its environment, and no message,
root or link holds it.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from ingest.errors import SourceError

_SHORT_FORM = re.compile(r"(?:(?P<user>[\w.][\w.-]*)@)?(?P<host>[\w.][\w.-]*):(?P<path>[^:].*)")
"""git@host:path, as `git clone` takes it."""
_USER = re.compile(r"[\w.][\w.-]*")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]")
_BRANCH = re.compile(r"\w[\w./+@#=-]*")
_PLACEHOLDERS = ("commit", "path", "branch")
_LINKS = {
    "github.com": "https://github.com/{repository}/blob/{commit}/{path}",
    "gitlab.com": "https://gitlab.com/{repository}/-/blob/{commit}/{path}",
}
_SHOWN_COMMIT = 12
"""Digits of a commit where it is shown to people only."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Where a repository is. `url` is what git is given and people are shown; `secret` is a header's value, or ""."""

    url: str
    protocol: str
    """The only protocol git may speak: file, https or ssh."""
    host: str = ""
    path: str = ""
    """Owner and name on its host."""
    secret: str = ""


def parse_repository(text: str) -> Repository:
    """The repository in a folder, at an https or ssh address, or in the short form git@host:path; else SourceError."""
    text = text.strip()
    if not text or text.startswith("-") or not text.isprintable():
        raise SourceError("The repository of this source is no address: give a folder, or an https or ssh address.")
    if "://" in text:
        return _parse_url(text)
    if "::" in text:
        raise SourceError(
            "The repository of this source names a remote helper of git, and none is run: give its address."
        )
    short = _SHORT_FORM.fullmatch(text)
    if short and "/" not in text.partition(":")[0]:
        name = f"{short['user']}@" if short["user"] else ""
        return Repository(
            f"{name}{short['host']}:{short['path']}", "ssh", short["host"].lower(), _owner_and_name(short["path"])
        )
    return Repository(str(Path(text).expanduser().resolve()), "file")


def _parse_url(text: str) -> Repository:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise SourceError("The address of this repository cannot be read: check its spelling.") from error
    if parts.scheme == "file" and not parts.netloc:
        return Repository(str(Path(unquote(parts.path)).resolve()), "file")
    if parts.scheme not in {"https", "ssh"}:
        raise SourceError(
            f"A repository is not fetched over {parts.scheme}, which git or Kura cannot trust: use https, ssh or a folder."
        )
    shown = f"[{host}]" if ":" in host else host
    if not _HOST.fullmatch(shown) or parts.query or parts.fragment:
        raise SourceError("The address of this repository cannot be read: give it as https://host/path.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    secret, before = "", ""
    if parts.scheme == "https" and (user or password):
        secret = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    elif user:
        if not _USER.fullmatch(user) or password:
            raise SourceError(
                f"The ssh address of the repository at {host} holds a password or an odd user: use a key."
            )
        before = f"{user}@"
    where = f"{before}{shown}" + (f":{port}" if port else "")
    return Repository(
        f"{parts.scheme}://{where}{quote(parts.path, safe='/%~')}",
        parts.scheme,
        host,
        _owner_and_name(parts.path),
        secret,
    )


def _owner_and_name(path: str) -> str:
    return path.strip("/").removesuffix(".git")


def check_branch(branch: str) -> str:
    """The name of a branch; raises SourceError if git would read it as something else."""
    if branch and (
        not _BRANCH.fullmatch(branch) or ".." in branch or "@{" in branch or branch.endswith(("/", ".", ".lock"))
    ):
        raise SourceError(f"{branch!r} is no name of a branch: check the source's settings.")
    return branch


def check_folder(folder: str) -> str:
    """A folder of a repository without slashes around it; raises SourceError if it leads out of it."""
    parts = [part for part in folder.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in folder:
        raise SourceError(f"{folder!r} is no folder inside a repository: check the source's settings.")
    return "/".join(parts)


class Links:
    """The address of each file at a commit: by the template in the settings, or by its host's own; else no link."""

    def __init__(self, repository: Repository, branch: str, template: str = "") -> None:
        known = _LINKS.get(repository.host, "").replace("{repository}", quote(repository.path))
        self._template = template or known
        self._name = repository.url
        self._branch = branch or "HEAD"
        unknown = [name for name in re.findall(r"\{(.*?)\}", template) if name not in _PLACEHOLDERS]
        if unknown or (template and not re.match(r"https?://[^/\s{}@]+/", template)):
            raise SourceError(
                f"The link of the source {repository.url} is no address of files: write it as"
                " https://host/.../{commit}/{path}, with {branch} if need be."
            )

    def to(self, commit: str, path: str) -> str:
        """The address of the file at `path`, from the repository's top, at a commit."""
        if not self._template:
            return f"{self._name}@{commit[:_SHOWN_COMMIT]}:{path}"
        values = {"commit": commit, "path": quote(path), "branch": quote(self._branch)}
        return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], self._template)

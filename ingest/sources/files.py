"""Opens files of a folder that other people write to. Knows no source.

Nothing they do meanwhile, a link put in place of a folder, say, leads to another file than the path says.
"""

from __future__ import annotations

import errno
import os
import stat

from ingest.errors import DocumentError


def open_below(folder: str, path: str) -> int:
    """A descriptor of the file at `path` below `folder`; no link on the way is followed.

    Raises DocumentError if it is no regular file, OSError if it cannot be opened (ELOOP: a link).
    """
    *above, name = path.split("/")
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in above:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        # a pipe named .md must not block
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DocumentError(f"{path} is not a regular file: leave it out of the folder.")
    return descriptor


def unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether two looks at one open file saw the same content, as far as looks can tell."""
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def being_written(item: str) -> OSError:
    """What to raise for a file that changed each time it was read."""
    return OSError(errno.EBUSY, "it is being written, and will be read at the next run", item)


def is_utf8(name: str) -> bool:
    """Whether a file's name is text; names of other systems' encodings are not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

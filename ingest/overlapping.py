"""Work on one item in another thread while the next one is being made. Knows neither."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")


def overlapped(items: Iterable[_Item], work: Callable[[_Item], _Done]) -> Iterator[tuple[_Item, _Done]]:
    """Each item with what `work` made of it, in order. One item at a time is worked on, and one more is held at most.

    What `work` raises is raised here, and no further item is worked on; whoever stops early waits for the one under way.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="overlapped") as pool:
        before: tuple[_Item, Future[_Done]] | None = None
        made = iter(items)
        while True:
            try:
                item = next(made)
            except StopIteration:
                break
            except Exception as error:
                if before is not None and (fault := before[1].exception()):
                    raise fault from error  # it came first
                raise
            if before is not None:
                yield before[0], before[1].result()
            before = item, pool.submit(work, item)
        if before is not None:
            yield before[0], before[1].result()

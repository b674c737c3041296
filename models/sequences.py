"""Which tokens the model's memory holds, and for whom: sequences, what is parked in RAM, the pinned prefix.

Nothing that was computed for one principal is ever used for another, the pinned prefix apart: that is Kura's own text. Used
by the engine's thread alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from models.runs import Context

LEAST_PARKED = 64
"""Tokens; fewer are computed again as fast as they are fetched."""


class Owner(NamedTuple):
    """For whom, and through which adapter, something was computed. Without a key nothing is ever used again."""

    key: str
    adapter: str


NOBODY = Owner("", "")


@dataclass(slots=True, eq=False)
class Slot:
    """One sequence of the context and the tokens it holds."""

    sequence: int
    tokens: list[int] = field(default_factory=list)
    owner: Owner = NOBODY
    taken: bool = False
    used: int = 0
    """When it was last released, as a count."""


class _Parked(NamedTuple):
    owner: Owner
    tokens: list[int]
    state: bytes


class Sequences:
    """Hands out the sequences of a context, with as much of a prompt in them as may be used again.

    `parked_bytes` bounds what idle conversations keep in RAM; the longest unused goes first. `pinned` are the tokens that
    prompts begin with and that everybody may share.
    """

    def __init__(self, context: Context, *, parked_bytes: int = 0, pinned: Sequence[int] = ()) -> None:
        self._context = context
        self._slots = [Slot(sequence) for sequence in range(context.sequences)]
        self._parked: OrderedDict[int, _Parked] = OrderedDict()
        self._most_bytes = parked_bytes
        self._pinned = list(pinned)
        self._pinned_states: dict[str, bytes] = {}
        self._count = 0

    @property
    def free(self) -> int:
        """Sequences nobody is using."""
        return sum(not slot.taken for slot in self._slots)

    @property
    def parked_bytes(self) -> int:
        """RAM that parked conversations take."""
        return sum(len(parked.state) for parked in self._parked.values())

    def take(self, prompt: Sequence[int], owner: Owner) -> Slot:
        """A sequence for a prompt; what it holds already (`slot.tokens`) is a beginning of it, without its last token.

        The last token must run, to be continued. There must be a free sequence.
        """
        wanted = list(prompt[:-1])
        shared = common(self._pinned, wanted) if self._pinned_states.get(owner.adapter) else 0
        pinned = shared if shared == len(self._pinned) else 0
        slot, held = self._best_slot(wanted, owner)
        number, parked = self._best_parked(wanted, owner)
        if slot is not None and held > pinned and held >= parked:
            if held < len(slot.tokens) // 2:
                self._park(slot)  # most of it belongs to another conversation of the same person
            self._cut(slot, held)
        else:
            slot = self._emptiest()
            self._park(slot)
            self._cut(slot, 0)
            if parked >= pinned + LEAST_PARKED:
                entry = self._parked[number]  # stays: this may be a short question beside a long conversation
                self._parked.move_to_end(number)
                if self._context.restore(slot.sequence, entry.state):
                    slot.tokens = list(entry.tokens)
                    self._cut(slot, parked)
            elif pinned and self._context.restore(slot.sequence, self._pinned_states[owner.adapter]):
                slot.tokens = list(self._pinned)
        slot.owner, slot.taken = owner, True
        return slot

    def release(self, slot: Slot, *, forget: bool = False) -> None:
        """Give a sequence back; with `forget`, nothing in it is used again."""
        if forget or not slot.owner.key:
            self._cut(slot, 0)
        self._count += 1
        slot.taken, slot.used = False, self._count

    def until_pinned(self, slot: Slot, prompt: Sequence[int]) -> int:
        """How many more tokens of a prompt make the pinned prefix whole in this sequence; 0 if that is not to be done."""
        missing = len(self._pinned) - len(slot.tokens)
        if missing <= 0 or slot.owner.adapter in self._pinned_states or len(prompt) <= len(self._pinned):
            return 0
        return missing if common(self._pinned, prompt) == len(self._pinned) else 0

    def pin(self, slot: Slot) -> None:
        """Keep the prefix that this sequence now holds, and nothing more, for everybody."""
        if slot.tokens == self._pinned and slot.owner.adapter not in self._pinned_states:
            self._pinned_states[slot.owner.adapter] = self._context.save(slot.sequence)

    def _best_slot(self, wanted: list[int], owner: Owner) -> tuple[Slot | None, int]:
        best, held = None, 0
        for slot in self._slots:
            if not slot.taken and owner.key and slot.owner == owner:
                shared = self._usable(slot.tokens, wanted)
                if shared > held:
                    best, held = slot, shared
        return best, held

    def _best_parked(self, wanted: list[int], owner: Owner) -> tuple[int, int]:
        best, held = 0, 0
        for number, parked in self._parked.items():
            if owner.key and parked.owner == owner:
                shared = self._usable(parked.tokens, wanted)
                if shared > held:
                    best, held = number, shared
        return best, held

    def _usable(self, tokens: list[int], wanted: list[int]) -> int:
        """How many of the tokens may serve a prompt: their common beginning; all or nothing where memory cannot be cut."""
        shared = common(tokens, wanted)
        return shared if self._context.cuttable or shared == len(tokens) else 0

    def _emptiest(self) -> Slot:
        return min(
            (slot for slot in self._slots if not slot.taken),
            key=lambda slot: (bool(slot.tokens), slot.used, slot.sequence),
        )

    def _cut(self, slot: Slot, count: int) -> None:
        kept = self._context.keep(slot.sequence, count)
        del slot.tokens[kept:]

    def _park(self, slot: Slot) -> None:
        if not slot.owner.key or len(slot.tokens) < LEAST_PARKED:
            return
        if self._context.saved_size(slot.sequence) > self._most_bytes:
            return
        state = self._context.save(slot.sequence)
        if not state:
            return
        for number, parked in list(self._parked.items()):  # an earlier stage of the same conversation
            if parked.owner == slot.owner and parked.tokens == slot.tokens[: len(parked.tokens)]:
                del self._parked[number]
        self._count += 1
        self._parked[self._count] = _Parked(slot.owner, list(slot.tokens), state)
        while self.parked_bytes > self._most_bytes:
            self._parked.popitem(last=False)


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two lists have in common at their beginnings; by bisection, because comparing slices is fast."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low

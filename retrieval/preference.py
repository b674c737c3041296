"""Which of two passages that fit a question alike comes first: the one of the younger document, or of the better source.

Pure arithmetic; what counts is set by whoever runs Kura, and by default nothing does. Knows no index and no clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

MOST_LOST = 0.3
"""Share of its score that the oldest of documents loses: enough to come behind an equal that is new, and never so much that
what answers comes behind what only shares words with the question."""


@dataclass(frozen=True, slots=True)
class Preference:
    """`half_life_days` is the age at which a document has lost half of `MOST_LOST`; 0: age does not count.

    `weights` multiply the scores of sources by their names; those that are not named weigh 1.
    """

    half_life_days: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.half_life_days > 0 or any(weight != 1 for weight in self.weights.values())

    def factor(self, source: str, dated: date | None, today: date) -> float:
        """What the score of a passage is multiplied by (> 0). A document without a day loses nothing, as one of today."""
        weight = self.weights.get(source, 1.0)
        if self.half_life_days <= 0 or dated is None:
            return weight
        age_days = max((today - dated).days, 0)
        return weight * (1 - MOST_LOST * (1 - math.pow(0.5, age_days / self.half_life_days)))


NO_PREFERENCE = Preference()
"""Nothing counts but how well a passage fits."""


def weighed(score: float, factor: float) -> float:
    """A score times a factor; one below 0 is divided, so that a smaller factor never makes it better."""
    return score * factor if score >= 0 else score / factor

"""The body by which this machine's command line asks a server for upkeep. Knows no route."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.upkeep import CalibrationOrder, EvaluationOrder, Kind, UpkeepRequest
from bot.web.bodies import MAX_SOURCES, PathText, Source, Text


class CalibrationBody(BaseModel):
    """See `CalibrationOrder`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    questions: int = Field(ge=1)
    wrong_costs: float = Field(gt=0, allow_inf_nan=False)
    show: int = Field(0, ge=0)
    dry_run: bool = False


class EvaluationBody(BaseModel):
    """See `EvaluationOrder`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    suite: PathText
    as_name: Text = ""
    groups: list[Source] = Field([], max_length=MAX_SOURCES)
    trials: int = Field(1, ge=1)
    judge: bool = False


class UpkeepBody(BaseModel):
    """See `UpkeepRequest`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Kind
    sources: list[Source] = Field([], max_length=MAX_SOURCES)
    generation: int = Field(0, ge=0)
    anyway: bool = False
    calibration: CalibrationBody | None = None
    evaluation: EvaluationBody | None = None

    @model_validator(mode="after")
    def _ordered(self) -> UpkeepBody:
        for kind, order in (("calibrate", self.calibration), ("evaluate", self.evaluation)):
            if (self.kind == kind) != (order is not None):
                raise ValueError(f"{kind} goes with its order, and no other kind does")
        return self

    def request(self) -> UpkeepRequest:
        """What is asked for."""
        told, asked = self.calibration, self.evaluation
        return UpkeepRequest(
            self.kind,
            tuple(dict.fromkeys(self.sources)),
            self.generation,
            self.anyway,
            CalibrationOrder(**told.model_dump()) if told else None,
            EvaluationOrder(**asked.model_dump() | {"groups": tuple(asked.groups)}) if asked else None,
        )

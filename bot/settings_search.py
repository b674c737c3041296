"""The settings of search."""

from __future__ import annotations

from pydantic import Field, model_validator

from bot.settings_base import NamedPath, Section, Sha256, go_with


class SearchSettings(Section):
    """How passages are found."""

    glossary: NamedPath | None = Field(
        None, description="A file of words that say the same (`glossary.toml`), in one language or several."
    )
    half_life_days: float = Field(
        0.0,
        ge=0,
        le=36_500,
        description="Days after which a document has lost half of what age costs it, 15 % of its score; 0: age costs nothing.",
    )


class RerankSettings(Section):
    """A second look at the best passages. With no `name`, `path` or `likelihood` there is none."""

    name: str = Field("", description="A reranker that was installed by `kura models pull` or `kura models add`.")
    path: NamedPath | None = Field(None, description="A GGUF reranker (cross-encoder), used where it lies.")
    sha256: Sha256 = Field("", description="The checksum of `path`; a file that differs is refused.")
    likelihood: bool = Field(
        False, description="Ask the local chat model how likely the question is after each passage; slow."
    )
    candidates: int = Field(20, ge=2, le=100, description="How many of the best passages are looked at.")
    deadline_s: float = Field(
        5.0, gt=0, le=600, description="Seconds it may take; after that passages stand in the order of search."
    )

    @model_validator(mode="after")
    def _one_reranker(self) -> RerankSettings:
        if sum(map(bool, (self.name, self.path, self.likelihood))) > 1:
            raise ValueError("give only one of name, path and likelihood")
        go_with(self, ("sha256",), "path")
        return self

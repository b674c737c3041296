"""What is measured on an index's own passages."""

# ruff: noqa: S311 - samples, no secrets

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from models.embedders import Embedder
from models.fakes import HashingEmbeddings
from retrieval import authority, cloze, generations, trust
from retrieval.building import Builder
from retrieval.database import reading, writing
from retrieval.index import Index
from tests.retrieval.conftest import ALL, HR, CountingEmbeddings, prepared

SYLLABLES = ["ka", "lo", "mi", "nu", "re", "sa", "ti", "vo", "ze", "pu"]


class Noise(HashingEmbeddings):
    """Gives each text a direction of its own, whatever it says."""

    @property
    def fingerprint(self) -> str:
        return f"noise-{self.dimensions}"

    def embed_query(self, text: str) -> list[float]:
        chance = random.Random(text)
        return [chance.gauss(0, 1) for _ in range(self.dimensions)]


class Stems(CountingEmbeddings):
    """Knows that words that begin alike say the same, which the index's words do not."""

    def embed_query(self, text: str) -> list[float]:
        return super().embed_query(" ".join(word[:6] for word in text.split()))


def passage(topic: int, chance: random.Random) -> str:
    """Four sentences of a topic's words, each in another form, and of words of any topic."""

    def word(of: str) -> str:
        return "".join(random.Random(of).choices(SYLLABLES, k=3))

    def sentence() -> str:
        own = [word(f"{topic}/{n}") + chance.choice(SYLLABLES) + chance.choice(SYLLABLES) for n in range(4)]
        return " ".join((*own, *(word(str(chance.randrange(40))) for _ in range(4)))) + "."

    return " ".join(sentence() for _ in range(4))


def filled(folder: Path, embedder: Embedder, passages: int) -> Index:
    folder.mkdir()
    index = Index(folder, embedder)
    with writing(index.engine) as connection:
        authority.put_source(connection, "docs", "/docs", ALL)
    chance = random.Random(3)
    texts = [passage(topic, chance) for topic in range(passages)]
    index.put(1, [prepared("all.md", "\n\n".join(texts), HR)])
    return index


def answering(index: Index) -> generations.Generation:
    with reading(index.engine) as connection:
        found = generations.current(connection)
    assert found
    return found


def measured(index: Index) -> list[trust.Trust]:
    with reading(index.engine) as connection:
        return trust.stored(connection, answering(index))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with closing(filled(tmp_path / "index", Stems(256), 70)) as opened:
        yield opened


def test_an_embedder_that_knows_words_of_a_topic_is_trusted(index: Index) -> None:
    cloze.measure(index, answering(index))
    (one,) = measured(index)
    assert one.weight
    assert (one.language, one.passages) == ("en", 70)
    assert cloze.LEAST_SENTENCES <= one.sentences <= 70


def test_one_that_is_noise_is_not(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "index", Noise(256), 70)) as index:
        cloze.measure(index, answering(index))
        assert [one.weight for one in measured(index)] == [0]


def test_it_is_told_and_measured_once_and_embeds_little(index: Index) -> None:
    told: list[str] = []
    embedder = index.embedder
    assert isinstance(embedder, CountingEmbeddings)
    embedder.embedded = 0
    cloze.measure(index, answering(index), told.append)
    assert 0 < embedder.embedded <= cloze.SENTENCES
    embedder.embedded = 0
    cloze.measure(index, answering(index), told.append)
    assert (told, embedder.embedded) == (["en"], 0)


def test_the_same_index_gives_the_same(index: Index) -> None:
    assert cloze.measured_trials(index, answering(index), "en") == cloze.measured_trials(index, answering(index), "en")


def test_too_few_passages_are_not_measured(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "index", HashingEmbeddings(), cloze.LEAST_PASSAGES - 1)) as index:
        cloze.measure(index, answering(index))
        assert measured(index) == []


def test_an_index_that_has_more_than_doubled_is_measured_again(index: Index) -> None:
    generation = answering(index)
    with writing(index.engine) as connection:
        trust.put(connection, generation, trust.Trust("en", 0.5, 35, 30))
        assert cloze.due(connection, generation) == {}
        trust.put(connection, generation, trust.Trust("en", 0.5, 34, 30))
        assert cloze.due(connection, generation) == {"en": 70}


def test_passages_without_sentences_cannot_tell_and_are_not_tried_again(tmp_path: Path) -> None:
    with closing(filled(tmp_path / "index", HashingEmbeddings(), 1)) as index:
        index.put(1, [prepared("list.md", "\n\n".join(f"item {n}" for n in range(60)))])
        cloze.measure(index, answering(index))
        assert [(one.weight, one.passages) for one in measured(index)] == [(None, 61)]
        with reading(index.engine) as connection:
            assert cloze.due(connection, answering(index)) == {}


def test_a_passage_that_another_one_repeats_is_no_trial(index: Index) -> None:
    before = len(cloze.measured_trials(index, answering(index), "en"))
    with reading(index.engine) as connection:
        whole = connection.execute(text("SELECT text FROM versions")).scalar_one()
    index.put(1, [prepared("copy.md", whole)])
    assert before
    assert cloze.measured_trials(index, answering(index), "en") == []


def test_a_new_generation_is_measured_before_it_answers_and_forgotten_with_it(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "embedder", Noise(128))
    builder, told = Builder(index), list[str]()
    made = builder.begin()
    builder.catch_up(made, measuring=told.append)
    with reading(index.engine) as connection:
        assert [one.weight for one in trust.stored(connection, made)] == [0]
    builder.drop(made.id)
    with reading(index.engine) as connection:
        assert trust.stored(connection, made) == []
    assert told == ["en"]

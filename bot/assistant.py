"""One question, from door to door: search, evidence, answer or refusal, as a stream of events. Every front end asks here.

Inside are LangChain runnables (recall, search, weigh, then the chat model), children of one run for each question, so that
callbacks (tracing) see each step. Knows no front end, no SQL and no vendor; blocking steps go over the bridge.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from bot import followup, phrases, prompting, quoting
from bot.answers import (
    Answer,
    Citation,
    Delta,
    Done,
    Event,
    Nearest,
    Question,
    Queued,
    Refused,
    Searching,
    Sources,
    Timings,
    Usage,
)
from bot.answers import Style as AnswerStyle
from bot.bridge import Bridge
from bot.errors import BadQuestion
from bot.evidence import ENOUGH, Evidence, weigh
from bot.generating import AnswerModel, stream
from bot.grounding import GroundedProse
from bot.identity import ANONYMOUS, new_thread
from bot.prompting import Prompt
from bot.store import ConversationStore, Turn
from models.engine import EngineState, Waiting
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.found import Found
from retrieval.passages import StoredDocument
from retrieval.search import Searcher

MAX_QUESTION = 4_000
"""Characters; a longer text is a document, not a question."""
CUT = frozenset({"length", "deadline"})
"""Reasons of a model to end in the middle of what it says."""
PASSAGES = 10
"""Hits the answer is looked for in."""


@dataclass(frozen=True, slots=True)
class _Recalled:
    """A question with the turns before it, and what to search for, in the order of trying."""

    question: Question
    history: tuple[Turn, ...]
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Weighed:
    """What was searched for, what was found, and what it says."""

    recalled: _Recalled
    query: str
    found: Found
    evidence: Evidence
    enough: float
    """From which score on the evidence is sufficient."""

    @property
    def sufficient(self) -> bool:
        return self.evidence.score >= self.enough and bool(self.evidence.spans)


class Freshness(Protocol):
    """Looks at the files that hits come from; `ingest/freshness.py` does. Blocking."""

    def standing(self, hits: Sequence[Hit]) -> list[Hit]:
        """The hits whose files are still there."""

    def changed(self, hits: Sequence[Hit]) -> set[str]:
        """The documents (by id) that have changed since they were read; may read files, so only what is cited."""


def as_they_are(hits: Sequence[Hit], freshness: Freshness) -> list[Hit]:
    """The hits whose files are still there, those whose files have changed marked so. Blocking: it may read files."""
    standing = freshness.standing(hits)
    changed = freshness.changed(standing)
    return [replace(hit, changed=hit.document_id in changed) for hit in standing]


class _Declined:
    """The model says that the passages do not answer the question."""


class _Course:
    """One question on its way: its clock, its run, and what the answer is made of."""

    def __init__(self, question: Question, trace_id: str, model: str) -> None:
        self.question = question
        self.trace_id = trace_id
        self.model = model
        self.prompt = ""
        self.search_ms = 0.0
        self.first_ms = 0.0
        self.removed: Sequence[str] = ()
        """What the model said and no passage says."""
        self._start = time.perf_counter()

    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self._start) * 1000

    def first_token(self) -> None:
        """Note the moment the first word of the answer is there."""
        self.first_ms = self.first_ms or self.elapsed_ms()

    def answer(
        self,
        text: str,
        style: AnswerStyle,
        *,
        citations: Sequence[Citation] = (),
        nearest: Sequence[Nearest] = (),
        usage: Usage = Usage(),  # noqa: B008 (frozen)
    ) -> Answer:
        """The final answer, with the time it took so far."""
        self.first_token()
        return Answer(
            id=self.question.id,
            question=self.question.text,
            text=text,
            style=style,
            citations=tuple(citations),
            nearest=tuple(nearest),
            model=self.model,
            usage=usage,
            timings=Timings(round(self.search_ms, 2), round(self.first_ms, 2), round(self.elapsed_ms(), 2)),
            trace_id=self.trace_id,
            thread=self.question.thread,
            prompt=self.prompt,
        )


def check_question(text: str) -> None:
    """Raises BadQuestion for a text that is no question."""
    if not text.strip():
        raise BadQuestion("The question is empty: ask something.")
    if len(text) > MAX_QUESTION:
        raise BadQuestion(
            f"The question has {len(text):,} characters; at most {MAX_QUESTION:,} are read: shorten it, or ingest long texts"
            " as documents."
        )


class Assistant:
    """Answers questions from what the principal may read. Without `freshness` no file is looked at before it is quoted.

    `enough` says from which score on (0..1) the evidence for a question is sufficient; it is asked on the bridge. `owners`
    says by the name of a source whom a refusal names beside its documents.
    """

    def __init__(
        self,
        *,
        searcher: Searcher,
        store: ConversationStore,
        bridge: Bridge,
        model: AnswerModel,
        callbacks: Sequence[BaseCallbackHandler] = (),
        freshness: Freshness | None = None,
        enough: Callable[[str], float] = lambda _: ENOUGH,
        owners: Mapping[str, str] | None = None,
    ) -> None:
        self._searcher = searcher
        self._freshness = freshness
        self._enough = enough
        self._owners = owners
        self._store = store
        self._bridge = bridge
        self._model = model
        self._callbacks = list(callbacks)
        self._recall: Runnable[Question, _Recalled] = RunnableLambda(self._recall_thread).with_config(run_name="recall")
        self._weigh: Runnable[_Recalled, _Weighed] = RunnableLambda(self._weigh_queries).with_config(
            run_name="search and weigh"
        )
        self._fit: Runnable[_Weighed, Prompt] = RunnableLambda(self._fit_prompt).with_config(run_name="fit prompt")

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        """Answer; the last event is `Done` or `Refused`. Closing the generator stops the model.

        The answer's `thread` is the question's, but for somebody anonymous who names a conversation that was not begun
        here: they get a new one, under a name that nobody can guess.
        Raises BadQuestion for a text that is no question, and whatever retrieval and models raise.
        """
        check_question(question.text)
        question = await self._in_own_thread(question)
        run_id = uuid4()
        about = {"origin": question.origin, "thread": question.thread, "prompt": self._model.prompt_version}
        manager = AsyncCallbackManager.configure(inheritable_callbacks=self._callbacks, inheritable_metadata=about)
        run = await manager.on_chain_start(None, {"question": question.text}, name="kura.ask", run_id=run_id)
        course = _Course(question, run_id.hex, self._model.name)
        answered = False
        try:
            async with aclosing(self._answer(course, {"callbacks": run.get_child()})) as events:
                async for event in events:
                    if isinstance(event, (Done, Refused)):  # who has the answer asks for no more: the run ends here
                        answered = True
                        await run.on_chain_end({"trace_id": course.trace_id, "removed": [*course.removed]})
                    yield event
        except BaseException as error:
            if not answered:
                await run.on_chain_error(error)
            raise

    async def warm_up(self) -> None:
        """Open the model, if answers need it, so that the first question does not wait for that."""
        if self._model.style == "generate":
            await self._bridge.run(self._model.chat)

    def engine_state(self) -> EngineState | None:
        """What the model's engine is doing; None where there is none, or none yet."""
        return self._model.state()

    async def search(self, text: str, *, principal: Principal, k: int = 10) -> list[Hit]:
        """The `k` best passages, fewer where files are gone; those of changed files are marked. Raises BadQuestion."""
        check_question(text)

        def work() -> list[Hit]:
            hits = self._searcher.search(text, principal=principal, k=k).hits
            return as_they_are(hits, self._freshness) if self._freshness else list(hits)

        return await self._bridge.run(work)

    async def document(self, document_id: str, *, principal: Principal) -> StoredDocument:
        """A whole document, so that a citation can be opened at its place; raises NotFound."""
        return await self._bridge.run(lambda: self._searcher.document(document_id, principal=principal))

    async def _in_own_thread(self, question: Question) -> Question:
        """The question, in a thread that is the asker's alone.

        Anonymous askers share one principal, so that only a thread's name tells them apart. Under that principal the store
        holds threads named by `new_thread` and no others: a name without history there was chosen by somebody.
        """
        if question.principal.id != ANONYMOUS or not question.thread:
            return question
        begun = await self._bridge.run(
            lambda: self._store.history(question.thread, principal=question.principal, most=1)
        )
        return question if begun else replace(question, thread=new_thread())

    # --- the steps ---

    def _found(self, query: str, *, principal: Principal, k: int) -> Found:
        """What a search finds, without documents whose files are gone."""
        found = self._searcher.search(query, principal=principal, k=k)
        return replace(found, hits=tuple(self._freshness.standing(found.hits))) if self._freshness else found

    async def _marked(self, citations: Sequence[Citation], hits: Sequence[Hit]) -> list[Citation]:
        """The citations, those of files that have changed marked so."""
        cited = {one.document_id for one in citations}
        looked_at = [hit for hit in hits if hit.document_id in cited]
        if self._freshness is None or not looked_at:
            return list(citations)
        freshness = self._freshness
        changed = await self._bridge.run(lambda: freshness.changed(looked_at))
        return [replace(one, changed=one.document_id in changed) for one in citations]

    async def _answer(self, course: _Course, config: RunnableConfig) -> AsyncGenerator[Event, None]:
        # 1. What to search for: a follow-up is made to stand alone.
        recalled = await self._recall.ainvoke(course.question, config)
        yield Searching(recalled.queries[0])
        # 2. Search, and weigh the evidence.
        weighed = await self._weigh.ainvoke(recalled, config)
        course.search_ms = course.elapsed_ms()
        nearest = quoting.nearest(weighed.found.hits, self._owners)
        yield Sources(nearest)
        # 3. Refuse, generate, or quote.
        sufficient = weighed.sufficient
        if sufficient and self._model.style == "generate":
            async with aclosing(self._generate(course, weighed, config)) as events:
                async for event in events:
                    if isinstance(event, _Declined):
                        sufficient = False
                        break
                    yield event
                    if isinstance(event, Done):
                        return
        if not sufficient:
            text = phrases.refusal(course.question.text, nearest)
            answer = course.answer(text, "refusal", nearest=nearest)
            await self._keep(course, weighed, answer)
            yield Delta(text)
            yield Refused(answer)
            return
        # The quote style, and what is left when nothing the model said stands in the passages.
        pieces, composed = quoting.compose(weighed.evidence.spans)
        citations = await self._marked(composed, weighed.found.hits)
        answer = course.answer("".join(pieces), "quote", citations=citations)
        await self._keep(course, weighed, answer)
        for piece in pieces:
            yield Delta(piece)
        yield Done(answer)

    async def _recall_thread(self, question: Question) -> _Recalled:
        history: Sequence[Turn] = ()
        if question.thread:
            history = await self._bridge.run(lambda: self._store.history(question.thread, principal=question.principal))
        return _Recalled(question, tuple(history), tuple(followup.queries(question.text, history)))

    async def _weigh_queries(self, recalled: _Recalled) -> _Weighed:
        """Try each query; the first with sufficient evidence counts, else the first."""
        principal = recalled.question.principal

        def work(query: str) -> _Weighed:
            found = self._found(query, principal=principal, k=PASSAGES)
            evidence = weigh(query, found)
            if query != recalled.question.text:
                alone = weigh(recalled.question.text, replace(found, likeness=None))
                evidence = followup.focus(evidence, alone, recalled.question.text)
            return _Weighed(recalled, query, found, evidence, self._enough(query))

        tried = []
        for query in recalled.queries:
            weighed = await self._bridge.run(partial(work, query))
            if weighed.sufficient:
                return weighed
            tried.append(weighed)
        return tried[0]

    async def _fit_prompt(self, weighed: _Weighed) -> Prompt:
        """The prompt, as long as the model's context and the time to the first word allow; its plan is in the trace."""

        def work() -> Prompt:
            self._model.chat()  # first: counting tokens needs the model, too
            return prompting.build(
                weighed.recalled.question.text,
                weighed.recalled.history,
                weighed.found.hits,
                system=self._model.system,
                context_length=self._model.context_length,
                count_tokens=self._model.count_tokens,
                budget=self._model.budget(),
            )

        return await self._bridge.run(work)

    async def _generate(
        self, course: _Course, weighed: _Weighed, config: RunnableConfig
    ) -> AsyncGenerator[Event | _Declined, None]:
        """Stream prose sentence by sentence; one that no passage says is dropped before anybody sees it.

        Ends without `Done` if nothing was left, and with `_Declined` if the model says that the passages do not answer.
        """
        prompt = await self._fit.ainvoke(weighed, config)
        course.prompt = self._model.prompt_version
        prose = GroundedProse(prompt.passages, weighed.found.rarity)
        usage, reason = Usage(), ""
        chat, asked = await self._bridge.run(self._model.chat), course.question
        pieces = stream(self._model, chat, prompt, config, asked.principal, asked.thread)
        async with aclosing(pieces) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Waiting):
                    yield Queued(chunk.position, chunk.seconds)
                    continue
                if chunk.usage_metadata:
                    usage = Usage(chunk.usage_metadata["input_tokens"], chunk.usage_metadata["output_tokens"])
                reason = chunk.response_metadata.get("finish_reason", reason)
                for piece in prose.feed(str(chunk.text)):
                    course.first_token()
                    yield Delta(piece)
        if reason not in CUT:  # of an answer that was cut, the last sentence may say the opposite of what it began to
            for piece in prose.finish():
                course.first_token()
                yield Delta(piece)
        course.removed = prose.removed
        if prose.citations:
            citations = await self._marked(prose.citations, weighed.found.hits)
            answer = course.answer(prose.text, "generate", citations=citations, usage=usage)
            await self._keep(course, weighed, answer)
            yield Done(answer)
        elif prose.declined:
            yield _Declined()

    async def _keep(self, course: _Course, weighed: _Weighed, answer: Answer) -> None:
        if course.question.thread:
            await self._bridge.run(lambda: self._store.save_turn(course.question, weighed.query, answer))

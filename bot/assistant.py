"""One question, from door to door: search, evidence, answer or refusal, as a stream of events. Every front end asks here.

Inside are LangChain runnables (recall, search, weigh, then the chat model), children of one run for each question, so that
callbacks (tracing) see each step. Knows no front end, no SQL and no vendor; blocking steps go over the bridge.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from bot import courtesies, phrases, prompting, quoting
from bot.answers import Answer, Delta, Done, Event, Question, Queued, Refused, Searching, Sources, Usage
from bot.bridge import Bridge
from bot.course import Course
from bot.evidence import ENOUGH
from bot.finding import Finder, Recalled, Weighed
from bot.generating import AnswerModel, stream
from bot.grounding import GroundedProse
from bot.identity import ANONYMOUS, new_thread
from bot.prompting import Prompt
from bot.questions import read_question
from bot.rewriting import Rewriter, Rewriting
from bot.standing import Freshness, as_they_are, marked
from bot.store import ConversationStore
from models.engine import EngineState, Waiting
from retrieval.access import Principal
from retrieval.documents import Hit
from retrieval.filters import NO_FILTERS, Filters
from retrieval.language import language
from retrieval.passages import SourceView, StoredDocument
from retrieval.search import Searcher

CUT = frozenset({"length", "deadline"})
"""Reasons of a model to end in the middle of what it says."""


class _Declined:
    """The model says that the passages do not answer the question."""


class Assistant:
    """Answers questions from what the principal may read. Without `freshness` no file is looked at before it is quoted.

    `enough` says from which score on (0..1) the evidence for a question is sufficient; it is asked on the bridge. `owners`
    says by the name of a source whom a refusal names beside its documents. `rewriter` makes questions stand alone where that
    helps; without one, and wherever it fails, they are taken by their form alone.
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
        rewriter: Rewriter | None = None,
    ) -> None:
        self._searcher = searcher
        self._freshness = freshness
        self._owners = owners
        self._store = store
        self._bridge = bridge
        self._model = model
        self._callbacks = list(callbacks)
        self._rewriter = rewriter
        finder = Finder(searcher=searcher, store=store, bridge=bridge, freshness=freshness, enough=enough)
        self._recall: Runnable[Question, Recalled] = RunnableLambda(finder.recall).with_config(run_name="recall")
        self._weigh: Runnable[Recalled, Weighed] = RunnableLambda(finder.weigh).with_config(run_name="search and weigh")
        self._fit: Runnable[Weighed, Prompt] = RunnableLambda(self._fit_prompt).with_config(run_name="fit prompt")

    async def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        """Answer; the last event is `Done` or `Refused`. Closing the generator stops the model.

        The answer's `thread` is the question's, but for somebody anonymous who names a conversation that was not begun
        here: they get a new one, under a name that nobody can guess.
        Filters in the text are added to the question's own, and what is shown, kept and weighed is the text without them.
        Raises BadQuestion for a text that is no question, BadFilter, and whatever retrieval and models raise.
        """
        text, filters = read_question(question.text, question.filters)
        question = await self._in_own_thread(replace(question, text=text, filters=filters))
        run_id = uuid4()
        about = {"origin": question.origin, "thread": question.thread, "prompt": self._model.prompt_version}
        manager = AsyncCallbackManager.configure(inheritable_callbacks=self._callbacks, inheritable_metadata=about)
        asked = {"question": text} | ({"filters": str(filters)} if filters else {})
        run = await manager.on_chain_start(None, asked, name="kura.ask", run_id=run_id)
        course = Course(question, run_id.hex, self._model.name)
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

    async def search(self, text: str, *, principal: Principal, k: int = 10, filters: Filters = NO_FILTERS) -> list[Hit]:
        """The `k` best passages, fewer where files are gone; those of changed files are marked.

        Filters in the text are added to those given. Raises BadQuestion, BadFilter.
        """
        query, both = read_question(text, filters)

        def work() -> list[Hit]:
            hits = self._searcher.search(query, principal=principal, k=k, filters=both).hits
            return as_they_are(hits, self._freshness) if self._freshness else list(hits)

        return await self._bridge.run(work)

    async def document(self, document_id: str, *, principal: Principal) -> StoredDocument:
        """A whole document, so that a citation can be opened at its place; raises NotFound."""
        return await self._bridge.run(lambda: self._searcher.document(document_id, principal=principal))

    async def sources(self, *, principal: Principal) -> list[SourceView]:
        """The sources that the principal may read from, by name."""
        return await self._bridge.run(lambda: self._searcher.sources(principal=principal))

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

    async def _answer(self, course: Course, config: RunnableConfig) -> AsyncGenerator[Event, None]:
        # 1. What to search for: a follow-up is made to stand alone.
        recalled = await self._recall.ainvoke(course.question, config)
        # Thanks and the like ask nothing, and belong to no history that a follow-up could lean on.
        if said := courtesies.reply(course.question.text, first=not recalled.history):
            yield Delta(said)
            yield Done(course.answer(said, "courtesy"))
            return
        yield Searching(recalled.readings.ways[0].query, course.question.filters)
        # 2. Search, and weigh the evidence.
        weighed = await self._searched(recalled, config)
        if weighed.query != recalled.readings.ways[0].query:
            yield Searching(weighed.query, course.question.filters)
        course.search_ms = course.elapsed_ms()
        nearest = quoting.nearest(weighed.found.hits, self._owners)
        yield Sources(nearest, weighed.searched_for)
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
            text = phrases.refusal(course.question.text, nearest, course.question.filters)
            answer = course.answer(text, "refusal", nearest=nearest)
            await self._keep(course, weighed, answer)
            yield Delta(text)
            yield Refused(answer)
            return
        # The quote style, and what is left when nothing the model said stands in the passages.
        spans = weighed.evidence.spans
        read = partial(self._searcher.document, principal=course.question.principal)
        pieces, composed = await self._bridge.run(lambda: quoting.answer(spans, read))
        citations = await self._bridge.run(lambda: marked(composed, weighed.found.hits, self._freshness))
        answer = course.answer("".join(pieces), "quote", citations=citations)
        await self._keep(course, weighed, answer)
        for piece in pieces:
            yield Delta(piece)
        yield Done(answer)

    async def _searched(self, recalled: Recalled, config: RunnableConfig) -> Weighed:
        """The evidence for a question as its form tells it, or as the model has rewritten it: before the first search where
        that is wanted, else if that search found too little."""
        rewriter, plain = self._rewriter, None
        if rewriter is None or not rewriter.wanted(recalled):
            plain = await self._weigh.ainvoke(recalled, config)
            if rewriter is None or plain.sufficient:
                return plain
        rewrite: Runnable[Recalled, Rewriting] = RunnableLambda(rewriter.rewrite).with_config(run_name="rewrite")
        rewriting = await rewrite.ainvoke(recalled, config)
        if rewriting.readings:
            weighed = await self._weigh.ainvoke(replace(recalled, readings=rewriting.readings), config)
            if weighed.sufficient:
                return weighed
        return plain or await self._weigh.ainvoke(recalled, config)

    async def _fit_prompt(self, weighed: Weighed) -> Prompt:
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
        self, course: Course, weighed: Weighed, config: RunnableConfig
    ) -> AsyncGenerator[Event | _Declined, None]:
        """Stream prose sentence by sentence; one that no passage says is dropped before anybody sees it.

        Ends without `Done` if nothing was left, and with `_Declined` if the model says that the passages do not answer.
        """
        prompt = await self._fit.ainvoke(weighed, config)
        course.prompt = self._model.prompt_version
        prose = GroundedProse(prompt.passages, weighed.found.rarity, language(course.question.text))
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
            citations = await self._bridge.run(lambda: marked(prose.citations, weighed.found.hits, self._freshness))
            answer = course.answer(prose.text, "generate", citations=citations, usage=usage)
            await self._keep(course, weighed, answer)
            yield Done(answer)
        elif prose.declined:
            yield _Declined()

    async def _keep(self, course: Course, weighed: Weighed, answer: Answer) -> None:
        if course.question.thread:
            await self._bridge.run(lambda: self._store.save_turn(course.question, weighed.query, answer))

"""`PUT` and `DELETE /v1/answers/{answer_id}/feedback`: what somebody says of an answer they got; and
`DELETE /v1/conversations`: all that is kept of what they asked.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.status import HTTP_204_NO_CONTENT

from bot.errors import NotAllowed
from bot.feedback import Feedback
from bot.identity import ANONYMOUS
from bot.web.bodies import FeedbackBody
from bot.web.callers import Caller, json_only
from bot.web.faults import FAULTS, FaultPayload
from bot.web.metrics import Metrics
from bot.web.ports import FeedbackTaker
from retrieval.access import Principal

_NOT_YOURS: dict[int | str, dict[str, Any]] = {
    404: {"model": FaultPayload, "description": "There is no such answer, or it was not given to you in a thread."}
}


class ForgottenPayload(BaseModel):
    """How many answers were deleted."""

    answers: int


def feedback_router(*, feedback: FeedbackTaker, caller: Caller, metrics: Metrics) -> APIRouter:
    """The routes, keeping verdicts with `feedback` for whoever `caller` says it is."""
    router = APIRouter(prefix="/v1", tags=["answers"])

    @router.put(
        "/answers/{answer_id}/feedback",
        status_code=HTTP_204_NO_CONTENT,
        responses={**FAULTS, **_NOT_YOURS},
        dependencies=[Depends(json_only)],
    )
    async def put(answer_id: str, body: FeedbackBody, principal: Annotated[Principal, Depends(caller)]) -> None:
        """Say whether an answer was good. `answer_id` is its `trace_id`; a later verdict takes the place of an earlier one."""
        await feedback.put(answer_id, Feedback(body.verdict, body.wrong, body.right), principal=principal)
        metrics.given_feedback(body.verdict)

    @router.delete(
        "/answers/{answer_id}/feedback",
        status_code=HTTP_204_NO_CONTENT,
        responses={401: FAULTS[401], **_NOT_YOURS},
    )
    async def remove(answer_id: str, principal: Annotated[Principal, Depends(caller)]) -> None:
        """Take a verdict back, with its notes."""
        await feedback.remove(answer_id, principal=principal)

    @router.delete("/conversations", responses={401: FAULTS[401]})
    async def forget(principal: Annotated[Principal, Depends(caller)]) -> ForgottenPayload:
        """Delete all that is kept of the caller's questions, with their answers and verdicts, and theirs on others' answers."""
        if principal.id == ANONYMOUS:
            raise NotAllowed("Without a token nobody is known: there is nothing that is yours alone to delete.")
        return ForgottenPayload(answers=await feedback.forget(principal=principal))

    return router

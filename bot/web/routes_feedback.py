"""`PUT` and `DELETE /v1/answers/{answer_id}/feedback`: what somebody says of an answer they got."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.status import HTTP_204_NO_CONTENT

from bot.feedback import Feedback
from bot.web.bodies import FeedbackBody
from bot.web.callers import Caller, json_only
from bot.web.faults import FAULTS, FaultPayload
from bot.web.metrics import Metrics
from bot.web.ports import FeedbackTaker
from retrieval.access import Principal

_NOT_YOURS: dict[int | str, dict[str, Any]] = {
    404: {"model": FaultPayload, "description": "There is no such answer, or it was not given to you in a thread."}
}


def feedback_router(*, feedback: FeedbackTaker, caller: Caller, metrics: Metrics) -> APIRouter:
    """The routes, keeping verdicts with `feedback` for whoever `caller` says it is."""
    router = APIRouter(prefix="/v1/answers", tags=["answers"])

    @router.put(
        "/{answer_id}/feedback",
        status_code=HTTP_204_NO_CONTENT,
        responses={**FAULTS, **_NOT_YOURS},
        dependencies=[Depends(json_only)],
    )
    async def put(answer_id: str, body: FeedbackBody, principal: Annotated[Principal, Depends(caller)]) -> None:
        """Say whether an answer was good. `answer_id` is its `trace_id`; a later verdict takes the place of an earlier one."""
        await feedback.put(answer_id, Feedback(body.verdict, body.wrong, body.right), principal=principal)
        metrics.given_feedback(body.verdict)

    @router.delete("/{answer_id}/feedback", status_code=HTTP_204_NO_CONTENT, responses={401: FAULTS[401], **_NOT_YOURS})
    async def remove(answer_id: str, principal: Annotated[Principal, Depends(caller)]) -> None:
        """Take a verdict back, with its notes."""
        await feedback.remove(answer_id, principal=principal)

    return router

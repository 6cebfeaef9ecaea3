"""Content that is pushed to a connection of the source `ingest`."""

from functools import partial
from typing import Final

from pydantic import BaseModel, Field

from weft.domain.pushing import Push
from weft.errors import Unsupported
from weft.web.rest.operations import ApiCall, define
from weft.wire.jobs import JobAnswer

operation = partial(define, toolset="jobs")
NOT_HERE: Final = (
    "What is pushed is stored by Weft itself, and this server passes on to a remote API. Push to a "
    "Weft without WEFT_API_URL."
)


class PushQuery(BaseModel):
    """Somebody's word for deletions."""

    apply_deletions: bool = Field(
        default=False, description="Make the deletions that a push with `replace` held."
    )


@operation(
    "POST",
    "/source-connections/{source_connection_id}/entities",
    JobAnswer,
    query=PushQuery,
    body=Push,
    deletes_if="apply_deletions",
    statuses=(400, 404, 409),
)
async def push_entities(call: ApiCall[PushQuery, Push]) -> JobAnswer:
    """Weft's own: push a batch of entities to a connection of the source `ingest`. The answer is
    the job with its counts: COMPLETED, or with `more` PENDING until the last batch.
    """
    ingest = call.backend.ingest
    if ingest is None:
        raise Unsupported(NOT_HERE)
    connection_id = call.path["source_connection_id"]
    job = await ingest.push(connection_id, call.body, apply_deletions=call.query.apply_deletions)
    return JobAnswer.of(job)


OPERATIONS = (push_entities,)

"""Tells which jobs this process cannot run although another one may: its settings differ.

Each process has folders, hosts, secrets and sources of its own. A job is run only where it has what
it needs; elsewhere it is passed over and keeps waiting, and says for what.
"""

import anyio
import anyio.to_thread

from weft.domain.connections import AuthMethod
from weft.domain.jobs import JobStatus
from weft.errors import ErrorCategory, KeyUnavailable, WeftError
from weft.local.auth.authenticator import fetch_credentials
from weft.local.auth.credentials import CredentialRef, ref_of, unseal
from weft.local.engine import Engine
from weft.local.store.base import Claim, Outcome, WaitingJob
from weft.local.validate import validate

LOOK_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 30.0
HANDED_BACK_SECONDS = 3600.0
"""How long a job is passed over that had to be started to see that it cannot run here."""


async def find_obstacle(engine: Engine, ref: CredentialRef) -> WeftError | None:
    """Return the error that tells what this process lacks to sync a connection, None if nothing.

    Whatever else is wrong, the sync itself finds.
    """
    try:
        kind = engine.registry.get(ref.short_name)
        config = validate(kind.Config, ref.config, field="config")
        # A file system that hangs must not hold up the queue: the sync itself will wait for it.
        with anyio.move_on_after(LOOK_SECONDS):
            await anyio.to_thread.run_sync(
                kind.require_access, config, engine.context, abandon_on_cancel=True
            )
        if ref.method is AuthMethod.DIRECT:
            await fetch_credentials(engine, ref)
        elif ref.sealed is not None:
            await unseal(engine, ref)
    except WeftError as error:
        return error if error.needs else None
    except Exception:  # noqa: BLE001 (third-party code: it may raise anything, and will in the sync)
        return None
    return None


def waiting_outcome(obstacle: WeftError) -> Outcome:
    """Return the outcome of a job that waits for a process without that obstacle."""
    lost_key = isinstance(obstacle, KeyUnavailable)
    return Outcome(
        JobStatus.PENDING,
        error=f"Waits for a Weft process that {obstacle.needs}.",
        error_category=obstacle.category if lost_key else ErrorCategory.NO_PROCESS,
        error_details=obstacle.hint if lost_key else None,
    )


class JobPicker:
    """Claims jobs that this process can run, and remembers those that it passes over."""

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self._owner = owner
        self._passed_over: dict[str, float] = {}

    async def claim(self) -> Claim | None:
        """Claim the oldest waiting job that can run here; say of those before why they wait."""
        jobs, limits = self._engine.store.jobs, self._engine.limits
        passed_over = self._list_passed_over()
        while waiting := await jobs.find_waiting(
            host_limit=limits.syncs_per_host, passed_over=passed_over
        ):
            obstacle = await find_obstacle(self._engine, ref_of(waiting))
            if obstacle is not None:
                await self._pass_over(waiting, waiting_outcome(obstacle))
                passed_over.append(waiting.mark)
                continue
            # If another process was first, the next look finds what is left.
            return await jobs.claim(
                self._owner,
                lease=limits.lease,
                host_limit=limits.syncs_per_host,
                job_id=waiting.job_id,
            )
        return None

    def note_end(self, claim: Claim, outcome: Outcome) -> None:
        """Pass the job over from now on if its outcome is `waiting_outcome`."""
        if outcome.status is JobStatus.PENDING and outcome.error_category is not None:
            self._passed_over[claim.mark] = anyio.current_time() + HANDED_BACK_SECONDS

    async def _pass_over(self, waiting: WaitingJob, reason: Outcome) -> None:
        self._passed_over[waiting.mark] = anyio.current_time() + LOOK_AGAIN_SECONDS
        if waiting.error != reason.error:
            await self._engine.store.jobs.explain_wait(waiting.job_id, reason)
            self._engine.changes.announce()

    def _list_passed_over(self) -> list[str]:
        now = anyio.current_time()
        self._passed_over = {m: until for m, until in self._passed_over.items() if until > now}
        return list(self._passed_over)

"""The stand-in of Airweave over real HTTP, which may answer with a fault after what it did."""

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from weft.testing.airweave import Airweave, airweave_app
from weft.testing.airweave.state import Collection, Connection, Job, Sync, new_id
from weft.testing.scripted_http import HttpReply, HttpRequest

Fault = Callable[[], HttpReply | None]
"""Makes the answer of a request; None leaves it as it is."""


@dataclass
class FaultyAirweave:
    """An organisation with the collection `docs`, and the fault in its answers."""

    world: Airweave
    fault: Fault | None = None
    faulty: str = ""
    """Requests that end in the fault: a method and the end of a path."""
    does: bool = True
    known: Connection = field(init=False)
    """A connection that is there from the start."""

    def __post_init__(self) -> None:
        world, now = self.world, self.world.clock.now()
        world.worker_alive = False  # So a job that runs goes on running.
        world.collections["docs"] = Collection(new_id(), "Docs", "docs", now, now)
        self.known = self.add_connection("Known one")

    async def __call__(self, asked: HttpRequest) -> HttpReply:
        hit = f"{asked.method} {asked.path}".endswith(self.faulty)
        fault = self.fault if hit else None
        if fault is not None and not self.does:
            return fault() or await self._ask(asked)
        answer = await self._ask(asked)
        return (fault() if fault is not None else None) or answer

    def add_connection(self, name: str) -> Connection:
        """Add a connection with a job that runs."""
        now = self.world.clock.now()
        job = Job(new_id(), now, now, status="running", started_at=now)
        made = Connection(new_id(), name, None, "stub", "docs", {}, now, now, "direct", True)
        made.sync = Sync(new_id(), None, jobs=[job])
        self.world.connections[made.id] = made
        return made

    @property
    def jobs(self) -> list[Job]:
        """The jobs of the known connection, newest first."""
        assert self.known.sync is not None
        return self.known.sync.jobs

    def end_job(self) -> None:
        """End the job that runs."""
        self.jobs[0].status = "completed"
        self.jobs[0].completed_at = self.world.clock.now()

    async def _ask(self, asked: HttpRequest) -> HttpReply:
        transport = httpx.ASGITransport(airweave_app(self.world))
        async with httpx.AsyncClient(transport=transport, base_url="http://airweave.test") as http:
            answer = await http.request(
                asked.method, asked.target, content=asked.body, headers=asked.headers
            )
        return HttpReply(answer.status_code, answer.content, {"content-type": "application/json"})

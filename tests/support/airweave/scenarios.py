"""Recorded stories of the real Airweave, and their replay against the stand-in.

Ids, times, links and tokens differ from run to run: the replay puts its own in the place of the
recorded ones. Everything else has to be equal.
"""

import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr

from tests.support.airweave.replay import QUICK
from weft.remote.api.client import open_client
from weft.remote.backend import RemoteBackend
from weft.testing.airweave import Airweave, airweave_app

FOLDER = Path(__file__).parents[2] / "fixtures" / "airweave" / "scenarios"
NAMES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
URL = "http://airweave.test"
MOMENT_SECONDS = 0.05
MOMENTS_MAX = 400


@dataclass(frozen=True)
class Step:
    """A request of a story, and the real API's answer."""

    name: str
    method: str
    path: str
    status: int
    sent: Any = None
    caller: str = "key"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.0
    body: Any = None
    text: str | None = None

    @property
    def number(self) -> str:
        return self.name[:3]


def load_scenario(name: str) -> list[Step]:
    """Load a story, in the order in which it happened."""
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Step(**json.loads(line)) for line in lines]


def find_step(name: str, number: str) -> Step:
    """Return one exchange of a story."""
    return next(step for step in load_scenario(name) if step.number == number)


_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?"
_FREE_TEXT = re.compile(
    rf"{_UUID}|{_TIME}|https?://.*|\d+ \d+ \* \* \*|[0-9a-f]+\.\.\.|.*-[0-9a-z]{{6}}"
)
_FREE_KEYS = frozenset(
    {
        "claim_token",
        "session_token",
        "duration_seconds",
        "relevance_score",
        "next_run",
        "textual_representation",
        "raw_source_fields",
        "by_type",
        "created_by_email",
        "modified_by_email",
        "description",
        "entity_definition_short_name",
        "entity_definition_description",
        "count",
    }
)
_COUNTS = ("entities_inserted", "entities_updated", "entities_deleted", "entities_failed")


@dataclass
class Replay:
    """One story against a stand-in."""

    world: Airweave
    http: httpx.AsyncClient
    known: dict[str, str] = field(default_factory=dict[str, str])
    """What was recorded, to what stands for it here."""

    free: frozenset[str] = frozenset()
    """Keys of this story whose values are artefacts of the recording."""

    async def take(self, step: Step) -> None:
        """Send a request until the answer is the recorded one, which may take until a job is as
        far. What changes something is sent again only after a refusal.
        """
        self._wait_for_job(step)
        differences: list[str] = []
        for _ in range(MOMENTS_MAX):
            answer = await self._send(step)
            difference = self._difference(step, answer)
            if difference is None:
                self._learn(step, answer)
                return
            is_read = step.method == "GET" or "/search/" in step.path
            differences.append(difference)
            if answer.status_code < 400 and (not is_read or "/authorize/" in step.path):
                break
            self.world.clock.advance(MOMENT_SECONDS)
        raise AssertionError(f"{step.name}: {differences[0]}")

    def _wait_for_job(self, step: Step) -> None:
        """Let the job of the connection get as far as it was: the recorder polled, but did not
        record that.
        """
        wanted = _job_status_before(step)
        if wanted is None:
            return
        recorded = re.findall(_UUID, step.path)
        connection_id = self.known[recorded[0]]
        if len(recorded) > 1 and recorded[1] not in self.known:
            # No recorded answer showed this job before.
            job = self.world.connections[connection_id].last_job
            self.known[recorded[1]] = job.id if job else ""
        for _ in range(MOMENTS_MAX):
            self.world.settle()
            job = self.world.connections[connection_id].last_job
            if job is None or job.status == wanted:
                return
            self.world.clock.advance(MOMENT_SECONDS)

    async def _send(self, step: Step) -> httpx.Response:
        keys = {
            "key": {"x-api-key": self.world.key},
            "user": {"authorization": f"Bearer {self.world.user_token}"},
            "session": {"authorization": "Bearer session-of-connect"},
            "nobody": {},
        }
        sent = self._own(json.dumps(step.sent)) if step.sent is not None else None
        return await self.http.request(
            step.method,
            self._own(step.path),
            content=sent,
            headers={"content-type": "application/json", **keys[step.caller]},
            follow_redirects=False,
        )

    def _own(self, text: str) -> str:
        for recorded, actual in self.known.items():
            text = text.replace(recorded, actual)
        return text

    def _difference(self, step: Step, answer: httpx.Response) -> str | None:
        if answer.status_code != step.status:
            return f"status {answer.status_code} instead of {step.status}"
        if step.text is not None:
            first = step.text.split("\n")[0].partition(",")[0]
            return None if answer.text.startswith(first) else "another text"
        for name in step.headers:
            if name not in answer.headers:
                return f"no header {name}"
        if "location" in step.headers:
            wanted, found = urlsplit(step.headers["location"]), urlsplit(answer.headers["location"])
            asked = set(parse_qs(found.query)) ^ set(parse_qs(wanted.query))
            extra = asked - {"owner", "user_scope", "access_type", "prompt", "scope"}
            return f"location {found}" if extra or wanted.netloc != found.netloc else None
        return self._unequal(step.body, answer.json(), "body")

    def _unequal(self, wanted: Any, found: Any, place: str) -> str | None:
        key = place.rpartition(".")[2]
        if _are_objects(wanted, found):
            return self._unequal_object(wanted, found, place)
        if _are_lists(wanted, found):
            return self._unequal_list(wanted, found, place)
        if (wanted is None) != (found is None):
            return f"{place}: {found!r} instead of {wanted!r}"
        if key in _FREE_KEYS or key in self.free or wanted == found:
            return None
        if isinstance(wanted, str) and _FREE_TEXT.fullmatch(wanted) and isinstance(found, str):
            return None
        if isinstance(wanted, str) and isinstance(found, str) and self._is_same(wanted, found):
            return None
        return f"{place}: {found!r} instead of {wanted!r}"

    def _is_same(self, wanted: str, found: str) -> bool:
        return self._own(wanted) == found or _says_the_same(wanted, found)

    def _unequal_object(
        self, wanted: Mapping[str, Any], found: Mapping[str, Any], place: str
    ) -> str | None:
        if place != "body" and place.rpartition(".")[2] in _FREE_KEYS | self.free:
            return None
        if wanted.keys() != found.keys():
            return f"{place}: keys {sorted(wanted.keys() ^ found.keys())}"
        moving = "entities_inserted" in wanted and wanted["status"] in (
            "running",
            "cancelling",
            "cancelled",
        )
        for name, value in wanted.items():
            if moving and name in _COUNTS:
                continue
            difference = self._unequal(value, found[name], f"{place}.{name}")
            if difference:
                return difference
        return None

    def _unequal_list(self, wanted: list[Any], found: list[Any], place: str) -> str | None:
        if any(isinstance(item, dict) and "relevance_score" in item for item in wanted):
            # What is found differs, but not how it is shown.
            same = found and wanted[0].keys() == found[0].keys()
            return None if same else f"{place}: {len(found)} results"
        if place == "body" and place in self.free:
            wanted, found = wanted[:1], found[:1]
        if place.endswith("summaries"):
            wanted, found = sorted(wanted, key=str), sorted(found, key=str)
        if any(isinstance(item, dict) and "vector_size" in item for item in wanted):
            here = {item["readable_id"] for item in found}
            wanted = [item for item in wanted if item["readable_id"] in here]
        if len(wanted) != len(found):
            return f"{place}: {len(found)} items instead of {len(wanted)}"
        for number, pair in enumerate(zip(wanted, found, strict=True)):
            difference = self._unequal(*pair, f"{place}.{number}")
            if difference:
                return difference
        return None

    def _learn(self, step: Step, answer: httpx.Response) -> None:
        if "location" in step.headers:
            (wanted,) = parse_qs(urlsplit(step.headers["location"]).query).get("state", [""])
            (found,) = parse_qs(urlsplit(answer.headers["location"]).query).get("state", [""])
            if wanted:
                self.known[wanted] = found
        elif step.text is None and answer.content:
            self._learn_from(step.body, answer.json())

    def _learn_from(self, wanted: Any, found: Any) -> None:
        if _are_objects(wanted, found):
            for name in wanted.keys() & found.keys():
                self._learn_from(wanted[name], found[name])
                if name == "claim_token" and wanted[name]:
                    self.known[wanted[name]] = found[name]
                if name == "auth_url" and wanted[name]:
                    code = wanted[name].rpartition("/")[2]
                    self.known[code] = found[name].rpartition("/")[2]
                if name == "readable_id" and wanted[name] != found[name]:
                    self.known[wanted[name]] = found[name]
        elif _are_lists(wanted, found):
            for pair in zip(wanted, found, strict=False):
                self._learn_from(*pair)
        elif isinstance(wanted, str) and isinstance(found, str) and re.fullmatch(_UUID, wanted):
            self.known[wanted] = found


def _job_status_before(step: Step) -> str | None:
    if step.status != 200 or step.method not in ("PATCH", "DELETE", "POST"):
        return None
    if step.path.endswith("/cancel"):
        return {"cancelling": "running", "cancelled": "pending"}[step.body["status"]]
    is_change = step.method != "POST" and step.path.startswith("/source-connections/")
    history = step.body.get("sync") if is_change else None
    return history["last_job"]["status"] if history else None


def _are_objects(*values: Any) -> bool:
    return all(isinstance(value, dict) for value in values)


def _are_lists(*values: Any) -> bool:
    return all(isinstance(value, list) for value in values)


def _says_the_same(wanted: str, found: str) -> bool:
    """Tell whether two texts differ only in what libraries decide: an order, or a wording."""
    if "Supported methods:" in wanted:
        return sorted(wanted.split("'")) == sorted(found.split("'"))
    parts = (
        "Input should be a valid UUID",
        "Input should be 'sync.pending'",
        "Value error, Cannot use",
        "Value error, Date field",
    )
    return any(wanted.startswith(part) and found.startswith(part) for part in parts)


@asynccontextmanager
async def open_backend_at(world: Airweave) -> AsyncGenerator[RemoteBackend]:
    """Open Weft's remote backend at a stand-in in this process."""
    transport = httpx.ASGITransport(airweave_app(world))
    key = SecretStr(world.key)
    async with open_client(URL, key, timeouts=QUICK, transport=transport) as client:
        yield RemoteBackend(client)


def open_http(world: Airweave) -> httpx.AsyncClient:
    """Open a client of a stand-in in this process."""
    transport = httpx.ASGITransport(airweave_app(world))
    return httpx.AsyncClient(transport=transport, base_url=URL)

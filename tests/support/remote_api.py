"""An Airweave API in memory: it does what it is asked, and then may answer with a fault."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from weft.testing.scripted_http import HttpReply, HttpRequest, as_json

NOW = "2026-11-21T21:09:19.299120"
LATER = "2026-11-21T21:09:20.000001"

STUB: dict[str, Any] = {
    "short_name": "stub",
    "name": "Stub",
    "auth_methods": ["direct"],
    "auth_fields": {"fields": [{"name": "token", "title": "Token", "type": "string"}]},
    "config_fields": {"fields": []},
}

OPEN = {
    **STUB,
    "short_name": "open",
    "auth_methods": ["direct", "oauth_browser", "oauth_token", "auth_provider"],
}

Fault = Callable[[], HttpReply]


def make_connection(connection_id: str, name: str) -> dict[str, Any]:
    return {
        "id": connection_id,
        "organization_id": str(uuid.UUID(int=7)),
        "name": name,
        "short_name": "stub",
        "readable_collection_id": "docs",
        "status": "active",
        "created_at": NOW,
        "modified_at": NOW,
        "auth": {"method": "direct", "authenticated": True},
        "config": {},
        "sync_id": connection_id,
    }


@dataclass
class Api:
    """An API that does what it is asked, and then may answer with a fault."""

    fault: Fault | None = None
    faulty: str = ""
    """Requests that end in the fault: a method and the end of a path."""
    does: bool = True
    connections: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    collections: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def __call__(self, asked: HttpRequest) -> HttpReply:
        hit = self.fault is not None and f"{asked.method} {asked.path}".endswith(self.faulty)
        if hit and not self.does:
            assert self.fault is not None
            return self.fault()
        reply = self.answer(asked)
        return self.fault() if hit and self.fault is not None else reply

    def answer(self, asked: HttpRequest) -> HttpReply:
        match asked.path.strip("/").split("/"):
            case ["source-connections"]:
                return self.serve_connections(asked)
            case ["source-connections", one] if one in self.connections:
                return self.serve_connection(asked, one)
            case ["source-connections", one, *action] if one in self.connections:
                return self.serve_jobs(one, action)
            case ["sources"]:
                return as_json([STUB])
            case ["sources", "stub"]:
                return as_json(STUB)
            case ["sources", "open"]:
                return as_json(OPEN)
            case ["collections", *one]:
                return self.serve_collections(asked, *one[:1])
            case _:
                return as_json({"detail": "SourceConnection not found"}, 404)

    def serve_connections(self, asked: HttpRequest) -> HttpReply:
        if asked.method == "GET":
            return as_json(list(self.connections.values())[: int(asked.query["limit"])])
        made = make_connection(str(uuid.uuid4()), json.loads(asked.body)["name"])
        self.connections = {made["id"]: made} | self.connections
        return as_json(made)

    def serve_connection(self, asked: HttpRequest, one: str) -> HttpReply:
        if asked.method == "DELETE":
            return as_json(self.connections.pop(one))
        if asked.method == "PATCH":
            name = json.loads(asked.body)["name"]
            self.connections[one] |= {"name": name, "modified_at": LATER}
        return as_json(self.connections[one])

    def serve_jobs(self, one: str, action: list[str]) -> HttpReply:
        if action == ["run"]:
            self.jobs.setdefault(one, []).insert(0, self.make_job(one))
            return as_json(self.jobs[one][0])
        if action == ["jobs"]:
            return as_json(self.jobs.get(one, []))
        found = [job for job in self.jobs[one] if job["id"] in action]
        if not found:
            return as_json(self.connections[one])
        found[0]["status"] = "cancelling"
        return as_json(found[0])

    def serve_collections(self, asked: HttpRequest, one: str | None = None) -> HttpReply:
        if asked.method == "POST" and one is None:
            sent = json.loads(asked.body)
            made = {**sent, "id": str(uuid.uuid4()), "created_at": NOW, "modified_at": NOW}
            self.collections[sent["readable_id"]] = made
            return as_json(made)
        if one is None:
            return as_json(list(self.collections.values()))
        found = self.collections.get(one)
        return as_json(found) if found else as_json({"detail": "Collection not found"}, 404)

    def make_job(self, connection_id: str) -> dict[str, Any]:
        job_id = str(uuid.uuid4())
        return {"id": job_id, "source_connection_id": connection_id, "status": "running"}

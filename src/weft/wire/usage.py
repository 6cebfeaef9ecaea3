"""Airweave's account of what a plan allows and of what is used."""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from weft.wire.upstream import Upstream, read

UNCOUNTED_PLAN: Final = "legacy"
"""What Airweave tells, with zeros, of an organisation whose use it does not count."""

_WORD: Final = re.compile(r"[a-z_]{1,40}")


class _Usage(Upstream):
    entities: int = 0
    queries: int = 0
    tokens: int = 0
    source_connections: int = 0
    max_entities: int | None = None
    max_queries: int | None = None
    max_tokens: int | None = None
    max_source_connections: int | None = None


class _Period(Upstream):
    plan: str
    status: str = "active"
    days_remaining: int | None = None
    usage: _Usage


class UpstreamDashboard(Upstream):
    """The present billing period; the past ones are not read."""

    current_period: _Period


def read_usage(body: JsonValue) -> Mapping[str, str]:
    """Read what is used of a plan, as named facts for people. No foreign text is in them."""
    period = read(UpstreamDashboard, body).current_period
    plan, status = (
        word if _WORD.fullmatch(word) else "unknown" for word in (period.plan, period.status)
    )
    if plan == UNCOUNTED_PLAN:
        return {"plan": "none, use is not counted"}
    usage = period.usage
    used = {
        "connections": (usage.source_connections, usage.max_source_connections),
        "entities": (usage.entities, usage.max_entities),
        "queries": (usage.queries, usage.max_queries),
        "tokens": (usage.tokens, usage.max_tokens),
    }
    facts = {"plan": f"{plan}, {status}"}
    facts |= {
        name: f"{count:,} used, {'no limit' if most is None else f'{most:,} allowed'}"
        for name, (count, most) in used.items()
    }
    if period.days_remaining is not None:
        facts["days left"] = str(period.days_remaining)
    return facts

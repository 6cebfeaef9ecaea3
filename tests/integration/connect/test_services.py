"""An agent that is asked to connect a service finds it by name, and searches it four calls later.

It knows nothing but what the tools tell it, has all sources to choose from, and is given the
credentials by its user. The services are scripted: see `tests/support/sources`.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources import (
    atlassian,
    github,
    github_streams,
    gitlab,
    gmail,
    google_drive,
    hubspot,
    linear,
    notion,
    salesforce,
    slack,
    zendesk,
)
from tests.support.sources.agents import Agent, open_agent
from weft.domain.base import Json
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.registry import SourceRegistry
from weft.sources.rest.source import RestSource
from weft.testing.http_faults import NO_WAIT, wait_not
from weft.testing.scripted_http import Handler, serve

pytestmark = pytest.mark.anyio


@dataclass
class Service:
    """A scripted service, what its user tells the agent, and a word that comes by a change."""

    wish: str
    server: Handler
    secret: str
    finds: str
    change: Callable[[], object]
    finds_later: str
    config: Json | None = None
    more: Json | None = None
    secret_field: str = "access_token"
    path: str = ""


def make_confluence() -> Service:
    wiki = atlassian.FakeConfluence()
    new = atlassian.page(4, day=60, title="How to milk otters")
    return Service(
        "Confluence wiki",
        wiki,
        "correct-horse",
        finds="pour slowly",
        change=lambda: wiki.pages.append(new),
        finds_later="otters",
        config={"site": "acme"},
        more={"email": "ada@example.org"},
    )


def make_jira() -> Service:
    jira = atlassian.FakeJira()
    new = atlassian.issue(4, day=90, summary="Otters got in")
    return Service(
        "Jira",
        jira,
        "correct-horse",
        finds="kettle leaks",
        change=lambda: jira.issues.append(new),
        finds_later="otters",
        config={"site": "acme"},
        more={"email": "ada@example.org"},
    )


def make_github() -> Service:
    hub = github_streams.FakeStreams({"README.md": b"# Tea\nAll about walruses\n"})
    new = github_streams.issue(8, day=6, title="Otters got in")
    return Service(
        "GitHub issues",
        hub,
        github.TOKEN,
        finds="walruses",
        change=lambda: hub.issues.append(new),
        finds_later="otters",
        config={"repo_name": "me/repo", "sync_issues": True},
        secret_field="personal_access_token",
    )


def make_gitlab() -> Service:
    hub = gitlab.FakeGitLab()
    new = gitlab.issue(4, day=4, title="Otters got in")
    return Service(
        "GitLab",
        hub,
        "correct-horse",
        finds="kettle leaks",
        change=lambda: hub.issues.append(new),
        finds_later="otters",
        path="/api/v4",
    )


def make_gmail() -> Service:
    box = gmail.FakeGmail()
    box.put("m1", gmail.mail("Tea", "About walruses"), "INBOX")
    return Service(
        "my Google Mail",
        box,
        "correct-horse",
        finds="walruses",
        change=lambda: box.put("m2", gmail.mail("Otters got in", "Help."), "INBOX", day=2),
        finds_later="otters",
        path="/gmail/v1/users/me",
    )


def make_google_drive() -> Service:
    drive = google_drive.FakeDrive()
    old, new = (google_drive.file(key, google_drive.DOCUMENT, key) for key in ("Tea", "Otters"))
    drive.put(old, b"# Tea\n\nAbout walruses.")
    return Service(
        "Google Drive",
        drive,
        "correct-horse",
        finds="walruses",
        change=lambda: drive.put(new, b"They got in."),
        finds_later="otters",
        path="/drive/v3",
    )


def make_hubspot() -> Service:
    account = hubspot.FakeHubSpot()
    new = hubspot.note(14, day=3, body="Wants otters")
    return Service(
        "HubSpot CRM",
        account,
        "correct-horse",
        finds="Ada",
        change=lambda: account.records["notes"].append(new),
        finds_later="otters",
    )


def make_linear() -> Service:
    server = linear.FakeLinear({"issues": [linear.issue(1, "Cold tea")], **linear.others()})
    new = linear.issue(4, "Otters", "2026-03-03T00:00:00.000Z")
    return Service(
        "Linear",
        server,
        linear.KEY,
        finds="cold tea",
        change=lambda: server.lists["issues"].append(new),
        finds_later="otters",
    )


def make_notion() -> Service:
    server = notion.FakeNotion(
        [notion.page(1, "Tea"), notion.data_source(20, "Tasks")],
        {notion.id_of(1): [notion.text_block(40, "paragraph", "Boil the kettle")]},
    )

    def change() -> None:
        server.things.append(notion.page(2, "Otters", edited="2026-03-03T00:01:00.000Z"))
        server.blocks[notion.id_of(2)] = []

    return Service(
        "my Notion",
        server,
        notion.TOKEN,
        finds="kettle",
        change=change,
        finds_later="otters",
    )


def make_salesforce() -> Service:
    org = salesforce.FakeSalesforce()
    new = salesforce.account(4, day=3, about="Sells otters.")
    return Service(
        "Salesforce",
        org,
        "correct-horse",
        finds="sells tea",
        change=lambda: org.records["Account"].append(new),
        finds_later="otters",
        config={"instance_url": "acme.my.salesforce.com"},
    )


def make_slack() -> Service:
    server = slack.FakeSlack(
        [slack.channel("C0GENERAL1", "general")],
        {"C0GENERAL1": [slack.message("1772323205.000005", "Good morning, walruses")]},
        users=[slack.user("U0ADA00001", "Ada")],
    )
    new = slack.message("1772409605.000005", "Otters are here")
    return Service(
        "Slack",
        server,
        slack.TOKEN,
        finds="walruses",
        change=lambda: server.messages["C0GENERAL1"].append(new),
        finds_later="otters",
    )


def make_zendesk() -> Service:
    account = zendesk.FakeZendesk()
    new = zendesk.ticket(4, day=4, subject="Otters got in")
    return Service(
        "Zendesk tickets",
        account,
        "correct-horse",
        finds="smoke",
        change=lambda: account.tickets.append(new),
        finds_later="otters",
        config={"subdomain": "acme"},
    )


SERVICES = {
    "confluence": make_confluence,
    "github": make_github,
    "gitlab": make_gitlab,
    "gmail": make_gmail,
    "google_drive": make_google_drive,
    "hubspot": make_hubspot,
    "jira": make_jira,
    "linear": make_linear,
    "notion": make_notion,
    "salesforce": make_salesforce,
    "slack": make_slack,
    "zendesk": make_zendesk,
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no source pause between requests."""
    monkeypatch.setattr(RestSource, "sleep", staticmethod(wait_not))


@asynccontextmanager
async def open_service(home: Path, name: str, service: Service) -> AsyncGenerator[Agent]:
    """Run the service, and a Weft with all sources whose operator sends this one there."""
    registry = SourceRegistry()
    async with serve(service.server) as site:
        context = SourceContext(
            http=http_factory({"127.0.0.1"}, clock=NO_WAIT),
            options={f"{name}_api_url": f"{site.url}{service.path}"},
        )
        async with open_agent(home, *map(registry.get, registry.names()), context=context) as agent:
            yield agent


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", SERVICES)
async def test_service_is_searchable_in_four_calls_and_follows_what_changes(
    tmp_path: Path, name: str
) -> None:
    service = SERVICES[name]()
    async with open_service(tmp_path, name, service) as agent:
        await agent.call("list_sources", query=service.wish)
        told = agent.answers[-1]
        assert f"short_name: {name}" in told
        fields = [service.secret_field, *(service.config or {}), *(service.more or {})]
        assert all(f"- {field} (" in told for field in fields)
        credentials = {service.secret_field: service.secret, **(service.more or {})}
        made = await agent.call(
            "create_connection",
            short_name=name,
            config=service.config or {},
            auth={"direct": {"credentials": credentials}},
        )
        job = await agent.follow()
        assert job["status"] == "COMPLETED", job
        await agent.call("search", query=service.finds)
        assert "1. " in agent.answers[-1]
        assert len(agent.answers) == 4
        assert service.secret not in "".join(agent.answers)

        again = await run(agent, made["id"])
        assert again["entities_inserted"] == again["entities_updated"] == 0
        assert again["entities_deleted"] == 0
        service.change()
        await run(agent, made["id"])
        await agent.call("search", query=service.finds_later)
        assert service.finds_later in agent.answers[-1].lower()


async def run(agent: Agent, connection_id: str) -> dict[str, Any]:
    """Sync once more by the tools; return the job, which must have ended well."""
    await agent.call("run_sync", connection_id=connection_id)
    job = await agent.follow()
    assert job["status"] == "COMPLETED", job
    return job

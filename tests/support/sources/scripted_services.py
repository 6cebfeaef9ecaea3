"""The scripted services, each with what its user tells an agent who is to connect it."""

from collections.abc import Callable
from dataclasses import dataclass

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
from weft.domain.base import Json
from weft.testing.scripted_http import Handler


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

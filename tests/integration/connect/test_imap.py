"""An agent that is asked to connect a mailbox gets it searchable in few calls."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.local.embedded import no_network
from tests.support.sources.agents import open_agent
from tests.support.sources.mail_server import PASSWORD, USER, mail, serve_mail
from weft.sources.base import SourceContext
from weft.sources.imap.source import ImapSource

pytestmark = pytest.mark.anyio

CONTEXT = SourceContext(http=no_network, allow_hosts=frozenset({"127.0.0.1"}))


async def test_mailbox_is_searchable_in_four_calls_and_follows_what_goes(tmp_path: Path) -> None:
    async with serve_mail() as server, open_agent(tmp_path, ImapSource, context=CONTEXT) as agent:
        await server.add("INBOX", mail("Lunch", "about walruses"), mail("Tea", "about otters"))
        await agent.call("get_source", short_name="imap")
        made = await agent.call(
            "create_connection",
            short_name="imap",
            config={"host": "127.0.0.1", "port": server.port, "security": "plain"},
            auth={"direct": {"credentials": {"username": USER, "password": PASSWORD}}},
        )
        await agent.follow()
        await agent.call("search", query="walruses")
        assert "Lunch" in agent.answers[-1]
        assert len(agent.answers) == 4
        assert PASSWORD not in "".join(agent.answers)

        await server.add("INBOX", mail("Dinner", "about seals"))
        await server.remove("INBOX", 101)
        job = await agent.sync(made["id"])
        assert (job.entities_inserted, job.entities_deleted) == (1, 1)
        job = await agent.sync(made["id"], full=True)
        assert (job.entities_unchanged, job.warnings) == (2, ())
        await agent.call("search", query="walruses")
        assert "Lunch" not in agent.answers[-1]


async def test_pattern_that_fits_no_folder_is_told_before_any_sync(tmp_path: Path) -> None:
    async with serve_mail() as server, open_agent(tmp_path, ImapSource, context=CONTEXT) as agent:
        await server.add("Projects", mail("Lunch"))
        made = await agent.call(
            "create_connection",
            short_name="imap",
            config={
                "host": "127.0.0.1",
                "port": server.port,
                "security": "plain",
                "include": ["Projcts", "inbox"],
            },
            auth={"direct": {"credentials": {"username": USER, "password": PASSWORD}}},
            sync_immediately=False,
        )
    assert made["preview"]["unmatched"] == [
        {"field": "include", "pattern": "Projcts", "untrusted_near": "Projects"}
    ]


async def test_host_that_the_operator_does_not_allow_is_refused_with_the_setting(
    tmp_path: Path,
) -> None:
    context = replace(CONTEXT, allow_hosts=frozenset())
    async with serve_mail() as server, open_agent(tmp_path, ImapSource, context=context) as agent:
        refused = await agent.refuse(
            "create_connection",
            short_name="imap",
            config={"host": "127.0.0.1", "port": server.port},
            auth={"direct": {"credentials": {"username": USER, "password": PASSWORD}}},
        )
    assert "WEFT_ALLOW_HOSTS" in refused

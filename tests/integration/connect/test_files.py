"""An agent that is asked to connect a folder of documents finds out how, and searches them."""

import shutil
from pathlib import Path

import pytest

from tests.support.local.embedded import no_network
from tests.support.sources.agents import open_agent
from tests.support.sources.documents import DOCUMENTS
from weft.sources.base import SourceContext
from weft.sources.registry import SourceRegistry

pytestmark = pytest.mark.anyio


async def test_folder_of_pdfs_is_searchable_in_four_calls_and_follows_what_changes(
    tmp_path: Path,
) -> None:
    folder, registry = tmp_path / "reports", SourceRegistry()
    folder.mkdir()
    shutil.copy(DOCUMENTS / "report.pdf", folder)
    context = SourceContext(http=no_network, files_roots=(folder,))
    kinds = map(registry.get, registry.names())
    async with open_agent(tmp_path / "home", *kinds, context=context) as agent:
        await agent.call("list_sources", query="folder with PDFs")
        assert "short_name: files" in agent.answers[-1]
        assert "- path (string, required)" in agent.answers[-1]
        made = await agent.call(
            "create_connection", short_name="files", config={"path": str(folder)}
        )
        await agent.follow()
        await agent.call("search", query="tide")
        assert "report.pdf" in agent.answers[-1]
        assert len(agent.answers) == 4

        assert (await agent.sync(made["id"])).entities_unchanged == 1
        shutil.move(folder / "report.pdf", folder / "tides.pdf")
        moved = await agent.sync(made["id"])
        assert (moved.entities_inserted, moved.entities_deleted) == (1, 1)

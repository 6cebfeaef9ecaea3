"""What the public suite expects to find on a server: tools that run as tasks."""

import memory_tasks
from weft.server.sdk import WeftServer


def register(server: WeftServer) -> None:
    """Add the tools, with a store of tasks in memory."""
    memory_tasks.register(server)

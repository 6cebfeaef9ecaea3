"""What the public suite expects to find on a server: tools that run as tasks."""

from weft.server.sdk import WeftServer


def register(server: WeftServer) -> None:
    """Nothing yet."""
    del server

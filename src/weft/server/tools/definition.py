"""Tools: handlers with their definitions, converted to the SDK's form when first needed."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mcp.server.mcpserver.tools import Tool, ToolManager
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata, func_metadata
from mcp_types import CallToolResult, ToolAnnotations

from weft.domain.access.permissions import Impact
from weft.server import apps
from weft.server.tools.schema import compact

_CALL_PARAMETER = "call"

Handler = Callable[..., Awaitable[CallToolResult]]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A handler with all that clients learn about it. The handler's name is the tool's name."""

    handler: Handler
    title: str
    description: str
    annotations: ToolAnnotations
    impact: Impact
    quick: bool = False
    dashboard: bool = False
    deletes_if: str = ""
    toolset: str = ""

    def impact_of(self, arguments: Mapping[str, object]) -> Impact:
        """Return the impact of a call with these arguments."""
        return Impact.DELETES if arguments.get(self.deletes_if) else self.impact

    @property
    def name(self) -> str:
        """Return the tool's name."""
        return self.handler.__name__


def tool(
    title: str,
    description: str,
    *,
    reads: bool = False,
    checks: bool = False,
    destroys: bool = False,
    deletes: bool = False,
    repeatable: bool = False,
    outside: bool = False,
    quick: bool = False,
    dashboard: bool = False,
    deletes_if: str = "",
) -> Callable[[Handler], ToolSpec]:
    """Define a tool.

    ``reads``: changes nothing. ``checks``: changes nothing but what Weft knows of the connection:
    hosts need not ask before it, but a read-only Weft leaves it out. ``destroys``: may remove or
    overwrite something. ``deletes``: its purpose is to remove something for good. ``repeatable``:
    the same call again changes nothing more. ``outside``: talks to systems beyond Weft. ``quick``:
    reads a few rows, without waiting or reporting progress. ``dashboard``: hosts that have apps
    show the dashboard with the result. ``deletes_if``: an argument with which it deletes.
    """
    annotations = ToolAnnotations(
        read_only_hint=reads or checks,
        destructive_hint=destroys or deletes,
        idempotent_hint=repeatable or reads or checks,
        open_world_hint=outside,
    )
    text = " ".join(description.split())
    impact = Impact.READS if reads else Impact.DELETES if deletes else Impact.CHANGES
    return lambda handler: ToolSpec(
        handler, title, text, annotations, impact, quick, dashboard, deletes_if
    )


class LazyTools(ToolManager):
    """Builds the models and schemas of a tool when it is first listed or called.

    Building takes a few milliseconds per tool, and no client should wait for that at the start.
    """

    def __init__(self, load: Callable[[], dict[str, ToolSpec]]) -> None:
        super().__init__()
        self._load = load
        self._specs: dict[str, ToolSpec] | None = None
        self._built: dict[str, Tool] = {}

    @property
    def specs(self) -> dict[str, ToolSpec]:
        """Return Weft's own tools by name, in the order in which they are listed."""
        if self._specs is None:
            self._specs = self._load()
        return self._specs

    def get_tool(self, name: str) -> Tool | None:
        """Return the tool of that name, or None."""
        if name not in self.specs:
            return super().get_tool(name)
        if name not in self._built:
            self._built[name] = _build(self.specs[name])
        return self._built[name]

    def list_tools(self) -> list[Tool]:
        """Return Weft's tools in the order of their definition, then any that were added."""
        own = [self.get_tool(name) for name in self.specs]
        return [tool for tool in own if tool is not None] + super().list_tools()


def _build(spec: ToolSpec) -> Tool:
    metadata, parameters = _read_signature(spec.handler)
    return Tool(
        fn=spec.handler,
        name=spec.name,
        title=spec.title,
        description=spec.description,
        parameters=parameters,
        fn_metadata=metadata,
        is_async=True,
        context_kwarg=_CALL_PARAMETER,
        annotations=spec.annotations,
        meta=apps.TOOL_META if spec.dashboard else None,
    )


# A handler's signature is the same for all servers of a process, and nobody changes what it says.
@lru_cache(maxsize=64)
def _read_signature(handler: Handler) -> tuple[FuncMetadata, dict[str, Any]]:
    metadata = func_metadata(handler, skip_names=[_CALL_PARAMETER])
    if metadata.output_schema is not None:
        metadata.output_schema = compact(metadata.output_schema, closed=False)
    return metadata, compact(metadata.arg_model.model_json_schema(), closed=True)

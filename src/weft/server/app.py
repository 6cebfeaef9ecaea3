"""The MCP server: the SDK's own, with its defaults replaced where Weft promises more.

By default the SDK repeats rejected values, ignores unknown arguments and list cursors, and answers
an unknown name with the wrong kind of error.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.lowlevel.server import HandlerEntry
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_PARAMS,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    EmptyResult,
    GetPromptResult,
    InputRequiredResult,
    ListResourcesResult,
    PaginatedRequestParams,
    Prompt,
    ReadResourceRequestParams,
    ResourceTemplate,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)
from mcp_types import Tool as ToolDefinition
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from pydantic import AnyUrl

from weft.backend import Backend
from weft.domain.access.acting import acting
from weft.domain.access.permissions import Ceilings, Impact
from weft.domain.access.principals import Principal, WhoCalls
from weft.domain.jobs import Job
from weft.errors import NotPermitted, TryLater, WeftError
from weft.server import apps
from weft.server.bounded_waits import BoundedWaits
from weft.server.call import InlineCredentials, ToolCall, no_progress
from weft.server.call_log import ObserveCall, ObserveRefusal, log_call
from weft.server.claim_tokens import ClaimTokens
from weft.server.elicitation.ask import AnswersNeeded, Ask, Rounds
from weft.server.elicitation.confirmations import Confirmations
from weft.server.render.errors import crash_result, error_result, explain
from weft.server.render.icons import ICONS
from weft.server.render.protocol_errors import convert_errors, refuse_cursors, unknown_name_error
from weft.server.render.size import shorten
from weft.server.render.structured import add_notes
from weft.server.resources.completion import complete
from weft.server.resources.prompts import prompt_definitions, render_prompt
from weft.server.resources.read import (
    SCHEME,
    URI_MAX_CHARS,
    list_resources,
    no_resource,
    read_resource,
    resource_templates,
    toolset_of,
)
from weft.server.resources.subscriptions import Subscriptions
from weft.server.resources.watcher import ResourceWatcher
from weft.server.sdk_patches import PatchedServer, connection_of
from weft.server.tasks import JobTasks, Tasks, require_tasks
from weft.server.tools.definition import LazyTools, ToolSpec
from weft.server.tools.validation import clamp_numbers, explain_refusals, parse_arguments

# Many clients abandon a call after 60 seconds.
CALL_SECONDS_MAX = 50
_LONG_URI = f"uri: an address of Weft has at most {URI_MAX_CHARS} characters."
_TOO_LONG = TryLater(
    f"The call was stopped after {CALL_SECONDS_MAX} seconds.",
    hint="Look what became of it before you call again: get_connection, list_jobs.",
)
# These lists fit on one page. The list of tools depends on the caller.
_CACHE_HINTS: dict[CacheableMethod, CacheHint] = {
    "tools/list": CacheHint(ttl_ms=300_000, scope="private"),
    "prompts/list": CacheHint(ttl_ms=300_000, scope="public"),
    "resources/templates/list": CacheHint(ttl_ms=300_000, scope="public"),
}

AnyContext = Context[Any, Any]
AnyRequest = ServerRequestContext[Any, Any]


class WeftServer(PatchedServer):
    """An MCP server over each caller's backend.

    The same object serves every transport and both eras. Serve it within `announcing`, so that
    subscribers hear of changed resources; the lists of tools and prompts never change.
    """

    def __init__(
        self,
        backend_for: Callable[[Principal], Backend],
        who_calls: WhoCalls,
        ceilings: Ceilings,
        observe: ObserveCall | None,
        *,
        name: str,
        version: str,
        instructions: str,
        inline_credentials: InlineCredentials,
        observe_refusal: ObserveRefusal | None = None,
    ) -> None:
        self._watcher = ResourceWatcher(backend_for)
        self._bus = Subscriptions(self._watcher, who_calls, self._must_exist)
        self.tasks = Tasks(
            JobTasks(backend_for, who_calls, self._refusal, self.call_tool, self._job_result)
        )
        self._tools = LazyTools(self._load_tools)
        super().__init__(
            self._tools,
            name=name,
            title="Weft",
            icons=ICONS,
            version=version,
            instructions=instructions,
            cache_hints=_CACHE_HINTS,
            subscriptions=self._bus,
            extensions=(self.tasks,),
        )
        self._backend_for = backend_for
        self._who_calls = who_calls
        self._ceilings = ceilings
        self._observe = observe
        self._observe_refusal = observe_refusal
        self.confirmations = Confirmations()
        self._rounds = Rounds()
        self._claim_tokens = ClaimTokens()
        self.waits = BoundedWaits()
        self._inline_credentials: InlineCredentials = inline_credentials
        low = self.lowlevel
        low.extensions[apps.EXTENSION_ID] = {}
        low.middleware.insert(0, explain_refusals)
        for method in _CACHE_HINTS:
            refuse_cursors(low, method)
        add = low.add_request_handler
        add("completion/complete", CompleteRequestParams, self._complete)
        add("resources/list", PaginatedRequestParams, self._list_resource_page)
        add("resources/subscribe", SubscribeRequestParams, self._subscribe)
        add("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
        add("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)

    @property
    def backend(self) -> Backend:
        """Return the current caller's backend, limited to what the caller may see."""
        return self._backend_for(self._who_calls())

    def is_quick(self, name: str) -> bool:
        """Return whether the tool answers at once and reports no progress."""
        spec = self._tools.specs.get(name)
        return spec is not None and spec.quick

    def has_header_arguments(self, name: str) -> bool:
        """Return whether HTTP headers may repeat arguments of that tool; never for Weft's own."""
        return name not in self._tools.specs

    def announcing(self) -> AbstractAsyncContextManager[None]:
        """Serve subscriptions within this context; enter it once, around all transports."""
        return self._watcher.running()

    async def run_streams(
        self,
        read: MemoryObjectReceiveStream[SessionMessage | Exception],
        write: MemoryObjectSendStream[SessionMessage],
    ) -> None:
        """Serve one connection over a pair of streams until the reading side closes."""
        low = self.lowlevel
        await low.run(read, write, low.create_initialization_options())

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: AnyContext | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Run a tool; any failure becomes a result that says what to do.

        Raises MCPError -32602 for an unknown tool.
        """
        found = self._tools.get_tool(name)
        if found is None:
            raise unknown_name_error(
                "tool", name, [known.name for known in await self.list_tools()]
            )
        if name not in self._tools.specs:
            return await super().call_tool(name, arguments, context)
        report = no_progress if context is None else context.report_progress
        principal = self._who_calls()
        call = ToolCall(
            self._backend_for(principal),
            self.confirmations.bound_to(principal),
            report,
            self.waits,
            Ask(context, self._rounds),
            self._claim_tokens,
            self._inline_credentials,
        )
        refusal = self._refusal(name, principal, arguments)
        started = time.perf_counter()
        with acting(operation=name, principal=principal.name, arguments=arguments):
            if refusal and self._observe_refusal is not None:
                await self._observe_refusal(principal, name)
            result = error_result(refusal) if refusal else await _run(found, call, arguments)
        if isinstance(result, CallToolResult):
            result = shorten(result)
        seconds = time.perf_counter() - started
        outcome = log_call(name, arguments, result, principal=principal, seconds=seconds)
        if self._observe is not None:
            self._observe(name, outcome, seconds)
        return result

    async def list_tools(self) -> list[ToolDefinition]:
        """Return the tools that the current caller may use."""
        principal = self._who_calls()
        tools = await super().list_tools()
        return [tool for tool in tools if self._refusal(tool.name, principal) is None]

    async def list_prompts(self) -> list[Prompt]:
        """Return Weft's prompts that the current caller can follow, then any that were added."""
        principal = self._who_calls()
        refused = {name for name in self._tools.specs if self._refusal(name, principal)}
        return [*prompt_definitions(refused), *await super().list_prompts()]

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: AnyContext | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        """Render a prompt. Raises MCPError -32602 for an unknown one or for wrong arguments."""
        names = [prompt.name for prompt in await self.list_prompts()]
        if name not in names:
            raise unknown_name_error("prompt", name, names)
        try:
            rendered = render_prompt(name, arguments or {})
        except WeftError as error:
            raise MCPError(code=INVALID_PARAMS, message=explain(error)) from None
        return rendered or await super().get_prompt(name, arguments, context)

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Return the resource templates that the current caller may use."""
        known = resource_templates(self.backend)
        own = [one for one in known if not self._resource_refusal(one.uri_template)]
        return [*own, *await super().list_resource_templates()]

    async def read_resource(
        self, uri: AnyUrl | str, context: AnyContext | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource. Raises MCPError -32602 when there is none at ``uri``."""
        text = str(uri)
        if len(text) > URI_MAX_CHARS:
            raise MCPError(code=INVALID_PARAMS, message=_LONG_URI)
        if text == apps.DASHBOARD_URI:
            return [await self._dashboard()]
        if not text.startswith(SCHEME):
            try:
                return await super().read_resource(uri, context)
            except ResourceNotFoundError:
                # The SDK's text repeats the address. The protocol wants it in the data (SEP-2164),
                # and only there.
                message = explain(no_resource())
                raise MCPError(code=INVALID_PARAMS, message=message, data={"uri": text}) from None
        content = await convert_errors(self._content(text), "Reading the resource", {"uri": text})
        return [ReadResourceContents(content=content, mime_type="application/json")]

    async def _content(self, uri: str) -> str:
        if refusal := self._resource_refusal(uri):
            raise refusal
        return await read_resource(self.backend, uri)

    def _resource_refusal(self, uri: str) -> NotPermitted | None:
        # A resource shows the same as a family of tools, so the same ceiling applies to it.
        toolset = toolset_of(uri)
        return self._ceilings.refusal(Impact.READS, toolset, self._who_calls())

    def _refusal(
        self, name: str, principal: Principal, arguments: Mapping[str, object] | None = None
    ) -> NotPermitted | None:
        spec = self._tools.specs.get(name)
        if spec is None:
            return None
        impact = spec.impact_of(arguments or {})
        return self._ceilings.refusal(impact, spec.toolset, principal)

    async def _dashboard(self) -> ReadResourceContents:
        principal = self._who_calls()
        offered = [name for name in self._tools.specs if self._refusal(name, principal) is None]
        # The first time this reads files.
        page = await anyio.to_thread.run_sync(apps.page_for_host, offered)
        return ReadResourceContents(page, apps.MIME_TYPE, meta=apps.RESOURCE_META)

    def _job_result(self, job: Job) -> CallToolResult:
        # Imported late, as in `_load_tools`.
        from weft.server.tools.jobs import job_result

        return job_result(job)

    def _load_tools(self) -> dict[str, ToolSpec]:
        # Imported late, like everything that the answer to `initialize` does not need.
        from weft.server.tools.catalogue import tools_for

        return {spec.name: spec for spec in tools_for(self.backend)}

    async def _list_resource_page(
        self, ctx: AnyRequest, params: PaginatedRequestParams
    ) -> ListResourcesResult:
        cursor = params.cursor
        if ctx.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS:
            await convert_errors(self._bus.watch_list(connection_of(ctx)), "Listing resources")
        page = await convert_errors(list_resources(self.backend, cursor), "Listing resources")
        added = [] if cursor else [apps.dashboard_resource(), *await self.list_resources()]
        own = [one for one in page.items if not self._resource_refusal(one.uri)]
        return ListResourcesResult(resources=[*added, *own], next_cursor=page.next_cursor)

    async def _listen(
        self, ctx: AnyRequest, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        if (params.notifications.model_extra or {}).get("taskIds"):
            # Weft announces no changes of tasks, and the acknowledgement says so; clients poll.
            require_tasks(ctx)
        return await convert_errors(self._bus.listen(ctx, params), "Subscribing")

    async def _subscribe(self, ctx: AnyRequest, params: SubscribeRequestParams) -> EmptyResult:
        work = self._bus.add(ctx, connection_of(ctx), params.uri)
        await convert_errors(work, "Subscribing", {"uri": params.uri})
        return EmptyResult()

    async def _unsubscribe(self, ctx: AnyRequest, params: UnsubscribeRequestParams) -> EmptyResult:
        self._bus.remove(connection_of(ctx), params.uri)
        return EmptyResult()

    async def _must_exist(self, ctx: AnyRequest, uri: str) -> None:
        read = cast("HandlerEntry[Any]", self.lowlevel.get_request_handler("resources/read"))
        await read.handler(ctx, ReadResourceRequestParams(uri=uri))

    async def _complete(self, ctx: AnyRequest, params: CompleteRequestParams) -> CompleteResult:
        del ctx
        return CompleteResult(
            completion=await complete(self.backend, params, self._resource_refusal)
        )


async def _run(
    tool: Tool, call: ToolCall, arguments: dict[str, Any]
) -> CallToolResult | InputRequiredResult:
    try:
        arguments, notes = clamp_numbers(tool.parameters, arguments)
        values = parse_arguments(tool.fn_metadata.arg_model, tool.parameters, arguments)
        with anyio.move_on_after(CALL_SECONDS_MAX) as scope:
            call.ask.set_scope(scope)
            return add_notes(await tool.fn(call, **values), notes)
        return error_result(_TOO_LONG)
    except AnswersNeeded as needed:
        return needed.result
    except MCPError:
        raise
    except WeftError as error:
        return error_result(error)
    except Exception as error:  # noqa: BLE001 (the edge: whatever it is, the caller gets an answer)
        return crash_result(error, tool.name)

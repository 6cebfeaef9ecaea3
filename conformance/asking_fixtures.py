"""Fixtures that the public suite expects on a server: tools that need the client's input.

In the newer era a tool answers with what it needs, and is called again with the responses.
"""

from collections.abc import Callable

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)

from weft.server.app import WeftServer

Ctx = Context[object, object]


def register(server: WeftServer) -> None:
    """Add the tools and the prompt of this module."""
    for tool in (
        test_input_required_result_elicitation,
        test_input_required_result_sampling,
        test_input_required_result_list_roots,
        test_input_required_result_request_state,
        test_input_required_result_multiple_inputs,
        test_input_required_result_multi_round,
        test_input_required_result_tampered_state,
        test_input_required_result_capabilities,
        test_streaming_elicitation,
        test_missing_capability,
    ):
        server.add_tool(tool, structured_output=False)
    server.prompt()(test_input_required_result_prompt)


async def test_input_required_result_elicitation(ctx: Ctx) -> str | InputRequiredResult:
    """Ask for a name."""
    name = _text(ctx, "user_name", "name")
    if name is None:
        return InputRequiredResult(input_requests={"user_name": _ask_name()})
    return f"Hello, {name}!"


async def test_input_required_result_sampling(ctx: Ctx) -> str | InputRequiredResult:
    """Ask the client's model."""
    said = _text_answered(ctx, "capital_question")
    if said is None:
        return InputRequiredResult(
            input_requests={"capital_question": _sample("What is the capital of France?", 100)}
        )
    return said


async def test_input_required_result_list_roots(ctx: Ctx) -> str | InputRequiredResult:
    """Ask for the client's roots."""
    roots = _roots(ctx, "client_roots")
    if roots is None:
        return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})
    return f"Roots: {roots}"


async def test_input_required_result_request_state(ctx: Ctx) -> str | InputRequiredResult:
    """Give a state along, and want it back."""
    if ctx.request_state == "asked" and _answer(ctx, "confirm") is not None:
        return "state-ok"
    return InputRequiredResult(input_requests={"confirm": _confirm()}, request_state="asked")


async def test_input_required_result_multiple_inputs(ctx: Ctx) -> str | InputRequiredResult:
    """Ask three things at once."""
    name, roots = _text(ctx, "user_name", "name"), _roots(ctx, "client_roots")
    said = _text_answered(ctx, "greeting")
    if name is None or said is None or roots is None:
        return InputRequiredResult(
            input_requests={
                "user_name": _ask_name(),
                "greeting": _sample("Generate a greeting", 50),
                "client_roots": ListRootsRequest(),
            },
            request_state="asked",
        )
    return f"{said} {name}: {roots}"


async def test_input_required_result_multi_round(ctx: Ctx) -> str | InputRequiredResult:
    """Ask one thing after another."""
    if ctx.request_state is None:
        question = _form("Step 1: What is your name?", "name")
        return InputRequiredResult(input_requests={"step1": question}, request_state="step 1")
    if ctx.request_state == "step 1":
        question = _form("Step 2: What is your favorite color?", "color")
        name = _text(ctx, "step1", "name")
        return InputRequiredResult(input_requests={"step2": question}, request_state=f"2 {name}")
    name = ctx.request_state.removeprefix("2 ")
    return f"{name} likes {_text(ctx, 'step2', 'color')}"


async def test_input_required_result_tampered_state(ctx: Ctx) -> str | InputRequiredResult:
    """Give a state along; a changed one is refused before this is called."""
    if ctx.request_state is None:
        return InputRequiredResult(input_requests={"confirm": _confirm()}, request_state="sealed")
    return "The state came back as it was."


async def test_input_required_result_capabilities(ctx: Ctx) -> str | InputRequiredResult:
    """Ask only for what the client can do."""
    can = ctx.client_capabilities or ClientCapabilities()
    asking: dict[str, tuple[object, Callable[[], InputRequest]]] = {
        "user_name": (can.elicitation, _ask_name),
        "greeting": (can.sampling, lambda: _sample("Generate a greeting", 50)),
        "client_roots": (can.roots, ListRootsRequest),
    }
    requests = {key: make() for key, (able, make) in asking.items() if able is not None}
    if not requests or ctx.input_responses:
        return "Done."
    return InputRequiredResult(input_requests=requests)


async def test_streaming_elicitation(ctx: Ctx) -> str | InputRequiredResult:
    """Report progress, then ask: nothing else may be on the stream of the answer."""
    await ctx.report_progress(1, 2, "Half of it is done.")
    return await test_input_required_result_elicitation(ctx)


async def test_missing_capability(ctx: Ctx) -> str:
    """Insist on a client with a model."""
    can = ctx.client_capabilities
    if can is None or can.sampling is None:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This needs a client that can sample.",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "Done."


async def test_input_required_result_prompt(ctx: Ctx) -> list[UserMessage] | InputRequiredResult:
    """A prompt that needs a context."""
    context = _text(ctx, "user_context", "context")
    if context is None:
        question = _form("What context should the prompt use?", "context")
        return InputRequiredResult(input_requests={"user_context": question})
    return [UserMessage(f"Use this context: {context}")]


def _answer(ctx: Ctx, key: str) -> dict[str, object] | None:
    given = (ctx.input_responses or {}).get(key)
    if not isinstance(given, ElicitResult) or given.action != "accept":
        return None
    return dict(given.content or {})


def _text(ctx: Ctx, key: str, field: str) -> str | None:
    value = (_answer(ctx, key) or {}).get(field)
    return value if isinstance(value, str) else None


def _text_answered(ctx: Ctx, key: str) -> str | None:
    given = (ctx.input_responses or {}).get(key)
    if not isinstance(given, CreateMessageResult):
        return None
    return given.content.text if isinstance(given.content, TextContent) else "nothing in words"


def _roots(ctx: Ctx, key: str) -> str | None:
    given = (ctx.input_responses or {}).get(key)
    if not isinstance(given, ListRootsResult):
        return None
    return ", ".join(str(root.uri) for root in given.roots)


def _form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _ask_name() -> ElicitRequest:
    return _form("What is your name?", "name")


def _confirm() -> ElicitRequest:
    return _form("Please confirm", "ok", "boolean")


def _sample(text: str, tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(text=text))
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=[message], max_tokens=tokens)
    )

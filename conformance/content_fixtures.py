"""Fixtures that the public suite expects on a server: content of every kind.

Names and texts are those that the suite looks for. Everything is registered on Weft's real server
object, so that the suite's requests go through all that Weft adds to the SDK.
"""

import base64
import json
from typing import Annotated, Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp_types import (
    AudioContent,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    SamplingMessage,
    SetLevelRequestParams,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field, JsonValue

from weft.server.app import WeftServer

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8Dw"
    "HwAFAAH/q842iQAAAABJRU5ErkJggg=="
)
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
STEP_SECONDS = 0.05
# The schema that the suite wants to see again, word for word, in the list of tools.
SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

Ctx = Context[object, object]


class Person(BaseModel):
    """An answer with two texts."""

    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Defaults(BaseModel):
    """One field of each primitive type, each with a default."""

    name: str = Field(default="John Doe")
    age: int = Field(default=30)
    score: float = Field(default=95.5)
    status: str = Field(
        default="active", json_schema_extra={"enum": ["active", "inactive", "pending"]}
    )
    verified: bool = Field(default=True)


def _titles(*titles: str) -> list[JsonValue]:
    return [{"const": f"value{n}", "title": title} for n, title in enumerate(titles, 1)]


class Choices(BaseModel):
    """One field of each form that a choice may take."""

    untitledSingle: str = Field(json_schema_extra={"enum": ["option1", "option2", "option3"]})  # noqa: N815 (the suite's names)
    titledSingle: str = Field(json_schema_extra={"oneOf": _titles("First", "Second", "Third")})  # noqa: N815
    legacyEnum: str = Field(  # noqa: N815
        json_schema_extra={"enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]}
    )
    untitledMulti: list[str] = Field(  # noqa: N815
        json_schema_extra={
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
        }
    )
    titledMulti: list[str] = Field(  # noqa: N815
        json_schema_extra={"items": {"anyOf": _titles("First", "Second", "Third")}}
    )


def register(server: WeftServer) -> None:
    """Add the tools, resources and prompts of this module."""
    for tool in (
        test_simple_text,
        test_image_content,
        test_audio_content,
        test_embedded_resource,
        test_multiple_content_types,
        test_tool_with_logging,
        test_logging_tool,
        test_tool_with_progress,
        test_sampling,
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
        test_error_handling,
        test_reconnection,
        test_header,
    ):
        server.add_tool(tool, structured_output=False)
    _add_schema_tool(server)
    # Weft logs to stderr only; the older era's suite wants a server that logs to its client.
    server.lowlevel.add_request_handler("logging/setLevel", SetLevelRequestParams, _set_level)
    server.resource("test://static-text", mime_type="text/plain")(static_text)
    server.resource("test://static-binary", mime_type="image/png")(static_binary)
    server.resource("test://watched-resource", mime_type="text/plain")(watched)
    server.resource("test://template/{id}/data", mime_type="application/json")(template)
    for prompt in (
        test_simple_prompt,
        test_prompt_with_arguments,
        test_prompt_with_embedded_resource,
        test_prompt_with_image,
    ):
        server.prompt()(prompt)


async def test_simple_text() -> str:
    """Answer with a text."""
    return "This is a simple text response for testing."


async def test_image_content() -> ImageContent:
    """Answer with an image."""
    return ImageContent(data=PNG, mime_type="image/png")


async def test_audio_content() -> AudioContent:
    """Answer with a sound."""
    return AudioContent(data=WAV, mime_type="audio/wav")


async def test_embedded_resource() -> EmbeddedResource:
    """Answer with a resource."""
    return _embed("test://embedded-resource", "text/plain", "This is an embedded resource content.")


async def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    """Answer with several kinds of content at once."""
    data = '{"test":"data","value":123}'
    return [
        TextContent(text="Multiple content types test:"),
        ImageContent(data=PNG, mime_type="image/png"),
        _embed("test://mixed-content-resource", "application/json", data),
    ]


async def test_tool_with_logging(ctx: Ctx) -> str:
    """Log three lines while working."""
    for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message(  # pyright: ignore[reportDeprecated] (for the older era)
            level="info", data=line, related_request_id=ctx.request_id
        )
        await anyio.sleep(STEP_SECONDS)
    return "Logged."


async def test_logging_tool(ctx: Ctx) -> str:
    """Log a line, which only a client that asked for lines may hear."""
    await ctx.session.send_log_message(  # pyright: ignore[reportDeprecated] (for the older era)
        level="info", data="A line", related_request_id=ctx.request_id
    )
    return "Logged."


async def test_tool_with_progress(ctx: Ctx) -> str:
    """Report progress in three steps."""
    for step in (0, 50, 100):
        await ctx.report_progress(step, 100, f"Completed step {step} of 100")
        await anyio.sleep(STEP_SECONDS)
    return "Done."


async def test_sampling(prompt: str, ctx: Ctx) -> str:
    """Ask the client's model."""
    answer = await ctx.session.create_message(  # pyright: ignore[reportDeprecated] (for the older era)
        [SamplingMessage(role="user", content=TextContent(text=prompt))],
        max_tokens=100,
        related_request_id=ctx.request_id,
    )
    content = answer.content
    return f"LLM response: {content.text if isinstance(content, TextContent) else 'none'}"


async def test_elicitation(message: str, ctx: Ctx) -> str:
    """Ask the person."""
    return f"User response: {await _ask(ctx, message, Person)}"


async def test_elicitation_sep1034_defaults(ctx: Ctx) -> str:
    """Ask with defaults."""
    return f"Elicitation completed: {await _ask(ctx, 'Who is it?', Defaults)}"


async def test_elicitation_sep1330_enums(ctx: Ctx) -> str:
    """Ask with choices."""
    return f"Elicitation completed: {await _ask(ctx, 'Which ones?', Choices)}"


async def test_error_handling() -> str:
    """Always fail."""
    raise RuntimeError("This tool intentionally returns an error for testing")


async def test_reconnection(ctx: Ctx) -> str:
    """Close the stream of this call, so that the client has to come back for the answer."""
    await ctx.close_sse_stream()
    await anyio.sleep(2 * STEP_SECONDS)
    return "Reconnected."


async def test_header(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
) -> str:
    """Has an argument that a header repeats."""
    return f"In {region}."


async def json_schema_2020_12_tool() -> str:
    """Has an input schema with much of the vocabulary."""
    return "Listed."


async def static_text() -> str:
    """A text."""
    return "This is the content of the static text resource."


async def static_binary() -> bytes:
    """An image."""
    return base64.b64decode(PNG)


async def watched() -> str:
    """A resource to subscribe to."""
    return "Watched."


async def template(id: str) -> str:  # noqa: A002 (the suite's name for the variable)
    """A resource with a part to fill in."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


async def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


async def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803
    """A prompt with a resource."""
    content = _embed(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [UserMessage(content), UserMessage("Please process the embedded resource above.")]


async def test_prompt_with_image() -> list[UserMessage]:
    """A prompt with an image."""
    image = ImageContent(data=PNG, mime_type="image/png")
    return [UserMessage(image), UserMessage("Please analyze the image above.")]


async def _set_level(
    ctx: ServerRequestContext[Any, Any], params: SetLevelRequestParams
) -> EmptyResult:
    del ctx, params
    return EmptyResult()


async def _ask(ctx: Ctx, message: str, form: type[BaseModel]) -> str:
    answer = await ctx.elicit(message, form)
    content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
    return f"action={answer.action}, content={content}"


def _add_schema_tool(server: WeftServer) -> None:
    tool = Tool.from_function(json_schema_2020_12_tool, structured_output=False)
    made = tool.model_copy(update={"parameters": SCHEMA_2020_12})
    # The SDK makes schemas from signatures only, so this one is put where those end up.
    tools: dict[str, Tool] = vars(server)["_tool_manager"]._tools
    tools[made.name] = made


def _embed(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))

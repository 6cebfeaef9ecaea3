"""The source `slack`: the threads and the days of the channels that a token may read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Final

import anyio
import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from weft.domain.connections import AuthMethod
from weft.errors import AccessDenied, AuthenticationFailed, WeftError
from weft.sources.base import OAuth2
from weft.sources.rest.api import Missing
from weft.sources.rest.paging import Asked, read_pages, unexpected_answer
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import Budget, Gather, Record, Request, Since, Stream, Token
from weft.sources.rest.values import find, line_of
from weft.sources.services.slack.errors import error_of
from weft.sources.services.slack.messages import (
    MESSAGES_MAX,
    author_of,
    day_of,
    seconds_of,
    show_markup,
    show_message,
    show_messages,
    split_day,
)

USERS_MAX: Final = 50_000
TITLE_CHARS: Final = 100
_NEXT: Final[dict[str, Any]] = {"param": "cursor", "at": "response_metadata.next_cursor"}
_LISTS: Final = Token(**_NEXT, size_param="limit", size=200)
_MESSAGES: Final = Token(**_NEXT, more="has_more", size_param="limit", size=999)


class SlackConfig(BaseModel):
    """Which conversations are read."""

    model_config = ConfigDict(extra="forbid")

    include_private: bool = Field(default=True, description="Read private channels too.")
    include_direct_messages: bool = Field(
        default=False, description="Read direct and group messages too."
    )
    include_archived: bool = Field(default=False, description="Read archived channels too.")


class SlackCredentials(BaseModel):
    """A token."""

    model_config = ConfigDict(extra="forbid")

    access_token: SecretStr = Field(
        description="Bot token (xoxb-…) or user token (xoxp-…) of a Slack app."
    )


@dataclass
class Workspace:
    """What the entities of one sync need to know: the names of people, and the address."""

    url: str = ""
    names: dict[str, str] = field(default_factory=dict[str, str])


async def load_channel(source: "SlackSource", record: Record) -> Record:
    """Add the name of a channel, which direct messages lack."""
    workspace = await source.workspace()
    return {
        **record,
        "_name": name_of(record, workspace),
        "_about": [
            show_markup(line_of(find(record, f"{part}.value")), workspace.names)
            for part in ("topic", "purpose")
        ],
        "_url": f"{workspace.url}archives/{record['id']}",
    }


async def load_conversation(source: "SlackSource", record: Record) -> Record | None:
    """Make the text of a thread, whose replies are asked for, or of a day."""
    workspace = await source.workspace()
    channel, messages = record["_parent"], record["_messages"]
    is_thread = record["_kind"] == "thread"
    if is_thread:
        try:
            messages = await source.read_thread(channel["id"], record["_key"])
        except Missing:
            return None
    name, first = name_of(channel, workspace), messages[0]
    about = record["_key"]
    if is_thread:
        about = line_of(show_message(first, workspace.names), TITLE_CHARS)
    clock = "%Y-%m-%d %H:%M" if is_thread else "%H:%M"
    text, is_cut = show_messages(messages, workspace.names, clock)
    people = [author_of(message, workspace.names) for message in messages]
    place = f"{channel['id']}/p{str(first['ts']).replace('.', '')}"
    return {
        **record,
        "_title": f"{name}: {about}",
        "_channel": name,
        "_is_cut": is_cut or None,
        "_text": text,
        "_created": first["ts"],
        "_author": people[0] if is_thread else None,
        "_people": list(dict.fromkeys(people)),
        "_url": f"{workspace.url}archives/{place}",
    }


def name_of(channel: Record, workspace: Workspace) -> str:
    """Return the name that people know a conversation by."""
    user = line_of(channel.get("user"))
    if channel.get("is_im") is True:
        return f"@{workspace.names.get(user) or user}"
    name = line_of(channel.get("name")) or line_of(channel.get("id"))
    return name if channel.get("is_mpim") is True else f"#{name}"


def _name_in(user: Record) -> str:
    paths = ("profile.display_name", "profile.real_name", "name")
    return next((name for path in paths if (name := line_of(find(user, path)))), "")


def _is_joined(channel: Record) -> bool:
    """Return whether the token's owner is in a conversation; nobody is in an archived one."""
    return any(
        channel.get(name) is True for name in ("is_member", "is_im", "is_mpim", "is_archived")
    )


class SlackSource(RestSource[SlackConfig, SlackCredentials]):
    """The conversations of one workspace; see `messages` for what an entity is.

    https://docs.slack.dev/reference/methods/conversations.history (and .list, .replies),
    https://docs.slack.dev/reference/methods/users.list and
    https://docs.slack.dev/apis/web-api/rate-limits.
    """

    short_name = "slack"
    name = "Slack"
    description = "Threads and messages of the Slack channels that a token's owner has joined."
    Config = SlackConfig
    Credentials = SlackCredentials
    auth_methods = tuple(AuthMethod)
    labels = ("chat", "channels", "discussions")
    checked_against = "the vendor's published description"
    base_url = "https://slack.com/api"
    # Tier 3, that of messages: each method has a budget of its own, and lists have less.
    budget = Budget(requests=50, seconds=60)
    check_request = Request(path="/auth.test", shows="{user} in {team}")
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(
            name="channel",
            path="/conversations.list",
            records="channels",
            paging=_LISTS,
            among=_is_joined,
            load=load_channel,
            title="_name",
            text="_about",
            url="_url",
            created="created",
            metadata={"is_private": "is_private", "is_archived": "is_archived"},
        ),
        Stream(
            name="conversation",
            parent="channel",
            path="/conversations.history",
            params={"channel": "{_parent.id}", "inclusive": True},
            records="messages",
            paging=_MESSAGES,
            gather=Gather(by=day_of, make=split_day),
            key=("_parent.id", "_key"),
            # New answers to older questions are seen for a week, and afterwards once a day.
            since=Since(param="oldest", form="epoch_day", overlap=timedelta(days=7)),
            updated="_updated",
            deleted="_is_gone",
            forgets=True,
            version="_version",
            load=load_conversation,
            may_lack=True,
            title="_title",
            text="_text",
            url="_url",
            author="_author",
            created="_created",
            breadcrumbs=("_channel",),
            metadata={
                "kind": "_kind",
                "participants": "_people",
                "is_cut": "_is_cut",
                "is_private": "_parent.is_private",
            },
        ),
    )

    _workspace: Workspace | None = None

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._lock = anyio.Lock()

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2:
        """Return the page where an app is installed in a workspace."""
        api = cls.api_url(config, options)
        wanted = config if isinstance(config, SlackConfig) else SlackConfig()
        kinds = ["channels"]
        kinds += ["groups"] if wanted.include_private else []
        kinds += ["im", "mpim"] if wanted.include_direct_messages else []
        scopes = ["users:read", *(f"{k}:{what}" for k in kinds for what in ("read", "history"))]
        return OAuth2(
            authorize_url=f"{api.removesuffix('/api')}/oauth/v2/authorize",
            token_url=f"{api}/oauth.v2.access",
            # Slack documents a list with commas, where others take one with spaces.
            scopes=(",".join(scopes),),
        )

    def table(self) -> tuple[Stream, ...]:
        """Return the streams, of which the list of channels has the kinds that are wanted."""
        config = self.config
        kinds = ["public_channel"]
        kinds += ["private_channel"] if config.include_private else []
        kinds += ["mpim", "im"] if config.include_direct_messages else []
        wanted = {"types": ",".join(kinds), "exclude_archived": not config.include_archived}
        channels, *others = self.streams
        return (channels.model_copy(update={"params": wanted}), *others)

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Return the error of an answer, which most often has the status 200."""
        return error_of(response, answer)

    async def workspace(self) -> Workspace:
        """Return the names of people and the address, which are asked for once."""
        async with self._lock:
            if self._workspace is None:
                self._workspace = await self._read_workspace()
            return self._workspace

    async def _read_workspace(self) -> Workspace:
        account = await self.api.get("/auth.test", what="the account")
        found = Workspace(line_of(find(account, "url")))
        asked = Asked("the names of people", "/users.list")
        try:
            async for page in read_pages(self.api, asked, _LISTS, "members"):
                if not page.records:
                    raise unexpected_answer(asked.what)
                found.names |= {line_of(each.get("id")): _name_in(each) for each in page.records}
                if len(found.names) > USERS_MAX:
                    break
        except AccessDenied as error:
            # Messages are shown with their authors' names: a token that may not list people is no
            # good for any of them.
            raise AuthenticationFailed(error.message, hint=error.hint) from None
        return found

    async def read_thread(self, channel: str, ts: str) -> list[Record]:
        """Return the messages of a thread, the first of which began it. Raises Missing."""
        asked = Asked("a thread", "/conversations.replies", params={"channel": channel, "ts": ts})
        messages: dict[str, Record] = {}
        async for page in read_pages(self.api, asked, _MESSAGES, "messages"):
            if not page.records or not all(map(day_of, page.records)):
                raise unexpected_answer(asked.what)
            messages |= {line_of(each.get("ts")): each for each in page.records}
            if len(messages) > MESSAGES_MAX:
                break
        if ts not in messages:
            raise unexpected_answer(asked.what)
        return [messages[name] for name in sorted(messages, key=seconds_of)]

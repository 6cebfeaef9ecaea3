"""`zendesk`: tickets with their conversations, organizations, and articles of the help center."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

import httpx
from pydantic import BaseModel, ConfigDict, Field

from weft.domain.connections import AuthMethod
from weft.errors import AccessDenied, AuthenticationFailed, WeftError
from weft.sources.base import ENDPOINT, OAuth1, OAuth2, SourceContext
from weft.sources.rest.api import Missing
from weft.sources.rest.comments import sort_by_time
from weft.sources.rest.paging import Asked, read_pages, unexpected_answer
from weft.sources.rest.table import (
    Budget,
    NextUrl,
    Record,
    Request,
    Since,
    Stream,
    Token,
)
from weft.sources.rest.values import find, line_of, records_of, text_of
from weft.sources.services.accounts import (
    AccountCredentials,
    AccountSource,
    Email,
    HostLabel,
    strip_domain,
)

CONVERSATION_CHARS_MAX = 1_000_000
NAMES_MAX = 20_000
_CUT = "[This conversation is too long: later comments are left out.]"


class ZendeskConfig(BaseModel):
    """The account to read."""

    model_config = ConfigDict(extra="forbid")

    subdomain: Annotated[HostLabel, strip_domain("zendesk.com")] = Field(
        title="Subdomain",
        description="The account's subdomain: acme for acme.zendesk.com.",
        json_schema_extra=ENDPOINT,
    )
    exclude_closed_tickets: bool = Field(
        default=False, title="No closed tickets", description="Leave out closed tickets."
    )


class ZendeskCredentials(AccountCredentials):
    """An OAuth access token; or an API token, with the email address of its owner."""

    email: Email | None = Field(
        default=None,
        title="Email",
        description="For an API token: the email address of an administrator.",
    )


async def load_conversation(source: "ZendeskSource", ticket: Record) -> Record | None:
    """Add the comments of a ticket, and the names of the people in it."""
    asked = Asked(
        "a ticket's comments",
        f"/api/v2/tickets/{line_of(ticket.get('id'))}/comments.json",
        params={"include": "users"},
    )
    comments: list[Record] = []
    chars, is_cut = 0, False
    try:
        async for page in read_pages(source.api, asked, _COMMENTS, "comments"):
            if not page.records:
                # The first comment is the ticket's own description.
                raise unexpected_answer(asked.what)
            source.note_names(find(page.answer, "users"))
            comments += page.records
            chars += sum(len(str(each.get("body"))) for each in page.records)
            if chars > CONVERSATION_CHARS_MAX and page.following is not None:
                is_cut = True
                break
    except Missing:
        return None
    people = (ticket.get("requester_id"), ticket.get("assignee_id"))
    names = await source.find_names([*people, *(each.get("author_id") for each in comments)])
    said = [_show(each, names) for each in sort_by_time(comments)]
    return {
        **ticket,
        "_requester": names.get(line_of(people[0])),
        "_assignee": names.get(line_of(people[1])),
        "_conversation": "\n\n".join([*said, _CUT] if is_cut else said),
    }


def _is_not_closed(ticket: Record) -> bool:
    return ticket.get("status") != "closed"


def _show(comment: Record, names: Mapping[str, str]) -> str:
    who = names.get(line_of(comment.get("author_id"))) or "Unknown"
    note = "" if comment.get("public") is not False else ", internal note"
    return f"{who}, {line_of(comment.get('created_at'))}{note}:\n{text_of(comment.get('body'))}"


def _pages(size: int) -> Token:
    return Token(
        param="page[after]",
        at="meta.after_cursor",
        more="meta.has_more",
        size_param="page[size]",
        size=size,
    )


# Fewer than Zendesk would send, so that pages of long texts stay below the limit of an answer.
_EXPORTED = 250
_COMMENTS = _pages(50)
_ARTICLES = _pages(30)


class ZendeskSource(AccountSource[ZendeskConfig]):
    """A Zendesk account.

    https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/
    https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/
    https://developer.zendesk.com/api-reference/help_center/help-center-api/articles/
    """

    short_name = "zendesk"
    name = "Zendesk"
    description = "Tickets, their conversations, organizations and help center articles of Zendesk."
    labels = ("support", "tickets", "customer service", "help desk", "knowledge base")
    checked_against = "documentation only"
    Config = ZendeskConfig
    Credentials = ZendeskCredentials
    auth_methods = tuple(AuthMethod)
    base_url = "https://{config.subdomain}.zendesk.com"
    budget = Budget(requests=200, seconds=60)
    api_token_user = "{email}/token"  # noqa: S105 (a template)
    check_request = Request(path="/api/v2/users/me.json", shows="{user.name} ({user.role})")
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(
            name="organization",
            path="/api/v2/incremental/organizations.json",
            params={"start_time": 1},
            records="organizations",
            paging=NextUrl(
                at="next_page", last="end_of_stream", size_param="per_page", size=_EXPORTED
            ),
            since=Since(param="start_time", form="epoch"),
            item="/api/v2/organizations/{key}.json",
            item_at="organization",
            title="name",
            text=("details", "notes", "domain_names"),
            url="https://{config.subdomain}.zendesk.com/agent/organizations/{id}",
            updated="updated_at",
            created="created_at",
            metadata={"tags": "tags", "domains": "domain_names"},
        ),
        Stream(
            name="ticket",
            path="/api/v2/incremental/tickets/cursor.json",
            params={"start_time": 1},
            records="tickets",
            paging=NextUrl(
                at="after_url", last="end_of_stream", size_param="per_page", size=_EXPORTED
            ),
            since=Since(param="start_time", form="epoch"),
            item="/api/v2/tickets/{key}.json",
            item_at="ticket",
            deleted=lambda ticket: ticket.get("status") == "deleted",
            forgets=True,
            version="{generated_timestamp} {updated_at}",
            load=load_conversation,
            title="subject",
            text="_conversation",
            url="https://{config.subdomain}.zendesk.com/agent/tickets/{id}",
            updated="updated_at",
            author="_requester",
            created="created_at",
            metadata={
                "status": "status",
                "priority": "priority",
                "kind": "type",
                "tags": "tags",
                "assignee": "_assignee",
                "channel": "via.channel",
                "organization_id": "organization_id",
            },
        ),
        Stream(
            name="article",
            path="/api/v2/help_center/articles.json",
            params={"sort_by": "created_at", "sort_order": "asc"},
            records="articles",
            paging=_ARTICLES,
            since=Since(extra={"sort_by": "updated_at", "sort_order": "desc"}),
            item="/api/v2/help_center/articles/{key}.json",
            item_at="article",
            may_lack=True,
            title="title",
            text="body",
            markup="html",
            url="html_url",
            updated="updated_at",
            created="created_at",
            metadata={
                "labels": "label_names",
                "locale": "locale",
                "draft": "draft",
                "section_id": "section_id",
                "user_segment_id": "user_segment_id",
            },
        ),
    )

    def __init__(
        self, config: ZendeskConfig, credentials: ZendeskCredentials, context: SourceContext
    ) -> None:
        super().__init__(config, credentials, context)
        self._names: dict[str, str] = {}

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return the account's own consent page, whose clients belong to the account."""
        site = cls.api_url(config, options)
        return OAuth2(
            authorize_url=f"{site}/oauth/authorizations/new",
            token_url=f"{site}/oauth/tokens",
            scopes=("read",),
            client_auth="client_secret_post",
        )

    async def find_names(self, people: Iterable[object]) -> Mapping[str, str]:
        """Return the names of users, asking only for those who are not known yet."""
        found: dict[str, str] = {}
        for number in filter(None, map(line_of, people)):
            if number not in self._names:
                self.note_names([await self._find_user(number)])
            found[number] = self._names.get(number, "")
        return found

    async def _find_user(self, number: str) -> object:
        try:
            answer = await self.api.get(f"/api/v2/users/{number}.json", what="a user")
        except Missing:
            return {"id": number}
        user = find(answer, "user")
        if line_of(find(user, "id")) != number:
            raise unexpected_answer("a user")
        return user

    def note_names(self, users: object) -> None:
        """Remember the names of users."""
        if len(self._names) > NAMES_MAX:
            self._names.clear()
        for user in records_of(users):
            self._names[line_of(find(user, "id"))] = line_of(find(user, "name"))

    def table(self) -> tuple[Stream, ...]:
        """Return the streams, without closed tickets if they are not wanted."""
        if not self.config.exclude_closed_tickets:
            return self.streams
        wanted: dict[str, Any] = {"wanted": _is_not_closed}
        return tuple(
            row.model_copy(update=wanted) if row.name == "ticket" else row for row in self.streams
        )

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Tell who is a stranger, whom Zendesk calls an anonymous user, and who may not export."""
        path = response.url.path
        is_me = path.endswith("/users/me.json") and response.is_success
        if is_me and find(answer, "user") and find(answer, "user.id") is None:
            return AuthenticationFailed("Zendesk does not know whose credentials these are.")
        if response.status_code == 403 and "/incremental/" in path:
            return AccessDenied(
                "Zendesk denies the export of tickets (HTTP 403).",
                hint="Use the token of an administrator, whom alone Zendesk lets export them.",
            )
        return super().find_error(response, answer)

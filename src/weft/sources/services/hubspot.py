"""`hubspot`: the records of a CRM, and what was said and done about them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import anyio
import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from weft.domain.connections import AuthMethod
from weft.errors import AccessDenied, RateLimited, WeftError
from weft.sources.base import OAuth1, OAuth2, SourceContext
from weft.sources.rest.api import Missing
from weft.sources.rest.paging import Asked, read_pages
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import (
    Budget,
    Keyset,
    Record,
    Request,
    Search,
    Since,
    Stream,
    Token,
    Value,
)
from weft.sources.rest.values import find, line_of, moment_of

_PAGES = Token(param="after", at="paging.next.after", size_param="limit", size=100)
# A property has up to 65,536 characters: what has two long ones comes in smaller pages, so that
# they stay below the limit of an answer.
_LONG = 50
# The index that is searched lags behind the records.
_LAG = timedelta(minutes=10)
_DAILY_WAIT_S = 3600.0
_WINDOW_S = 10.0


class HubSpotConfig(BaseModel):
    """The part of the CRM that is wanted."""

    model_config = ConfigDict(extra="forbid")

    after_date: date | None = Field(
        default=None,
        title="Changed since",
        description="Only records that changed on or after this day, e.g. 2026-01-31.",
    )

    @field_validator("after_date", mode="before")
    @classmethod
    def _read_day(cls, value: object) -> object:
        return value.strip().replace("/", "-") if isinstance(value, str) else value


class HubSpotCredentials(BaseModel):
    """A token of a private app, or an OAuth access token."""

    model_config = ConfigDict(extra="forbid")

    access_token: SecretStr = Field(
        title="Access token", description="Access token of a private app, or from OAuth."
    )


async def load_names(source: "HubSpotSource", record: Record) -> Record:
    """Add the name of the record's owner, and the number of the account."""
    portal, owners = await source.find_account()
    owner = line_of(find(record, "properties.hubspot_owner_id"))
    return {**record, "_portal": portal, "_owner": owners.get(owner)}


def _name_of(contact: Record) -> str:
    parts = (line_of(find(contact, f"properties.{name}")) for name in ("firstname", "lastname"))
    return " ".join(filter(None, parts)) or line_of(find(contact, "properties.email"))


def _fields(*names: str) -> Value:
    """Return what makes a text of properties, with their names."""

    def find_all(record: Record) -> dict[str, object]:
        return {name.removeprefix("hs_"): find(record, f"properties.{name}") for name in names}

    return find_all


def _find_mail(email: Record) -> object:
    return find(email, "properties.hs_email_html") or find(email, "properties.hs_email_text")


def _kind(
    name: str,
    objects: str,
    number: str,
    properties: tuple[str, ...],
    *,
    changed: str = "hs_lastmodifieddate",
    size: int = 100,
    facts: tuple[str, ...] = (),
    **more: Any,
) -> tuple[Stream, Stream]:
    """Return the rows of one kind of record: its listing, and the listing of its recycle bin."""
    path = f"/crm/v3/objects/{objects}"
    asked = [*properties, "hubspot_owner_id"]
    filters = [
        {"propertyName": changed, "operator": "GTE", "value": 0},
        {"propertyName": "hs_object_id", "operator": "GT", "value": 0},
    ]
    # A search ends after 10,000 records, so each page asks for what comes after the last one.
    search = Search(
        path=f"{path}/search",
        body={
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": asked,
        },
        records="results",
        paging=Keyset(
            param="filterGroups.0.filters.1.value",
            at="id",
            total="total",
            size_param="limit",
            size=size,
        ),
    )
    own: dict[str, Any] = {"text": _fields(*properties), **more}
    listing = Stream(
        name=name,
        path=path,
        params={"properties": ",".join(asked)},
        records="results",
        paging=_PAGES.model_copy(update={"size": size}),
        since=Since(
            param="filterGroups.0.filters.0.value", form="epoch_ms", overlap=_LAG, search=search
        ),
        item=f"{path}/{{key}}",
        deleted="archived",
        forgets=True,
        may_lack=True,
        load=load_names,
        url=f"https://app.hubspot.com/contacts/{{_portal}}/record/{number}/{{id}}",
        updated="updatedAt",
        created="createdAt",
        metadata={
            "owner": "_owner",
            **{each.removeprefix("hs_"): f"properties.{each}" for each in facts},
        },
        **own,
    )
    bin_ = Stream(
        name=f"archived_{name}",
        path=path,
        params={"archived": True, "properties": "hs_object_id"},
        records="results",
        paging=_PAGES,
        deletes=name,
        may_lack=True,
    )
    return listing, bin_


_STREAMS = (
    *_kind(
        "contact",
        "contacts",
        "0-1",
        ("firstname", "lastname", "email", "phone", "company", "jobtitle", "city", "country",
         "lifecyclestage", "hs_lead_status"),
        changed="lastmodifieddate",
        facts=("email", "company", "lifecyclestage"),
        title=_name_of,
    ),
    *_kind(
        "company",
        "companies",
        "0-2",
        ("name", "domain", "description", "industry", "phone", "city", "country",
         "numberofemployees", "annualrevenue", "lifecyclestage"),
        facts=("domain", "industry", "lifecyclestage"),
        title="properties.name",
    ),
    *_kind(
        "deal",
        "deals",
        "0-3",
        ("dealname", "description", "amount", "deal_currency_code", "dealstage", "pipeline",
         "dealtype", "closedate"),
        facts=("amount", "dealstage", "pipeline", "closedate"),
        title="properties.dealname",
    ),
    *_kind(
        "ticket",
        "tickets",
        "0-5",
        ("subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority",
         "hs_ticket_category"),
        facts=("hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority"),
        title="properties.subject",
    ),
    *_kind(
        "note",
        "notes",
        "0-46",
        ("hs_note_body", "hs_timestamp"),
        title="Note of {properties.hs_timestamp}",
        text="properties.hs_note_body",
        markup="html",
    ),
    *_kind(
        "call",
        "calls",
        "0-48",
        ("hs_call_title", "hs_call_body", "hs_call_direction", "hs_timestamp"),
        facts=("hs_call_direction", "hs_timestamp"),
        title="properties.hs_call_title",
        text="properties.hs_call_body",
        markup="html",
    ),
    *_kind(
        "meeting",
        "meetings",
        "0-47",
        ("hs_meeting_title", "hs_meeting_body", "hs_internal_meeting_notes",
         "hs_meeting_location", "hs_meeting_outcome", "hs_timestamp"),
        facts=("hs_meeting_location", "hs_meeting_outcome", "hs_timestamp"),
        size=_LONG,
        title="properties.hs_meeting_title",
        text=("properties.hs_meeting_body", "properties.hs_internal_meeting_notes"),
        markup="html",
    ),
    *_kind(
        "task",
        "tasks",
        "0-27",
        ("hs_task_subject", "hs_task_body", "hs_task_status", "hs_task_priority", "hs_timestamp"),
        facts=("hs_task_status", "hs_task_priority", "hs_timestamp"),
        title="properties.hs_task_subject",
        text="properties.hs_task_body",
        markup="html",
    ),
    *_kind(
        "email",
        "emails",
        "0-49",
        ("hs_email_subject", "hs_email_html", "hs_email_text", "hs_email_direction",
         "hs_timestamp"),
        facts=("hs_email_direction", "hs_timestamp"),
        size=_LONG,
        title="properties.hs_email_subject",
        text=_find_mail,
        markup="html",
    ),
)  # fmt: skip


class HubSpotSource(RestSource[HubSpotConfig, HubSpotCredentials]):
    """The CRM of a HubSpot account.

    https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide
    https://developers.hubspot.com/docs/api-reference/search/guide
    https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
    """

    short_name = "hubspot"
    name = "HubSpot"
    description = "Contacts, companies, deals, tickets, notes, calls and mail of a HubSpot CRM."
    labels = ("crm", "sales", "marketing", "customers")
    checked_against = "documentation only"
    Config = HubSpotConfig
    Credentials = HubSpotCredentials
    auth_methods = tuple(AuthMethod)
    base_url = "https://api.hubapi.com"
    # Searches have the narrowest limit.
    budget = Budget(requests=4, seconds=1)
    check_request = Request(path="/account-info/v3/details", shows="account {portalId}")
    streams: ClassVar[tuple[Stream, ...]] = _STREAMS

    def __init__(
        self, config: HubSpotConfig, credentials: HubSpotCredentials, context: SourceContext
    ) -> None:
        super().__init__(config, credentials, context)
        self._account: tuple[str, Mapping[str, str]] | None = None
        self._asking = anyio.Lock()

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return HubSpot's consent page."""
        return OAuth2(
            authorize_url="https://app.hubspot.com/oauth/authorize",
            token_url=f"{cls.api_url(config, options)}/oauth/v1/token",
            scopes=(
                "crm.objects.companies.read",
                "crm.objects.contacts.read",
                "crm.objects.deals.read",
                "crm.objects.owners.read",
                "tickets",
            ),
            client_auth="client_secret_post",
            extra={"optional_scope": "sales-email-read"},
        )

    def table(self) -> tuple[Stream, ...]:
        """Return the streams, without what changed last before the day that is configured."""
        day = self.config.after_date
        if day is None:
            return self.streams
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)

        def is_wanted(record: Record) -> bool:
            changed = moment_of(record.get("updatedAt"))
            return changed is None or changed >= start

        wanted: dict[str, Any] = {"wanted": is_wanted}
        return tuple(row if row.deletes else row.model_copy(update=wanted) for row in self.streams)

    async def find_account(self) -> tuple[str, Mapping[str, str]]:
        """Return the number of the account and the names of its users, which are asked for once."""
        async with self._asking:
            if self._account is None:
                details = await self.api.get("/account-info/v3/details", what="the account")
                self._account = line_of(find(details, "portalId")), await self._list_owners()
            return self._account

    async def _list_owners(self) -> Mapping[str, str]:
        asked = Asked("the account's users", "/crm/v3/owners")
        names: dict[str, str] = {}
        try:
            async for page in read_pages(self.api, asked, _PAGES, "results"):
                for owner in page.records:
                    parts = (line_of(owner.get(name)) for name in ("firstName", "lastName"))
                    shown = " ".join(filter(None, parts)) or line_of(owner.get("email"))
                    names[line_of(owner.get("id"))] = shown
        except (AccessDenied, Missing):
            # A token need not have the right to see them.
            return {}
        return names

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Return for how long a limit is used up, which HubSpot tells by the limit's name only."""
        if response.status_code != 429:
            return None
        if find(answer, "policyName") == "DAILY":
            return RateLimited(
                "HubSpot's daily limit of requests is used up.", retry_after=_DAILY_WAIT_S
            )
        return RateLimited("HubSpot's limit of requests is used up.", retry_after=_WINDOW_S)

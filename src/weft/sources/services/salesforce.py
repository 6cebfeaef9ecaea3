"""`salesforce`: accounts, contacts, leads, opportunities, cases, tasks and events of an org."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from weft.domain.connections import AuthMethod
from weft.errors import (
    AccessDenied,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.sources.base import ENDPOINT, OAuth1, OAuth2
from weft.sources.rest.api import PlaceLost
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import NextUrl, Record, Request, Since, Stream, Value
from weft.sources.rest.values import find, line_of

_API = "/services/data/v62.0"
# Transactions that run for minutes show their changes with the time at which they were made.
_OVERLAP = timedelta(minutes=10)
_DAILY_WAIT_S = 3600.0
_CONCURRENT_WAIT_S = 30.0
_HOST = r"^https://(?:[a-z0-9][a-z0-9-]*\.)+(?:salesforce\.com|salesforce\.mil|sfcrmapps\.cn)$"


class SalesforceConfig(BaseModel):
    """The org to read."""

    model_config = ConfigDict(extra="forbid")

    instance_url: str = Field(
        title="My Domain",
        description="The org's own address, e.g. https://acme.my.salesforce.com.",
        pattern=_HOST,
        json_schema_extra=ENDPOINT,
    )

    @field_validator("instance_url", mode="before")
    @classmethod
    def _find_host(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        given = value.strip()
        parts = urlsplit(given if "://" in given else f"https://{given}")
        host = (parts.hostname or "").replace(".lightning.force.com", ".my.salesforce.com")
        if parts.scheme != "https" or parts.username is not None or parts.port is not None:
            raise ValueError("must be an https address without a user or a port")
        if host in ("login.salesforce.com", "test.salesforce.com"):
            raise ValueError("must be the org's own address, from Setup → My Domain")
        return f"https://{host}"


class SalesforceCredentials(BaseModel):
    """An OAuth access token, or the id of a session."""

    model_config = ConfigDict(extra="forbid")

    access_token: SecretStr = Field(
        title="Access token", description="OAuth access token, or a session id, of a user."
    )


def _fields(names: tuple[str, ...]) -> Value:
    """Return what makes a text of these fields, with their names."""

    def find_all(record: Record) -> dict[str, object]:
        return {name.removesuffix(".Name"): find(record, name) for name in names}

    return find_all


def _order(select: str, where: list[str]) -> str:
    conditions = f" WHERE {' AND '.join(where)}" if where else ""
    return f"{select}{conditions} ORDER BY Id"


def _kind(
    name: str,
    sobject: str,
    title: str,
    text: tuple[str, ...],
    *,
    related: tuple[str, ...] = ("Owner.Name",),
    facts: tuple[str, ...] = (),
    is_archived: bool = False,
    **more: Any,
) -> tuple[Stream, Stream]:
    """Return the rows of one object: its records, and those in the recycle bin.

    FIELDS(STANDARD) are those of the standard fields that the user may see. ``is_archived``:
    Salesforce archives old ones, and then shows them in queryAll only.
    """
    select = f"SELECT {', '.join(('FIELDS(STANDARD)', *related))} FROM {sobject}"  # noqa: S608 (constants)
    where = ["IsDeleted = false"] if is_archived else []
    bin_ = f"SELECT Id, SystemModstamp FROM {sobject} WHERE IsDeleted = true"  # noqa: S608
    pages = NextUrl(at="nextRecordsUrl", last="done", total="totalSize")
    records = Stream(
        name=name,
        path=f"{_API}/{'queryAll' if is_archived else 'query'}",
        params={"q": _order(select, where)},
        records="records",
        paging=pages,
        key="Id",
        since=Since(
            param="q",
            template=_order(select, [*where, "SystemModstamp >= {since}"]),
            overlap=_OVERLAP,
        ),
        item=f"{_API}/sobjects/{sobject}/{{key}}?fields=Id",
        forgets=True,
        may_lack=True,
        title=title,
        text=_fields((*text, *related)),
        url="{config.instance_url}/{Id}",
        updated="SystemModstamp",
        created="CreatedDate",
        metadata={
            each.removesuffix(".Name").replace(".", "_").lower(): each
            for each in (*facts, *related)
        },
        **more,
    )
    deleted = Stream(
        name=f"deleted_{name}",
        path=f"{_API}/queryAll",
        params={"q": bin_},
        records="records",
        paging=NextUrl(at="nextRecordsUrl", last="done"),
        key="Id",
        since=Since(
            param="q", template=f"{bin_} AND SystemModstamp >= {{since}}", overlap=_OVERLAP
        ),
        updated="SystemModstamp",
        deletes=name,
        may_lack=True,
    )
    return records, deleted


_STREAMS = (
    *_kind(
        "account",
        "Account",
        "Name",
        ("Name", "Type", "Industry", "Phone", "Website", "BillingCity", "BillingCountry",
         "NumberOfEmployees", "AnnualRevenue", "Description"),
        facts=("Type", "Industry", "Website"),
    ),
    *_kind(
        "contact",
        "Contact",
        "Name",
        ("Name", "Title", "Department", "Email", "Phone", "MobilePhone", "MailingCity",
         "MailingCountry", "Description"),
        related=("Account.Name", "Owner.Name"),
        facts=("Email", "Title"),
        breadcrumbs=("Account.Name",),
    ),
    *_kind(
        "lead",
        "Lead",
        "Name",
        ("Name", "Company", "Title", "Email", "Phone", "Status", "LeadSource", "Industry",
         "Rating", "City", "Country", "Description"),
        facts=("Email", "Company", "Status", "LeadSource"),
    ),
    *_kind(
        "opportunity",
        "Opportunity",
        "Name",
        ("Name", "StageName", "Amount", "Probability", "CloseDate", "Type", "LeadSource",
         "NextStep", "Description"),
        related=("Account.Name", "Owner.Name"),
        facts=("StageName", "Amount", "CloseDate"),
        breadcrumbs=("Account.Name",),
    ),
    *_kind(
        "case",
        "Case",
        "{CaseNumber}: {Subject}",
        ("Subject", "Status", "Priority", "Origin", "Type", "Reason", "Description"),
        related=("Account.Name", "Contact.Name", "Owner.Name"),
        facts=("Status", "Priority", "Origin"),
        breadcrumbs=("Account.Name",),
    ),
    *_kind(
        "case_comment",
        "CaseComment",
        "Comment on {Parent.CaseNumber}: {Parent.Subject}",
        ("CommentBody",),
        related=("Parent.CaseNumber", "Parent.Subject", "CreatedBy.Name"),
        facts=("ParentId", "IsPublished"),
        breadcrumbs=("Parent.Subject",),
    ),
    *_kind(
        "task",
        "Task",
        "Subject",
        ("Subject", "Status", "Priority", "ActivityDate", "Description"),
        related=("Who.Name", "What.Name", "Owner.Name"),
        facts=("Status", "Priority", "ActivityDate"),
        is_archived=True,
    ),
    *_kind(
        "event",
        "Event",
        "Subject",
        ("Subject", "Location", "StartDateTime", "EndDateTime", "Description"),
        related=("Who.Name", "What.Name", "Owner.Name"),
        facts=("Location", "StartDateTime"),
        is_archived=True,
    ),
)  # fmt: skip


class SalesforceSource(RestSource[SalesforceConfig, SalesforceCredentials]):
    """The CRM of a Salesforce org, read by SOQL.

    https://developer.salesforce.com/docs/platform/api-rest/guide/resources-query.html
    https://developer.salesforce.com/docs/platform/api-rest/guide/resources-queryall.html
    https://developer.salesforce.com/docs/platform/api-rest/guide/errorcodes.html
    """

    short_name = "salesforce"
    name = "Salesforce"
    description = "Accounts, contacts, leads, opportunities, cases, tasks, events of Salesforce."
    labels = ("crm", "sales", "customers", "support")
    checked_against = "documentation only"
    Config = SalesforceConfig
    Credentials = SalesforceCredentials
    auth_methods = tuple(AuthMethod)
    base_url = "{config.instance_url}"
    # The smallest batches: 200 records of long texts stay below the limit of an answer.
    headers: ClassVar[Mapping[str, str]] = {"sforce-query-options": "batchSize=200"}
    check_request = Request(
        path=f"{_API}/query",
        params={"q": "SELECT Name FROM Organization"},
        shows="records.0.Name",
    )
    streams: ClassVar[tuple[Stream, ...]] = _STREAMS

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return the org's own consent page."""
        site = cls.api_url(config, options)
        return OAuth2(
            authorize_url=f"{site}/services/oauth2/authorize",
            token_url=f"{site}/services/oauth2/token",
            scopes=("api", "refresh_token"),
            client_auth="client_secret_post",
        )

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Return the error that Salesforce tells by a code, which says more than the status."""
        if response.is_success:
            return None
        told = {"errors": answer}
        match find(told, "errors.0.errorCode"):
            case "REQUEST_LIMIT_EXCEEDED":
                if line_of(find(told, "errors.0.message")).startswith("TotalRequests"):
                    return RateLimited(
                        "The org's daily limit of requests is used up.", retry_after=_DAILY_WAIT_S
                    )
                return RateLimited(
                    "Too many requests of the org run at once.", retry_after=_CONCURRENT_WAIT_S
                )
            case "INVALID_TYPE" | "INVALID_FIELD":
                return AccessDenied("Salesforce shows this user no such object, or not all of it.")
            case "API_DISABLED_FOR_ORG" | "API_CURRENTLY_DISABLED":
                return SourceMisconfigured(
                    "Salesforce does not let this user call its API.",
                    hint="The org's edition, and the user's profile, must have API Enabled.",
                )
            case "INVALID_QUERY_LOCATOR":
                return PlaceLost("Salesforce has forgotten the query whose results were read.")
            case "QUERY_TIMEOUT":
                return SourceUnavailable("Salesforce took too long to answer.")
            case _:
                return None

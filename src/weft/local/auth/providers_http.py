"""Fetches an account's credentials from Composio or Pipedream, at each run.

Composio's facts are from its API reference (docs.composio.dev, v3: `GET /api/v3/connected_accounts`
and `/{nanoid}`, header `x-api-key`; an account has `status`, `toolkit.slug`, `user_id` and its
credentials in `state.val`) and from its project setting `mask_secret_keys_in_connected_account`,
which cuts them short. Pipedream's are from pipedream.com/docs/connect/api-reference: a client
credentials token of `POST /v1/oauth/token`, then `GET /v1/connect/{project}/accounts[/{id}]` with
`include_credentials` and the header `x-pd-environment`; an account has `healthy`, `dead`,
`external_id`, `app.name_slug` and, with the customer's own OAuth client, `credentials`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import httpx

from weft.errors import (
    AuthenticationFailed,
    ErrorCategory,
    InvalidInput,
    SourceUnavailable,
    TryLater,
)
from weft.local.auth.oauth_clients import OAuthClient
from weft.local.auth.oauth_protocol import fetch_client_token
from weft.net.errors import json_of, status_error
from weft.net.http_factory import HttpFactory

PAGES_MAX: Final = 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@|:+-]{0,199}")
_MASKED = re.compile(r"\.\.\.$|^\*+$|REDACTED", re.I)
_VERSION = re.compile(r"v\d+$")


@dataclass(frozen=True, slots=True)
class AccountQuery:
    """An account to look up at a service; ``app`` is the service's name for the source."""

    base_url: str
    options: Mapping[str, str]
    secrets: Mapping[str, str]
    config: Mapping[str, str]
    app: str


Fetch = Callable[[HttpFactory, AccountQuery], Awaitable[Mapping[str, Any]]]


async def fetch_from_composio(http: HttpFactory, query: AccountQuery) -> Mapping[str, Any]:
    """Fetch the credentials of a connected account.

    Raises AuthenticationFailed when the account is gone or refused, and TryLater errors.
    """
    headers = {"x-api-key": query.secrets["api_key"], "accept": "application/json"}
    async with http(base_url=query.base_url, headers=headers) as client:
        account_id = query.config.get("account_id")
        if account_id is None:
            account_id = await _find_composio_account(client, query)
        url = f"/api/v3/connected_accounts/{_require_id(account_id, 'account_id')}"
        account = await _get(client, "Composio", url, {})
    user = query.config.get("user_id")
    if user is not None and account.get("user_id") != user:
        raise _account_gone("Composio", "is not of that entity_id")
    _check_app("Composio", query, _text(account.get("toolkit"), "slug"))
    status = account.get("status")
    if status != "ACTIVE":
        known = status if status in {"EXPIRED", "FAILED", "INACTIVE", "INITIATED"} else "not active"
        raise _account_refused("Composio", f"is {known}", "Connect the account again in Composio.")
    found = _mapping(_mapping(account.get("state")).get("val"))
    if any(isinstance(value, str) and _MASKED.search(value) for value in found.values()):
        raise _account_refused(
            "Composio",
            "has its secrets masked",
            "Turn off 'Mask Connected Account Secrets' in the settings of the Composio project.",
        )
    return found


async def fetch_from_pipedream(http: HttpFactory, query: AccountQuery) -> Mapping[str, Any]:
    """Fetch the credentials of a Pipedream Connect account; errors as `fetch_from_composio`."""
    client = OAuthClient(
        client_id=query.secrets["client_id"], client_secret=query.secrets["client_secret"]
    )
    try:
        tokens = await fetch_client_token(http, f"{query.base_url}/v1/oauth/token", client)
    except AuthenticationFailed:
        raise _key_refused("Pipedream") from None
    headers = {
        "authorization": f"Bearer {tokens.access_token}",
        "x-pd-environment": query.options["environment"],
        "accept": "application/json",
    }
    base = f"/v1/connect/{_require_id(query.options['project_id'], 'project_id')}/accounts"
    async with http(base_url=query.base_url, headers=headers) as session:
        account_id = query.config.get("account_id")
        if account_id is None:
            account_id = await _find_pipedream_account(session, base, query)
        url = f"{base}/{_require_id(account_id, 'account_id')}"
        answer = await _get(session, "Pipedream", url, {"include_credentials": "true"})
    account = _mapping(answer.get("data")) or answer
    user = query.config.get("external_user_id")
    if user is not None and account.get("external_id") != user:
        raise _account_gone("Pipedream", "is not of that external_user_id")
    _check_app("Pipedream", query, _text(account.get("app"), "name_slug"))
    if account.get("dead") or account.get("healthy") is False:
        raise _account_refused(
            "Pipedream", "is not healthy", "Connect the account again in Pipedream."
        )
    found = _mapping(account.get("credentials"))
    if not found:
        raise _account_refused(
            "Pipedream",
            "comes without credentials",
            "Pipedream gives those of OAuth apps only for accounts that were connected with your"
            " own OAuth client.",
        )
    return found


async def _find_composio_account(client: httpx.AsyncClient, query: AccountQuery) -> str:
    """Find the newest active account of the user and the app."""
    params = {"limit": "100", "statuses": "ACTIVE"}
    if "user_id" in query.config:
        params["user_ids"] = query.config["user_id"]
    if "auth_config_id" in query.config:
        params["auth_config_ids"] = query.config["auth_config_id"]
    found: list[Mapping[str, Any]] = []
    for _ in range(PAGES_MAX):
        page = await _get(client, "Composio", "/api/v3/connected_accounts", params)
        found += [
            item
            for item in _items(page.get("items"))
            if _is_app(query.app, _text(item.get("toolkit"), "slug"))
        ]
        cursor = page.get("next_cursor")
        if not isinstance(cursor, str) or not cursor:
            break
        params = params | {"cursor": cursor}
    return _newest("Composio", found)


async def _find_pipedream_account(client: httpx.AsyncClient, url: str, query: AccountQuery) -> str:
    params = {"limit": "100", "external_user_id": query.config["external_user_id"]}
    found: list[Mapping[str, Any]] = []
    for _ in range(PAGES_MAX):
        page = await _get(client, "Pipedream", url, params)
        found += [
            item
            for item in _items(page.get("data"))
            if _is_app(query.app, _text(item.get("app"), "name_slug")) and not item.get("dead")
        ]
        cursor = _mapping(page.get("page_info")).get("end_cursor")
        if not isinstance(cursor, str) or not cursor or not _items(page.get("data")):
            break
        params = params | {"after": cursor}
    return _newest("Pipedream", found)


def _newest(service: str, found: list[Mapping[str, Any]]) -> str:
    if not found:
        raise _account_gone(service, "is not there")
    newest = max(found, key=lambda account: str(account.get("created_at", "")))
    return str(newest.get("id", ""))


async def _get(
    client: httpx.AsyncClient, service: str, url: str, params: Mapping[str, str]
) -> Mapping[str, Any]:
    response = await client.get(url, params=dict(params))
    status = response.status_code
    if status in {401, 403}:
        raise _key_refused(service)
    if status in {400, 404, 410, 422}:
        raise _account_gone(service, "is not there")
    if not response.is_success:
        mapped = status_error(response, what=f"{service}'s account")
        raise mapped if isinstance(mapped, TryLater) else SourceUnavailable(mapped.message)
    return _mapping(json_of(response, f"{service}'s account"))


def _check_app(service: str, query: AccountQuery, slug: str) -> None:
    # A token goes only to the app's own source, not to whichever source a model names.
    if not _is_app(query.app, slug):
        raise _account_refused(
            service,
            "is of another app than this source",
            "Name an account of this source's app; the operator can map them with --app.",
        )


def _is_app(app: str, slug: str) -> bool:
    return _plain(app) == _plain(slug) or _VERSION.sub("", _plain(slug)) == _plain(app)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _require_id(name: str, field: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"auth.auth_provider.provider_config.{field} is not an id.",
            field="auth.auth_provider.provider_config",
        )
    return name


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _items(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        return []
    return [_mapping(item) for item in cast("list[object]", value)]


def _text(value: object, name: str) -> str:
    found = _mapping(value).get(name)
    return found if isinstance(found, str) else ""


def _account_gone(service: str, what: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        f"The account at {service} {what}.",
        category=ErrorCategory.AUTH_PROVIDER_ACCOUNT_GONE,
        hint=f"Connect it again at {service}, or name another one with authorize_connection.",
    )


def _account_refused(service: str, what: str, hint: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        f"The account at {service} {what}.",
        category=ErrorCategory.AUTH_PROVIDER_CREDENTIALS_INVALID,
        hint=hint,
    )


def _key_refused(service: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        f"{service} refused the operator's own credentials.",
        category=ErrorCategory.AUTH_PROVIDER_CREDENTIALS_INVALID,
        hint="The operator renews them: `weft auth-providers remove` and `add`.",
    )

"""Composio and Pipedream, scripted: accounts with credentials, behind the operator's key."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json

KEY = "c0mposio-key-5512ab"


@dataclass
class AccountService:
    """Both on one server, as far as they are used."""

    accounts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    key: str = KEY
    status: int | None = None
    site: Site | None = None

    def answer(self, asked: HttpRequest) -> HttpReply:
        if self.status is not None:
            return HttpReply(self.status, b"the service's own words")
        if asked.path.startswith("/api/v3/connected_accounts"):
            if asked.headers.get("x-api-key") != self.key:
                return as_json({"error": "the service's own words"}, 401)
            return self._answer_accounts(asked, "items", "user_ids", "user_id", "state")
        if asked.path == "/v1/oauth/token":
            given = {name: each[0] for name, each in parse_qs(asked.body.decode()).items()}
            if given.get("client_secret") != self.key:
                return as_json({"error": "invalid_client"}, 401)
            return as_json({"access_token": "pd-token", "token_type": "Bearer", "expires_in": 3600})
        assert asked.headers["authorization"] == "Bearer pd-token"
        assert asked.headers["x-pd-environment"] == "development"
        assert asked.path.startswith("/v1/connect/proj_1/accounts")
        hidden = None if asked.query.get("include_credentials") == "true" else "credentials"
        return self._answer_accounts(asked, "data", "external_user_id", "external_id", hidden)

    def _answer_accounts(
        self, asked: HttpRequest, items: str, filter_name: str, owner: str, hidden: str | None
    ) -> HttpReply:
        name = unquote(asked.path.rpartition("accounts")[2]).strip("/")
        if name:
            found = self.accounts.get(name)
            return HttpReply(404) if found is None else as_json(found)
        user = asked.query.get(filter_name)
        listed = [a for a in self.accounts.values() if user in (None, a.get(owner))]
        shown = [{key: each for key, each in a.items() if key != hidden} for a in listed]
        return as_json({items: shown})

    def composio(self, token: str, **fields: Any) -> None:
        """An active account of the stub's app."""
        account: dict[str, Any] = {
            "id": "ca_1",
            "user_id": "user-123",
            "status": "ACTIVE",
            "toolkit": {"slug": "oauthstub"},
            "created_at": "2026-01-01T00:00:00Z",
            "state": {"authScheme": "OAUTH2", "val": {"access_token": token}},
        }
        self.accounts[fields.get("id", "ca_1")] = account | fields

    def pipedream(self, token: str, **fields: Any) -> None:
        """A healthy account of the stub's app."""
        account: dict[str, Any] = {
            "id": "apn_1",
            "external_id": "user-123",
            "healthy": True,
            "dead": False,
            "app": {"name_slug": "oauth_stub"},
            "created_at": "2026-01-01T00:00:00Z",
            "credentials": {"oauth_access_token": token},
        }
        self.accounts[fields.get("id", "apn_1")] = account | fields

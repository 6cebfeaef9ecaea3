"""Jira and Confluence share their accounts: a site with an API token, or a token of OAuth."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

from weft.domain.connections import AuthMethod
from weft.errors import SourceMisconfigured
from weft.sources.base import ENDPOINT, OAuth1, OAuth2
from weft.sources.rest.paging import unexpected_answer
from weft.sources.rest.table import Budget, Stream
from weft.sources.rest.values import find, line_of
from weft.sources.services.accounts import AccountSource, HostLabel, strip_domain

GATEWAY = "https://api.atlassian.com"


class AtlassianConfig(BaseModel):
    """The site to read."""

    model_config = ConfigDict(extra="forbid")

    site: Annotated[HostLabel, strip_domain("atlassian.net")] | None = Field(
        default=None,
        title="Site",
        description="Needed with an API token: acme for acme.atlassian.net. OAuth finds it.",
        json_schema_extra=ENDPOINT,
    )
    cloud_id: str | None = Field(
        default=None,
        title="Cloud id",
        description="With OAuth: which of several sites, by its id or its address.",
        max_length=255,
    )


ConfigT = TypeVar("ConfigT", bound=AtlassianConfig)


class AtlassianSource(AccountSource[ConfigT]):
    """A product of an Atlassian site.

    https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
    """

    auth_methods = tuple(AuthMethod)
    checked_against = "documentation only"
    budget = Budget(requests=10, seconds=1)
    api_token_needs = "'email' and 'site'"  # noqa: S105 (names of fields)
    product: ClassVar[str]
    scopes: ClassVar[tuple[str, ...]]

    site_url = ""
    """The address that people know, once it was asked for."""

    @classmethod
    def find_base_url(cls, config: BaseModel) -> str:
        """Return the site's address, or that of the gateway for tokens of OAuth."""
        site = cast("AtlassianConfig", config).site
        return f"https://{site}.atlassian.net" if site else GATEWAY

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return Atlassian's consent page."""
        del config, options
        return OAuth2(
            authorize_url="https://auth.atlassian.com/authorize",
            token_url="https://auth.atlassian.com/oauth/token",  # noqa: S106 (an address)
            scopes=(*cls.scopes, "offline_access"),
            client_auth="client_secret_post",
            extra={"audience": "api.atlassian.com", "prompt": "consent"},
        )

    def table(self) -> tuple[Stream, ...]:
        """Return the streams, with the site's address in those of their records."""
        return tuple(
            row.model_copy(update={"url": row.url.replace("{site}", self.site_url)})
            if isinstance(row.url, str)
            else row
            for row in self.streams
        )

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[None]:
        async with super()._open():
            if self.config.site:
                self.site_url = self.find_base_url(self.config)
            elif self.credentials.email:
                raise SourceMisconfigured(
                    "An API token needs the name of its site.",
                    field="site",
                    hint="Give acme for acme.atlassian.net.",
                )
            else:
                site = self._choose(await self._list_sites())
                self.site_url = line_of(site.get("url")).rstrip("/")
                self.api.root = f"/ex/{self.product}/{line_of(site.get('id'))}"
            yield

    async def _list_sites(self) -> list[Mapping[str, Any]]:
        found = await self.api.get("/oauth/token/accessible-resources", what="the sites")
        if not isinstance(found, list):
            raise unexpected_answer("the sites")
        sites = cast("list[Any]", found)
        return [each for each in sites if line_of(find(each, "id"))]

    def _choose(self, sites: list[Mapping[str, Any]]) -> Mapping[str, Any]:
        wanted = self.config.cloud_id
        if wanted is not None:
            sites = [
                each
                for each in sites
                if wanted.rstrip("/") in (line_of(each["id"]), line_of(each.get("url")))
            ]
        if len(sites) == 1:
            return sites[0]
        raise SourceMisconfigured(
            f"The token is good for {len(sites)} such sites.",
            field="cloud_id",
            hint="Give the address of one of them, such as https://acme.atlassian.net."
            if sites
            else "Authorise once more, and choose the site there.",
        )

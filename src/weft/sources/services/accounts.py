"""What services have in common that give each account a host, and API tokens to its users."""

from typing import Annotated, ClassVar

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from weft.errors import AuthenticationFailed, WeftError
from weft.sources.base import ConfigT
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import Auth, Basic, Bearer

HostLabel = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
Email = Annotated[str, Field(pattern=r"^[^\s:/]+@[^\s:/]+$")]


def strip_domain(domain: str) -> BeforeValidator:
    """Return what makes a `HostLabel` of the address of an account below ``domain``."""

    def strip(value: object) -> object:
        if not isinstance(value, str):
            return value
        bare = value.strip().lower().removeprefix("https://").rstrip("/")
        return bare.removesuffix(f".{domain}")

    return BeforeValidator(strip)


class AccountCredentials(BaseModel):
    """An OAuth access token; or an API token, with the email address of its owner."""

    model_config = ConfigDict(extra="forbid")

    access_token: SecretStr = Field(
        title="Token", description="OAuth access token; or, if 'email' is given, an API token."
    )
    email: Email | None = Field(
        default=None,
        title="Email",
        description="For an API token: the email address of its owner.",
    )


class AccountSource(RestSource[ConfigT, AccountCredentials]):
    """A service that takes both kinds of tokens."""

    Credentials = AccountCredentials
    api_token_user: ClassVar[str] = "{email}"  # noqa: S105 (a template)
    api_token_needs: ClassVar[str] = "'email'"  # noqa: S105 (the name of a field)

    def find_auth(self) -> Auth:
        """Return the form for an API token, if that is what is given."""
        if self.credentials.email:
            return Basic(user=self.api_token_user, password="{access_token}")  # noqa: S106 (a name)
        return Bearer()

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Tell what an API token lacks: without it, the service looks for a token of OAuth."""
        del answer
        if response.status_code == 401 and not self.credentials.email:
            return AuthenticationFailed(
                f"{self.name} refused the token, which it takes for one of OAuth (HTTP 401): an API"
                f" token needs {self.api_token_needs} too."
            )
        return None

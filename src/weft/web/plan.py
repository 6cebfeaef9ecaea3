"""Turns settings into parts of the HTTP front; refuses settings that would expose it by mistake."""

import sys
from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from weft.errors import InvalidInput
from weft.net.urls import is_loopback
from weft.settings import Settings
from weft.web.build import KNOWN_PATHS, MCP_PATH, OPEN_PATHS, STREAM_PATHS
from weft.web.gate.gate import Gate
from weft.web.gate.hosts import build_host_rules
from weft.web.gate.limits import Rates, Slots
from weft.web.gate.metrics import Metrics
from weft.web.gate.oauth import OAuthSettings, OAuthTokens
from weft.web.gate.operator_token import TOKEN_FILE_NAME, Authenticate, load_or_create_token
from weft.web.pages.routes import page_of
from weft.web.rest.routes import template_of
from weft.web.run import Listening

_LOOPBACK_HINT: Final = "Or bind 127.0.0.1, which only this machine can reach."


def plan_listening(settings: Settings, *, auth: bool) -> Listening:
    """Plan where to listen. Raises InvalidInput for settings that would admit strangers."""
    if (settings.http_tls_cert is None) is not (settings.http_tls_key is None):
        raise InvalidInput(
            "WEFT_HTTP_TLS_CERT and WEFT_HTTP_TLS_KEY belong together.", field="WEFT_HTTP_TLS_CERT"
        )
    _check_proxies(settings.http_trusted_proxies)
    if not is_loopback(settings.http_host):
        _check_exposed(settings, auth=auth)
    if not auth:
        sys.stderr.write(
            "Without authentication every program on this machine may use Weft (--no-auth).\n"
        )
    return Listening(
        host=settings.http_host,
        port=settings.http_port,
        tls_cert=settings.http_tls_cert,
        tls_key=settings.http_tls_key,
        proxies=sorted(settings.http_trusted_proxies),
        connections_max=settings.http_max_requests + settings.http_max_streams,
    )


def load_token(settings: Settings) -> str:
    """Load the operator's token. Its file is named on stderr, the token never is."""
    if settings.token is not None:
        return settings.token.get_secret_value()
    path = settings.home / TOKEN_FILE_NAME
    token = load_or_create_token(path)
    sys.stderr.write(f"The bearer token is in {path}\n")
    return token


def plan_oauth(settings: Settings, url: str) -> OAuthSettings | None:
    """Plan the check of OAuth tokens, None for no check. ``url`` is where this server listens."""
    if settings.oauth_issuer is None:
        return None
    resource = settings.http_public_url or f"{url}{MCP_PATH}"
    if not settings.oauth_audience:
        raise InvalidInput(
            "WEFT_OAUTH_ISSUER needs WEFT_OAUTH_AUDIENCE.",
            field="WEFT_OAUTH_AUDIENCE",
            hint="It is what the issuer puts into `aud` for this server, usually its URL.",
        )
    return OAuthSettings(
        issuer=settings.oauth_issuer,
        audience=settings.oauth_audience,
        scopes=settings.oauth_scopes,
        organization_claim=settings.oauth_organization_claim,
        resource_url=resource,
    )


def build_gate(
    settings: Settings,
    authenticators: Sequence[Authenticate] | None,
    oauth: OAuthSettings | None,
    metrics: Metrics,
) -> Gate:
    """Build the gate. Without authenticators (None) it admits everyone."""
    if authenticators is not None and oauth is not None:
        authenticators = [*authenticators, OAuthTokens(oauth).authenticate]
    return Gate(
        hosts=build_host_rules(
            settings.http_host, settings.http_allowed_hosts, settings.http_allowed_origins
        ),
        authenticators=authenticators,
        open_paths=OPEN_PATHS,
        stream_paths=STREAM_PATHS,
        known_paths=KNOWN_PATHS,
        requests=Slots(settings.http_max_requests),
        streams=Slots(settings.http_max_streams),
        rates=Rates(settings.http_requests_per_minute),
        metrics=metrics,
        metadata_url=oauth.metadata_url if oauth else None,
        page_of=page_of,
        rest_template_of=template_of,
    )


def plan_pages_url(settings: Settings, url: str) -> str:
    """Plan the base URL of the pages for people. ``url`` is where this server listens."""
    if settings.http_public_url is not None:
        parts = urlsplit(settings.http_public_url)
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix(MCP_PATH)}"
    local = is_loopback(settings.http_host) and not settings.http_trusted_proxies
    if local or not settings.http_allowed_hosts:
        return url
    # The bound address may be a wildcard, or one that only the proxy reaches; clients use the
    # allowed hosts. A loopback name among them is for health checks on this machine.
    host = min(settings.http_allowed_hosts, key=lambda name: (_names_loopback(name), name))
    port = urlsplit(url).port
    # Behind a proxy, omit the port: it listens on the default one.
    if settings.http_tls_cert is None or urlsplit(f"//{host}").port is not None:
        return f"https://{host}"
    return f"https://{host}:{port}"


def _names_loopback(host: str) -> bool:
    return is_loopback(host) or is_loopback(urlsplit(f"//{host}").hostname or "")


def _check_proxies(names: Iterable[str]) -> None:
    """Refuse names that match no address or every address, since neither means a proxy."""
    for name in names:
        try:
            fits_some = ip_network(name).prefixlen > 0
        except ValueError:
            fits_some = False
        if not fits_some:
            raise InvalidInput(
                "WEFT_HTTP_TRUSTED_PROXIES must list IP addresses, or networks of some.",
                field="WEFT_HTTP_TRUSTED_PROXIES",
                hint="For example 10.0.0.1, or a network such as 10.0.0.0/24.",
            )


def _check_exposed(settings: Settings, *, auth: bool) -> None:
    if not auth:
        raise InvalidInput(
            "--no-auth works on a loopback address only.",
            field="--no-auth",
            hint="Leave it out, or bind 127.0.0.1.",
        )
    if settings.http_tls_cert is None and not settings.http_trusted_proxies:
        raise InvalidInput(
            "The address of WEFT_HTTP_HOST (or --host) can be reached from elsewhere, where tokens "
            "must not travel in the clear.",
            field="WEFT_HTTP_HOST",
            hint="Set WEFT_HTTP_TLS_CERT and WEFT_HTTP_TLS_KEY, or name the proxy that ends TLS "
            f"in WEFT_HTTP_TRUSTED_PROXIES. {_LOOPBACK_HINT}",
        )
    if not settings.http_allowed_hosts:
        raise InvalidInput(
            "WEFT_HTTP_ALLOWED_HOSTS must name the hosts that clients address.",
            field="WEFT_HTTP_ALLOWED_HOSTS",
            hint=f"For example weft.example.org. {_LOOPBACK_HINT}",
        )

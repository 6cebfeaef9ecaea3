"""Limits the operator's tokens to the source's usual endpoint and to hosts the operator allowed.

A connection's configuration is often written by a model. A token that the operator's account or
OAuth client fetches must not be sent to just any host that a configuration names.
"""

from collections.abc import Sequence

from weft.domain.base import Json
from weft.errors import NotPermitted
from weft.local.auth.secret_refs import is_among, parse_origins
from weft.local.engine import Engine
from weft.local.origins import normal_origin
from weft.sources.base import AnySource

_WORDS = {"auth_provider": "auth provider", "oauth_client": "OAuth client"}


def parse_allowed_hosts(hosts: Sequence[str]) -> tuple[str, ...]:
    """Parse the hosts that an operator names; there may be none. Raises InvalidInput."""
    return parse_origins(hosts) if hosts else ()


def binding_of(origin: str, allowed: Sequence[str]) -> str:
    """Return the text to bind an operator's secret to, so that an edited row does not open."""
    return " ".join((origin, *allowed))


async def check_destination(
    engine: Engine,
    organization_id: str,
    kind: type[AnySource],
    config: Json,
    *,
    allowed: Sequence[str],
    lent: tuple[str, str],
    command: str,
    field: str,
) -> None:
    """Refuse, and audit, a configuration that leads to a host not ``allowed``: NotPermitted.

    ``lent`` is the kind and id, in the audit's terms, of what the operator lends.
    """
    if not config_decides_host(engine, kind, config):
        return
    endpoint = engine.endpoint(kind.short_name, config)
    if is_among(endpoint, allowed):
        return
    what, name = lent
    await engine.refusals.record(
        engine.store.audit, organization_id, what, name, "not for this endpoint"
    )
    raise NotPermitted(
        "With this configuration the token would go to a host that the operator has not allowed"
        f" for this {_WORDS[what]}.",
        field=field,
        hint=f"The operator allows it with --host: `{command} --host HOST`.",
    )


def config_decides_host(engine: Engine, kind: type[AnySource], config: Json) -> bool:
    """Tell whether the configuration decides the host, rather than the source or the operator."""
    endpoint = engine.endpoint(kind.short_name, config)
    if not endpoint:
        marked = {name.name for name in kind.info().config_fields if name.endpoint}
        return any(config.get(name) is not None for name in marked)
    try:
        usual = kind.endpoint(kind.Config.model_construct(), engine.context.options)
    except Exception:  # noqa: BLE001 (third-party code that misses a required field may raise anything)
        return True
    return normal_origin(usual or "") != endpoint

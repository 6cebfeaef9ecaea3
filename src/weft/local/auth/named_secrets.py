"""Keeps the operators' named secrets, and lists them without their values."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from weft.backend import LIST_LIMIT_MAX
from weft.domain.access.secrets import OperatorSecret, SecretOrigin
from weft.domain.base import Json
from weft.errors import InvalidInput, WeftError
from weft.local.auth.secret_refs import (
    VALUE_MAX_CHARS,
    allowance,
    check_name,
    name_in,
    parse_origins,
    secret_owner,
    unknown_secret,
)
from weft.local.engine import Engine, MappedSecret
from weft.local.store.vault import SecretRow

_SHORT_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


class NamedSecrets:
    """The named secrets of one organisation, including those that config.toml maps for it.

    ``any_source``: a remote API has other sources than this Weft, so all short names are accepted.
    """

    def __init__(self, engine: Engine, organization_id: str, *, any_source: bool = False) -> None:
        self._engine = engine
        self._organization_id = organization_id
        self._any_source = any_source

    async def put(
        self, name: str, value: str, *, sources: Sequence[str], hosts: Sequence[str]
    ) -> OperatorSecret:
        """Store a value under a name, replacing any earlier one.

        Raises InvalidInput for a bad name, an empty value, an unknown source or a bad host.
        """
        check_name(name)
        if name in self._mapped_secrets():
            raise InvalidInput(
                "config.toml maps a secret of that name.", field="name", hint="Choose another name."
            )
        if not value or len(value) > VALUE_MAX_CHARS:
            raise InvalidInput("The value is empty or too long.", field="value")
        kinds = tuple(sorted({self._parse_source(source) for source in sources}))
        if not kinds:
            raise InvalidInput(
                "A secret needs a source that it may serve.",
                field="source",
                hint="For example --source github.",
            )
        origins = parse_origins(hosts)
        row = SecretRow(
            organization_id=self._organization_id,
            name=name,
            sources=kinds,
            hosts=origins,
            sealed=await self._engine.seal(
                self._organization_id,
                secret_owner(name),
                allowance(kinds, origins),
                {"value": value},
            ),
            modified_at=self._engine.clock(),
        )
        await self._engine.store.secrets.put(row)
        return _describe(row)

    async def list(self) -> Sequence[OperatorSecret]:
        """List all by name, with the connections that refer to them."""
        stored = await self._engine.store.secrets.list(self._organization_id)
        known = [_describe(row, lost=await self._is_lost(row)) for row in stored]
        known += [
            _describe_mapped(name, found, self._organization_id)
            for name, found in self._mapped_secrets().items()
        ]
        used = await self._find_uses()
        return [
            secret.model_copy(update={"used_by": tuple(sorted(used.get(secret.name, ())))})
            for secret in sorted(known, key=lambda secret: secret.name)
        ]

    async def delete(self, name: str) -> OperatorSecret:
        """Remove it; connections that refer to it fail from now on. Raises NotFound."""
        found = next((secret for secret in await self.list() if secret.name == name), None)
        if found is None:
            raise unknown_secret()
        if found.origin is not SecretOrigin.STORED:
            raise InvalidInput(
                "config.toml maps that secret.", field="name", hint="Take it out of config.toml."
            )
        if not await self._engine.store.secrets.delete(
            self._organization_id, name, secret_owner(name)
        ):
            raise unknown_secret()
        return found

    def _parse_source(self, short_name: str) -> str:
        if not self._any_source:
            return self._engine.registry.get(short_name).short_name
        if not _SHORT_NAME.fullmatch(short_name):
            raise InvalidInput("source is not the short name of a source.", field="source")
        return short_name

    async def _is_lost(self, row: SecretRow) -> bool:
        owner = secret_owner(row.name)
        return await self._engine.is_lost(row.organization_id, owner, row.sealed)

    def _mapped_secrets(self) -> Mapping[str, MappedSecret]:
        return self._engine.mapped_secrets.get(self._organization_id, {})

    async def _find_uses(self) -> dict[str, set[str]]:
        used: dict[str, set[str]] = {}
        cursor: str | None = None
        connections = self._engine.store.connections
        while True:
            page = await connections.list(
                self._organization_id,
                readable_collection_id=None,
                short_name=None,
                status=None,
                cursor=cursor,
                limit=LIST_LIMIT_MAX,
            )
            for connection in page.items:
                for name in await self._find_names(
                    connection.id, connection.short_name, connection.config
                ):
                    used.setdefault(name, set()).add(connection.name)
            cursor = page.next_cursor
            if cursor is None:
                return used

    async def _find_names(self, connection_id: str, short_name: str, config: Json) -> set[str]:
        stored = await self._engine.store.connections.credentials(
            self._organization_id, connection_id
        )
        if stored is None:
            return set()
        try:
            endpoint = self._engine.endpoint(short_name, config)
            opened = await self._engine.unseal(
                self._organization_id, connection_id, endpoint, stored
            )
        except WeftError:
            return set()  # The credentials cannot be opened, so they use no secret; syncs say why.
        return {name for name in map(name_in, [opened, *opened.values()]) if name is not None}


def _describe(row: SecretRow, *, lost: bool = False) -> OperatorSecret:
    return OperatorSecret(
        name=row.name,
        organization_id=row.organization_id,
        origin=SecretOrigin.STORED,
        sources=row.sources,
        hosts=row.hosts,
        modified_at=row.modified_at,
        lost=lost,
    )


def _describe_mapped(name: str, mapped: MappedSecret, organization_id: str) -> OperatorSecret:
    return OperatorSecret(
        name=name,
        organization_id=organization_id,
        origin=SecretOrigin.ENV if mapped.env else SecretOrigin.FILE,
        sources=mapped.sources,
        hosts=mapped.hosts,
    )

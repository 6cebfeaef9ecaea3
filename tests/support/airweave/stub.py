"""Weft's scripted stub source as a source of the stand-in of Airweave."""

from typing import Any

from pydantic import BaseModel

from weft.testing.airweave import Airweave, Outcome
from weft.testing.airweave.state import Connection, Sync
from weft.testing.stub import (
    SecretStubSource,
    StubConfig,
    StubCredentials,
    StubSource,
    stub_entity,
)

_CATEGORIES = {"auth": "api_key_invalid"}


def open_world() -> Airweave:
    """Make an organisation whose sources are Weft's stubs."""
    world = Airweave(run=run_script, queue_seconds=0.01, run_seconds=0.02, cancel_seconds=0.02)
    kind = world.sources["stub"]
    world.sources = {
        source.short_name: {
            **kind,
            "short_name": source.short_name,
            "name": source.name,
            "supports_continuous": True,
            "output_entity_definitions": list(source.entity_types),
            "config_fields": {"fields": _describe(StubConfig)},
            "auth_fields": {"fields": _describe(StubCredentials)},
        }
        for source in (StubSource, SecretStubSource)
    }
    world.config_models = dict.fromkeys(world.sources, StubConfig)
    world.credential_models = {}
    return world


def run_script(connection: Connection, sync: Sync, full: bool) -> Outcome:
    """Run a sync as the script in the configuration says."""
    config = StubConfig.model_validate(connection.config)
    before = {entity["id"]: entity for entity in sync.entities}
    numbers = range(config.entities)
    if config.fail_at is not None:
        numbers = range(min(config.fail_at, config.entities))
    kept = [n for n in numbers if not config.failed_every or (n + 1) % config.failed_every]
    listed = [_entity(config, number) for number in kept]
    found = {entity["id"]: entity for entity in listed}
    whole = not config.incomplete and config.fail_at is None
    stay = [] if whole else [one for name, one in before.items() if name not in found]
    missed = [one for name, one in before.items() if name not in found] if not stay else []
    lost = [] if len(kept) < len(numbers) else missed
    rate = config.rate or 0
    failed = config.fail_at is not None and config.fail_at < config.entities
    return Outcome(
        [*listed, *stay, *([] if lost else missed)],
        inserted=len([one for one in found if one not in before]),
        deleted=len(lost),
        skipped=len(numbers) - len(kept),
        seconds=config.entities / rate if rate else 0,
        error=f"scripted {config.error}" if failed else None,
        category=_CATEGORIES.get(config.error) if failed else None,
    )


def _entity(config: StubConfig, number: int) -> dict[str, Any]:
    entity = stub_entity(config, number)
    return {
        "id": entity.id,
        "name": entity.title,
        "type": entity.type,
        "text": entity.text,
        "url": entity.url,
        "updated_at": f"{entity.updated_at:%Y-%m-%dT%H:%M:%S}",
    }


def _describe(model: type[BaseModel]) -> list[dict[str, Any]]:
    plain = {"description": "", "type": "string", "required": False, "is_secret": False}
    return [{"name": name, "title": name, **plain} for name in model.model_fields]

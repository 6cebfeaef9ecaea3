"""The configuration of the `rss` source."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from weft.sources.base import ENDPOINT
from weft.sources.web.addresses import normalise_url

URLS_MAX = 50


class RssConfig(BaseModel):
    """The feeds to read."""

    model_config = ConfigDict(extra="forbid")

    urls: list[str] = Field(
        min_length=1,
        max_length=URLS_MAX,
        title="Feeds",
        description="Addresses of feeds: RSS, Atom or JSON Feed.",
        json_schema_extra=ENDPOINT,
    )
    max_entries: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        title="Most entries",
        description="Most entries to read of each feed, over all its pages.",
    )

    @field_validator("urls", mode="before")
    @classmethod
    def _accept_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("urls")
    @classmethod
    def _normalise(cls, value: list[str]) -> list[str]:
        found: dict[str, None] = {}
        for number, text in enumerate(value, 1):
            # Browsers and podcast programs write addresses of feeds in this way, too.
            text = text.strip().removeprefix("feed:").replace("feed://", "https://", 1)
            url = normalise_url(f"https:{text}" if text.startswith("//") else text)
            if url is None:
                raise ValueError(
                    f"address {number} must be an http or https address without user and password"
                )
            found[str(url)] = None
        return list(found)

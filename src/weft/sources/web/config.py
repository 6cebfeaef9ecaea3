"""The configuration of the `web` source."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from weft.sources.base import ENDPOINT
from weft.sources.patterns import Globs
from weft.sources.web.addresses import normalise_url


class WebConfig(BaseModel):
    """The pages to read."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        title="URL",
        description="A sitemap, or the page at which to start.",
        max_length=2048,
        json_schema_extra=ENDPOINT,
    )
    mode: Literal["auto", "sitemap", "crawl"] = Field(
        default="auto",
        title="Mode",
        description="How pages are found; auto: by the sitemap if the URL is one, or if robots.txt "
        "names one of what lies below it; else by links.",
    )
    max_pages: int = Field(
        default=200, ge=1, le=5000, title="Most pages", description="Most pages to read."
    )
    max_depth: int = Field(
        default=3,
        ge=0,
        le=20,
        title="Depth",
        description="How many links away from the start page a crawl goes.",
    )
    include: Globs = Field(
        default_factory=list,
        title="Include",
        description="Globs on the URL's path, e.g. /docs/*; others are not read.",
    )
    exclude: Globs = Field(
        default_factory=list,
        title="Exclude",
        description="Globs on the URL's path of pages that are not read.",
    )

    @field_validator("url")
    @classmethod
    def _normalise(cls, value: str) -> str:
        url = normalise_url(value.strip())
        if url is None:
            raise ValueError("must be an http or https address without user name and password")
        return str(url)

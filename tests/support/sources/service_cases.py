"""Cases of the suite for the sources of services, each on a scripted server."""

from dataclasses import dataclass, field
from typing import Any

from weft.domain.base import Json
from weft.net.client import Sleep, http_factory
from weft.sources.base import AnySource, SourceContext
from weft.testing.http_faults import NO_WAIT, wait_not
from weft.testing.scripted_http import Site
from weft.testing.source_contract import SourceCase


@dataclass(frozen=True)
class CaseMaker:
    """Makes cases of a service whose API is below ``path``, and whose source waits for nothing."""

    source: type[AnySource]
    credentials: Json = field(default_factory=lambda: {"access_token": "correct-horse"})
    config: Json = field(default_factory=dict[str, Any])
    path: str = ""

    def __call__(
        self,
        site: Site,
        source: type[AnySource] | None = None,
        sleep: Sleep = wait_not,
        **more: Any,
    ) -> SourceCase:
        kind = source or self.source
        quick: type[AnySource] = type(kind.__name__, (kind,), {"sleep": staticmethod(sleep)})
        context = SourceContext(
            http=http_factory({"127.0.0.1"}, clock=NO_WAIT),
            options={f"{kind.short_name}_api_url": f"{site.url}{self.path}"},
        )
        given: dict[str, Any] = {"config": self.config, "credentials": self.credentials, **more}
        return SourceCase(quick, context=context, **given)

"""Builds a server over the open backend, and serves it until it is told to end."""

import logging
import sys

from weft import __version__
from weft.assembly.backends import open_any
from weft.domain.access.acting import acting
from weft.domain.access.permissions import Ceilings
from weft.local.from_settings import tell_exposed_state
from weft.server.build import build_server
from weft.server.transport import stdio
from weft.settings import Settings
from weft.sources.registry import SourceRegistry
from weft.telemetry import logs
from weft.telemetry.tracing import export_traces

_logger = logging.getLogger(__name__)

SWITCH_SECONDS = 0.0005
# Each flush time is shorter than its transport's own shutdown limit.
STDIO_FLUSH_SECONDS = 0.4
HTTP_FLUSH_SECONDS = 5.0


async def serve_stdio(settings: Settings, *, registry: SourceRegistry | None = None) -> None:
    """Serve MCP on stdin and stdout until end of file or a signal."""
    _settle_process(settings)
    with export_traces(__version__, flush_seconds=STDIO_FLUSH_SECONDS):
        async with open_any(settings, registry=registry) as opened:
            server = build_server(
                opened.backend_for,
                version=__version__,
                ceilings=_ceilings_of(settings),
                inline_credentials=settings.inline_credentials or "warn",
                observe_refusal=opened.record_refusal,
            )
            with acting(operation="serve", transport="stdio"):
                await stdio.serve_stdio(server)


async def serve_http(
    settings: Settings, *, auth: bool = True, registry: SourceRegistry | None = None
) -> None:
    """Serve MCP over HTTP until a signal. Without ``auth`` everyone who can connect is admitted.

    Raises InvalidInput for settings that would expose it, StorageFailed as `open_engine`.
    """
    # Imported here so that stdio does not pay for an HTTP server.
    from weft.assembly.http import http_app
    from weft.server.transport.http import http_caller
    from weft.web.gate.metrics import Metrics
    from weft.web.gate.operator_token import build_operator_check
    from weft.web.plan import build_gate, load_token, plan_listening, plan_oauth, plan_pages_url
    from weft.web.run import bind_socket, run_app, url_of

    _settle_process(settings)
    listening = plan_listening(settings, auth=auth)
    with (
        bind_socket(listening.host, listening.port) as bound,
        export_traces(__version__, flush_seconds=HTTP_FLUSH_SECONDS),
    ):
        url = url_of(bound, listening)
        oauth = plan_oauth(settings, url)

        public = plan_pages_url(settings, url)

        async def base_url() -> str:
            return public

        async with open_any(settings, registry=registry, pages=base_url) as opened:
            # Without authentication no token is created or announced.
            token = build_operator_check(load_token(settings)) if auth else None
            known = [token, *opened.authenticators] if token else None
            metrics = Metrics()
            gate = build_gate(settings, known, oauth, metrics)
            server = build_server(
                opened.backend_for,
                version=__version__,
                who_calls=http_caller,
                ceilings=_ceilings_of(settings),
                observe=metrics.count_tool_call,
                inline_credentials=settings.inline_credentials or "deny",
                observe_refusal=opened.record_refusal,
            )
            app = http_app(
                server,
                opened,
                gate,
                ceilings=_ceilings_of(settings),
                oauth=oauth,
                pages_url=public,
                auth=auth,
                sessions_max=settings.http_max_streams,
            )

            def end() -> None:
                gate.draining.set()
                server.waits.end()

            with acting(operation="serve", transport="http"):
                await run_app(app, bound, listening, end, lambda: _announce_http(url, public))


def _settle_process(settings: Settings) -> None:
    """Tune the process, and log from now on."""
    # A call crosses threads several times, and at each waits this long for a sync to release the
    # interpreter. At Python's default of 5 ms, calls during a sync have a much slower tail.
    sys.setswitchinterval(SWITCH_SECONDS)
    logs.configure(settings.log_level, settings.log_format)
    for told in tell_exposed_state(settings):
        _logger.warning("%s", told)
    for root in settings.files_roots:
        if not root.expanduser().is_dir():
            _logger.warning("WEFT_FILES_ROOTS names %s, which is no folder", root)


def _announce_http(url: str, public: str) -> None:
    also = "" if public == url else f"; from elsewhere at {public}/"
    told = f"Weft serves MCP on {url}/mcp (and SSE on {url}/sse), and people at {url}/{also}"
    sys.stderr.write(f"{told}\n")


def _ceilings_of(settings: Settings) -> Ceilings:
    return Ceilings(
        read_only=settings.read_only, no_delete=settings.no_delete, toolsets=settings.toolsets
    )

"""Domain objects and times as results show them."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from tests.support.server.records import make_connection
from weft.domain.connections import AuthDetails, AuthMethod, Connection
from weft.server.render.structured import connection_out, timestamp, to_plain

AUTUMN = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 6789, tzinfo=UTC), "2026-01-02T03:04:05.006Z"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05Z"),
        (
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5))),
            "2026-01-01T22:04:05Z",
        ),
        (AUTUMN, "2026-10-25T00:30:00Z"),
        (AUTUMN.replace(fold=1), "2026-10-25T01:30:00Z"),
    ],
)
def test_times_are_written_in_utc(moment: datetime, written: str) -> None:
    assert timestamp(moment) == written
    assert timestamp(moment) == written


def test_what_is_unknown_is_left_out_and_a_claim_token_always() -> None:
    auth = AuthDetails(
        method=AuthMethod.OAUTH_BROWSER, authenticated=False, claim_token="canary-claim"
    )
    shown = to_plain(
        make_connection("c1").model_copy(update={"auth": auth, "config": {"kept": None}})
    )
    assert shown["auth"] == {"method": "oauth_browser", "authenticated": False}
    assert shown["config"] == {"kept": None}
    assert "description" not in shown


class LaterConnection(Connection):
    """A connection with a field that no result names."""

    owner: str = ""


def test_a_new_field_of_a_connection_is_shown_without_being_copied() -> None:
    later = LaterConnection.model_validate(dict(make_connection("c1")) | {"owner": "Ada"})
    assert connection_out(later) == connection_out(make_connection("c1")) | {"owner": "Ada"}

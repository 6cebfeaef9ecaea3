"""An authorisation at Airweave's stand-in lasts as long as at Airweave: five minutes."""

from weft.testing.airweave.oauth import LINK_SECONDS, SESSION_SECONDS


def test_session_ends_with_its_link() -> None:
    assert (SESSION_SECONDS, LINK_SECONDS) == (300, 300), "both default to five minutes there"

"""A stand-in for Airweave's API, made from recordings of the real one.

It keeps state, and answers as the real backend does, with its limits and its defects: the first
sync after an authorisation waits for `verify-oauth`, jobs that stay pending are cancelled after
three minutes, links open once, a collection does not list its connections. `Airweave` is the
organisation with its settings and its clock; `airweave_app` serves it.
"""

from weft.testing.airweave.app import airweave_app
from weft.testing.airweave.person import authorize
from weft.testing.airweave.state import Clock, Outcome
from weft.testing.airweave.world import Airweave

__all__ = ["Airweave", "Clock", "Outcome", "airweave_app", "authorize"]

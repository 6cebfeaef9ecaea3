"""The recorded exchanges by their names and by the numbers of their recordings."""

from tests.support.airweave.replay import Exchange, load_exchanges

ALL = {exchange.name: exchange for exchange in load_exchanges()}


def number_of(exchange: Exchange) -> str:
    """Return the group and the number of its recording, such as `noauth/018`."""
    group, _, rest = exchange.name.partition("/")
    return f"{group}/{rest[:3]}"


def recording(wanted: str) -> Exchange:
    """Return the exchange with that number."""
    return next(exchange for exchange in ALL.values() if number_of(exchange) == wanted)

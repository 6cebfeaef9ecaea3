"""Messages of Slack that are made to cost time or memory."""

from tests.support.sources.hostile.pages import number, repeat
from weft.sources.services.slack.messages import show_markup
from weft.testing.hostile import HostileParser

MARKUP = HostileParser(
    "the markup of Slack",
    lambda content: show_markup(content.decode(), {"U1": "Ada" * 10}),
    {
        "openings": repeat(b"<"),
        "closings": repeat(b">"),
        "pairs": repeat(b"<>"),
        "openings with text": repeat(b"<a"),
        "an opening without end": repeat(b"a", b"<"),
        "a long mark": repeat(b"a", b"<", b">"),
        "mentions": repeat(b"<@U1>"),
        "other mentions": number("<@U%d>"),
        "mentions without end": repeat(b"<@U1"),
        "named mentions": repeat(b"<@U2|bob>"),
        "channels": number("<#C%d|general>"),
        "groups": repeat(b"<!subteam^S1|@a>"),
        "dates": repeat(b"<!date^1^{date}|a>"),
        "carets": repeat(b"^", b"<!", b">"),
        "bars": repeat(b"|", b"<a", b">"),
        "links": number("<https://a.example/%d|a>"),
        "a long link": repeat(b"a", b"<https://", b"|a>"),
        "entities": repeat(b"&amp;"),
        "entities of entities": repeat(b"amp;", b"&"),
        "ampersands": repeat(b"&"),
        "numbers of characters": repeat(b"&#97;"),
        "a number without end": repeat(b"9", b"&#"),
        "lines": repeat(b"<\n"),
    },
)

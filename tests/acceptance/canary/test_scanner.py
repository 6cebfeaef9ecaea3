"""The search for leaked secrets finds every run of six characters, however it is encoded."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from tests.support.secrets.canary import RUN_CHARS, Canaries

ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda run: run,
    "lower case": lambda run: run.lower(),
    "reversed": lambda run: run[::-1],
    "json": lambda run: json.dumps(run.decode()).encode(),
    "json escapes": lambda run: "".join(f"\\u{byte:04x}" for byte in run).encode(),
    "json in json": lambda run: json.dumps(json.dumps({"a": run.decode()})).encode(),
    "python": lambda run: "".join(f"\\x{byte:02x}" for byte in run).encode(),
    "url": lambda run: quote(run, safe="").encode(),
    "form": lambda run: quote_plus(run).encode(),
    "every character quoted": lambda run: "".join(f"%{byte:02X}" for byte in run).encode(),
    "html": lambda run: html.escape(run.decode()).encode(),
    "html numbers": lambda run: "".join(f"&#{byte};" for byte in run).encode(),
    "hex": lambda run: run.hex().encode(),
    "upper hex": lambda run: run.hex().upper().encode(),
    "hex after a nibble": lambda run: b"f" + run.hex().encode(),
    "utf-16": lambda run: run.decode().encode("utf-16-le"),
    "base64": base64.b64encode,
    "base64 of a pair": lambda run: base64.b64encode(b"user:" + run + b"\n"),
    "base64 in base64": lambda run: base64.b64encode(base64.b64encode(b"a" + run)),
    "hex in base64": lambda run: base64.b64encode(run.hex().encode()),
    "quoted base64": lambda run: quote(base64.b64encode(run), safe="").encode(),
    **{
        f"base64url {shift}": lambda run, shift=shift: base64.urlsafe_b64encode(
            b"\xff" * shift + run + b"\xff" * shift
        )
        for shift in range(1, 4)
    },
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_run_is_found_in_every_encoding(encoding: str) -> None:
    canaries = Canaries()
    made = canaries.make("made").encode()
    foreign = b'wq0R"4x\\K/9&%u<'
    canaries.add("foreign", foreign)
    for name, secret in (("made", made), ("foreign", foreign)):
        for start in range(len(secret) - RUN_CHARS + 1):
            run = secret[start : start + RUN_CHARS]
            if encoding == "lower case" and name == "foreign":
                continue  # Only those that were made here are known in any case.
            planted = b'{"before": "' + ENCODINGS[encoding](run) + b'", "after": 1}'
            assert canaries.find(planted) == {name}, (run, planted)


def test_shorter_runs_and_other_texts_are_not_found() -> None:
    canaries = Canaries()
    made = canaries.make("made")
    canaries.add("bytes", bytes(range(200, 232)))
    other = Canaries().make("unknown")
    for text in (made[: RUN_CHARS - 1], other, "before and after ~~~~~~ ~/.weft", "a" * 1000):
        assert canaries.find(text.encode()) == set()
    assert canaries.find(bytes(range(205, 211))) == {"bytes"}


def test_every_run_of_a_made_secret_holds_the_mark() -> None:
    made = Canaries().make("made")
    runs = [made[at : at + RUN_CHARS] for at in range(len(made) - RUN_CHARS + 1)]
    assert all("~" in run for run in runs)
    assert made != Canaries().make("made")

"""Doctor says what holds up the entities that are not embedded."""

from pathlib import Path

from weft.cli.verbs.doctor_embedding import describe_waiting
from weft.local.from_settings import embedder_lock, embedder_trouble
from weft.local.process_liveness import try_to_lock
from weft.settings import Settings


def describe(settings: Settings, embedded: int) -> str | None:
    return describe_waiting(settings, [{"embedded": embedded, "total": 30_000}])


def test_nothing_is_said_where_all_is_embedded(tmp_path: Path) -> None:
    assert describe(Settings(home=tmp_path), 30_000) is None


def test_what_holds_up_the_others_is_told(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, embeddings=True)
    assert "embedded while a Weft process is open" in (describe(settings, 12_000) or "")
    embedder_trouble(settings).write_text("The disk is full.")
    assert describe(settings, 0) == "nothing is embedded for now: The disk is full."
    embedder_trouble(settings).write_text("")
    assert describe(settings, 0) == (
        "nothing is embedded for now: The reason is unknown; Weft's log may have it."
    )
    with try_to_lock(embedder_lock(settings)):
        assert describe(settings, 0) == "a process embeds them now"


def test_embedding_that_is_switched_off_is_told(tmp_path: Path) -> None:
    said = describe(Settings(home=tmp_path, embeddings=False), 0)
    assert "WEFT_EMBEDDINGS is false" in (said or "")

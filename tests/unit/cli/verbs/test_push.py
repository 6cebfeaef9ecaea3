"""Pushing from a file, in batches; what fails on the way ends the push."""

import json
from pathlib import Path

import pytest

from tests.support.cli import make_job
from tests.support.terminal import Terminal
from weft.backend import Ingest
from weft.cli.verbs import push as verb
from weft.domain.connections import EntitySummary
from weft.domain.jobs import Job, JobStatus, JobTrigger
from weft.domain.pushing import Push
from weft.errors import StorageFailed


class FakeIngest(Ingest):
    def __init__(self) -> None:
        self.pushed: list[Push] = []
        self.fails_at = 0

    async def push(self, connection: str, push: Push, *, apply_deletions: bool = False) -> Job:
        self.pushed.append(push)
        if len(self.pushed) == self.fails_at:
            raise StorageFailed("The disk is full.")
        status = JobStatus.PENDING if push.more else JobStatus.COMPLETED
        return make_job(status, trigger=JobTrigger.PUSH)


@pytest.fixture
def ingest(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> FakeIngest:
    monkeypatch.setattr(verb, "BATCH_ITEMS", 2)
    terminal.backend.ingest = made = FakeIngest()
    return made


def make_lines(tmp_path: Path, *lines: object) -> str:
    path = tmp_path / "lines.jsonl"
    path.write_text(
        "\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines)
    )
    return str(path)


def make(name: str) -> dict[str, str]:
    return {"id": name, "title": name, "text": "words"}


def test_file_is_pushed_in_batches_of_one_job(
    terminal: Terminal, ingest: FakeIngest, tmp_path: Path
) -> None:
    path = make_lines(tmp_path, *(make(each) for each in "abcd"), "", {"delete": "e"})
    result = terminal.run("push", "My notes", path, "--replace", "--delete", "f")
    assert result.exit_code == 0, result.stderr
    named = [[*(e.id for e in each.entities), *each.delete] for each in ingest.pushed]
    assert named == [["a", "f"], ["b", "c"], ["d", "e"]]
    assert [each.more for each in ingest.pushed] == [True, True, False]
    assert [each.replace for each in ingest.pushed] == [True, False, False]
    assert [each.job_id is None for each in ingest.pushed] == [True, False, False]


def test_push_tells_what_is_found_by_words_alone_for_now(
    terminal: Terminal, ingest: FakeIngest, tmp_path: Path
) -> None:
    del ingest
    told = EntitySummary(total_entities=10, not_embedded=4)
    for name, known in list(terminal.backend.known.items()):
        terminal.backend.known[name] = known.model_copy(update={"entities": told})
    result = terminal.run("push", "My notes", make_lines(tmp_path, make("a")))
    assert result.exit_code == 0
    assert "6 of 10 entities are embedded" in result.stderr


def test_mark_at_the_start_of_standard_input_is_passed_over(
    terminal: Terminal, ingest: FakeIngest
) -> None:
    line = "\ufeff" + json.dumps(make("a"))
    assert terminal.run("push", "My notes", "-", typed=line).exit_code == 0
    assert [entity.id for entity in ingest.pushed[0].entities] == ["a"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 4: it is not JSON."),
        ({"id": "x", "title": "y"}, "Line 4: text: Field required."),
        ({"delete": 3}, "Line 4: delete is not an id."),
        ([1], "Line 4: the line: "),
    ],
)
def test_bad_line_is_named_and_ends_the_push(
    terminal: Terminal, ingest: FakeIngest, tmp_path: Path, line: object, said: str
) -> None:
    path = make_lines(tmp_path, make("a"), make("b"), make("c"), line)
    result = terminal.run("push", "My notes", path, "--replace")
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(ingest.pushed) == 1
    assert len(terminal.backend.calls_of("jobs.cancel")) == 1, (
        "no last batch deletes what was not read"
    )


def test_batch_that_fails_ends_the_push(
    terminal: Terminal, ingest: FakeIngest, tmp_path: Path
) -> None:
    ingest.fails_at = 2
    result = terminal.run("push", "My notes", make_lines(tmp_path, *(make(each) for each in "abc")))
    assert result.exit_code != 0
    assert "The disk is full." in result.stderr
    assert "What was stays" in result.stderr
    assert len(terminal.backend.calls_of("jobs.cancel")) == 1


def test_remote_api_takes_no_push_and_says_what_to_do(terminal: Terminal, tmp_path: Path) -> None:
    result = terminal.run("push", "My notes", make_lines(tmp_path, make("a")))
    assert result.exit_code == 2
    assert "Unset WEFT_API_URL" in result.stderr


def test_word_for_deletions_goes_with_replace(terminal: Terminal, tmp_path: Path) -> None:
    result = terminal.run("push", "My notes", make_lines(tmp_path), "--apply-deletions")
    assert result.exit_code == 2
    assert "--replace" in result.stderr


def test_missing_file_is_named(terminal: Terminal) -> None:
    result = terminal.run("push", "My notes", "no-such-file")
    assert result.exit_code == 2
    assert "no-such-file cannot be read" in result.stderr

"""Google Drive: the contract of sources, and what is particular to it."""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources.described import Described
from tests.support.sources.google import refuse
from tests.support.sources.google_drive import (
    DOCUMENT,
    FOLDER,
    OWN,
    SHEET,
    SLIDES,
    FakeDrive,
    file,
)
from tests.support.sources.service_cases import CaseMaker
from weft.domain.entities import Entity
from weft.errors import AccessDenied, InvalidInput, RateLimited, SourceMisconfigured
from weft.net.client import http_factory
from weft.sources.base import (
    Checkpoint,
    Complete,
    Deleted,
    Event,
    Failed,
    Incomplete,
    OAuth2,
    Skipped,
    SourceContext,
    Unchanged,
)
from weft.sources.services.google.drive import DriveConfig, DriveSource
from weft.testing.http_faults import Answer, HttpFaults, Spoil
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve
from weft.testing.source_contract import (
    Change,
    SourceCase,
    SourceContract,
    events_of,
    last_cursor,
)

DOCUMENTS = Path(__file__).parents[2] / "fixtures/documents"
PLAIN = "text/plain"
make_case = CaseMaker(DriveSource, path="/drive/v3")


def fill_own(drive: FakeDrive) -> None:
    drive.put(file("fSpecs", FOLDER, "Specs"))
    drive.put(file("fOld", FOLDER, "Old", "fSpecs"))
    drive.put(file("dTea", DOCUMENT, "Tea\u202e", "fOld"), b"# Tea\n\nBoil\x07 water.\n")
    drive.put(file("tNote", PLAIN, "note.txt"), b"Leaves, not bags.")
    drive.put(file("tShared", PLAIN, "z.txt", ""), b"From a friend.")


def fill(drive: FakeDrive) -> None:
    fill_own(drive)
    drive.put(file("sPour", SLIDES, "Pour", "0Bteam", driveId="0Bteam"), b"Pour it slowly.")
    drive.put(file("lTea", f"{OWN}shortcut", "Tea, a shortcut"))


def refused(reply: HttpReply) -> Spoil:
    answer = Answer(reply.status, dict(reply.headers), reply.body)

    def spoil(_: Answer) -> Answer:
        return answer

    return spoil


class TestGoogleDrive(SourceContract):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        drive = FakeDrive()
        fill_own(drive)
        described = Described("google_drive", drive, "/drive/v3")

        async def mutate() -> Change:
            drive.put(
                file("dTea", DOCUMENT, "Tea", "fOld", version="8"), b"# Tea\n\nBoil it longer.\n"
            )
            drive.put(file("tNew", PLAIN, "new.txt", "fSpecs"), b"New.")
            drive.put({**drive.files["tNote"], "trashed": True})
            drive.remove("tShared")
            return Change(
                frozenset({"file:dTea", "file:tNew"}), frozenset({"file:tNote", "file:tShared"})
            )

        more = {
            "too fast": refused(refuse(403, "userRateLimitExceeded")),
            "no scope": refused(refuse(403, "insufficientPermissions")),
        }
        async with serve(described) as site:
            yield make_case(
                site,
                bad_credentials={"access_token": "battery-staple"},
                mutate=mutate,
                hostile="JSON and documents are parsed as by the sources github and files.",
                faults=HttpFaults(more=more),
            )
        assert described.faults == []


@pytest.fixture
async def drive() -> FakeDrive:
    return FakeDrive()


@pytest.fixture
async def site(drive: FakeDrive) -> AsyncGenerator[Site]:
    described = Described("google_drive", drive, "/drive/v3")
    async with serve(described) as site:
        yield site
    assert described.faults == []


def entities(events: list[Event]) -> dict[str, Entity]:
    return {each.id: each for each in events if isinstance(each, Entity)}


def skipped(events: list[Event]) -> Mapping[str, str]:
    return {each.id: each.reason for each in events if isinstance(each, Skipped)}


pytestmark = pytest.mark.anyio


async def test_every_method_that_is_described_was_tried() -> None:
    drive = FakeDrive()
    fill(drive)
    described = Described("google_drive", drive, "/drive/v3")
    async with serve(described) as site:
        case = make_case(site)
        assert await case.make().check() == "Google Drive as ada@acme.example"
        before = await events_of(case.make())
        await events_of(case.make(), last_cursor(before))
        await events_of(case.make(stored={"file:gone"}))
    assert described.faults == []
    assert described.unused == set()


async def test_description_knows_no_other_methods_parameters_and_fields() -> None:
    drive = FakeDrive()
    drive.put(file("note", PLAIN, "note.txt", size=12, title="Note"))
    described = Described("google_drive", lambda _: as_json(drive.files["note"]))
    for target in ("/files/note?fields=id&colour=red", "/notes"):
        described(HttpRequest("GET", target, {}))
    assert len(described.faults) == 4


async def test_file_says_where_it_lies_and_who_may_see_it(drive: FakeDrive, site: Site) -> None:
    fill(drive)
    found = entities(await events_of(make_case(site).make()))
    assert found["file:dTea"].breadcrumbs == ("My Drive", "Specs", "Old")
    assert found["file:dTea"].metadata["path"] == "Specs/Old/Tea"
    assert found["file:dTea"].metadata["viewers"] == ["anyone", "user:ada@acme.example"]
    assert found["file:dTea"].metadata["author"] == "Ada"
    assert found["file:sPour"].breadcrumbs == ("Team",)
    assert found["file:tShared"].breadcrumbs == ()
    # The listing names the folders first, so nobody asks for them.
    assert not [asked for asked in site.targets if "/files/fOld" in asked]


async def test_documents_of_each_kind_are_read(drive: FakeDrive, site: Site) -> None:
    markdown = b"\xef\xbb\xbf# Plan\n\n![][image1]\n\n[image1]: <data:image/png;base64,AAAA>\n"
    drive.put(file("doc", DOCUMENT, "Plan"), markdown)
    drive.put(file("sheet", SHEET, "Harvest"), (DOCUMENTS / "harvest.xlsx").read_bytes())
    drive.put(file("pdf", "application/pdf", "Report"), (DOCUMENTS / "report.pdf").read_bytes())
    found = entities(await events_of(make_case(site).make()))
    assert found["file:doc"].text == "# Plan\n\n![][image1]"
    assert found["file:sheet"].metadata["sheets"]
    assert found["file:sheet"].title == "Harvest"
    assert found["file:pdf"].metadata["pages"]
    assert found["file:pdf"].text


async def test_what_holds_no_text_or_is_not_given_is_skipped_for_its_reason(
    drive: FakeDrive, site: Site
) -> None:
    drive.put(file("form", f"{OWN}form", "Ask"))
    drive.put(file("photo", "image/png", "cat"), b"\x89PNG")
    drive.put(file("zip", "application/zip", "all.zip"), b"PK")
    drive.put(file("key", PLAIN, "id_rsa"), b"-----BEGIN")
    drive.put(file("long", PLAIN, "long.txt", size=str(2**30)), b"x")
    drive.put(file("held", PLAIN, "held.txt", capabilities={"canDownload": False}), b"x")
    drive.put(file("book", DOCUMENT, "Book"), b"x")
    drive.too_large |= {("book", "text/markdown"), ("book", PLAIN)}
    events = await events_of(make_case(site).make())
    assert skipped(events) == {
        "file:form": "a Google form has no text",
        "file:photo": "not a text file",
        "file:zip": "not a text file",
        "file:key": "may hold secrets",
        "file:long": "larger than 1048576 bytes",
        "file:held": "its owner lets nobody download it",
        "file:book": "larger than the 10 MB that Google exports",
    }
    assert isinstance(events[-1], Complete)
    assert not [asked for asked in site.targets if "alt=media" in asked]


async def test_document_whose_pictures_are_too_large_is_read_as_plain_text(
    drive: FakeDrive, site: Site
) -> None:
    drive.put(file("book", DOCUMENT, "Book"), b"All about tea.")
    drive.too_large.add(("book", "text/markdown"))
    events = await events_of(make_case(site).make())
    assert entities(events)["file:book"].text == "All about tea."


async def test_content_that_is_not_the_listed_one_is_not_stored(
    drive: FakeDrive, site: Site
) -> None:
    drive.put(file("note", PLAIN, "note.txt"), b"Leaves.")
    drive.put(file("sheet", SHEET, "Harvest"), b"Please sign in.")
    drive.contents["note"] = b"Please sign in."
    events = await events_of(make_case(site).make())
    assert {each.id for each in events if isinstance(each, Failed)} == {"file:note", "file:sheet"}


async def test_renamed_folder_moves_what_lies_in_it(drive: FakeDrive, site: Site) -> None:
    fill(drive)
    case = make_case(site)
    before = entities(await events_of(case.make()))
    drive.files["fSpecs"]["name"] = "Plans"
    known = {each.id: each.version for each in before.values() if each.version}
    events = await events_of(case.make(known=known))
    assert entities(events)["file:dTea"].breadcrumbs == ("My Drive", "Plans", "Old")
    assert Unchanged("file:tNote") in events


async def test_file_is_downloaded_again_only_for_another_checksum_or_place(
    drive: FakeDrive, site: Site
) -> None:
    fill(drive)
    case = make_case(site)
    known = {e.id: e.version for e in entities(await events_of(case.make())).values() if e.version}
    drive.files["tNote"]["version"] = "99"
    site.requests.clear()
    events = await events_of(case.make(known=known))
    assert Unchanged("file:tNote") in events
    # What has no checksum is read once more, and then believed.
    assert set(entities(events)) == {"file:dTea", "file:sPour"}
    known |= {e.id: e.version for e in entities(events).values() if e.version}
    assert entities(await events_of(case.make(known=known))) == {}


async def test_incomplete_search_is_a_gap(drive: FakeDrive, site: Site) -> None:
    fill(drive)
    drive.is_incomplete = True
    events = await events_of(make_case(site).make())
    assert [each for each in events if isinstance(each, Incomplete)]
    assert not isinstance(events[-1], Complete | Checkpoint)


@pytest.mark.parametrize("pattern", ["Specs/*", "Specs", "**/Old/", "Specs/Old/Te*"])
async def test_patterns_choose_files_by_their_path(
    drive: FakeDrive, site: Site, pattern: str
) -> None:
    fill(drive)
    case = make_case(site, config={"include_patterns": [pattern]})
    before = await events_of(case.make())
    assert entities(before).keys() == {"file:dTea"}
    drive.put({**drive.files["dTea"], "parents": ["0Aroot"]})
    assert Deleted("file:dTea") in await events_of(case.make(), last_cursor(before))
    again = await events_of(case.make(stored={"file:dTea"}))
    assert isinstance(again[-1], Complete)


@pytest.mark.parametrize("pattern", ["pdf", "", "https://drive.google.com/drive/folders/1"])
def test_pattern_that_could_never_match_is_refused(pattern: str) -> None:
    config = DriveConfig(include_patterns=[pattern])
    with pytest.raises(InvalidInput, match="include_patterns"):
        DriveSource.pin(config, SourceContext(http=http_factory(set())))


async def test_forgotten_place_in_the_changes_begins_a_full_listing(
    drive: FakeDrive, site: Site
) -> None:
    fill(drive)
    case = make_case(site)
    cursor: Any = last_cursor(await events_of(case.make()))
    cursor["marks"] = {"file": "no longer known"}
    with pytest.raises(Exception, match="do not go back so far"):
        await events_of(case.make(), cursor)


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("dailyLimitExceeded", RateLimited),
        ("accessNotConfigured", SourceMisconfigured),
        ("insufficientPermissions", AccessDenied),
    ],
)
async def test_refusal_is_told_by_its_reason(
    drive: FakeDrive, site: Site, reason: str, error: type[Exception]
) -> None:
    drive.refusals.append(refuse(403, reason))
    with pytest.raises(error):
        await make_case(site).make().check()


async def test_limit_a_minute_is_waited_for(drive: FakeDrive, site: Site) -> None:
    drive.refusals += [refuse(403, "userRateLimitExceeded"), refuse(403, "rateLimitExceeded")]
    assert await make_case(site).make().check() == "Google Drive as ada@acme.example"


def test_consent_asks_for_a_lasting_token_that_may_only_read() -> None:
    consent = DriveSource.oauth(DriveConfig(), {})
    assert isinstance(consent, OAuth2)
    assert consent.scopes == ("https://www.googleapis.com/auth/drive.readonly",)
    assert consent.extra == {"access_type": "offline", "prompt": "consent"}

"""Bytes become text only where they are text, and text keeps nothing that nobody can see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.document.text import clean_text, decode, language_of, path_id, read_text
from weft.domain.text.characters import clean_line


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"plain\n", "plain\n"),
        ("żółw".encode(), "żółw"),
        ("żółw".encode("utf-8-sig"), "żółw"),
        (b"\xff\xfe" + "żółw".encode("utf-16-le"), "żółw"),
        (b"\xfe\xff" + "żółw".encode("utf-16-be"), "żółw"),
        (b"\xff\xfe\0\0" + "żółw".encode("utf-32-le"), "żółw"),
        ("crème brûlée, mostly plain".encode("latin-1"), "crème brûlée, mostly plain"),
        ("a “quoted” phrase of words".encode("cp1252"), "a “quoted” phrase of words"),
        (b"a log line " * 20 + b"\x1b[31m\x08", "a log line " * 20 + "\x1b[31m\x08"),
    ],
)
def test_text_is_decoded(data: bytes, text: str) -> None:
    assert decode(data) == text


RUSSIAN = "Обычный текст на русском языке: как настроить программу.\n"
JAPANESE = "これは日本語の文章です。設定の方法が書いてあります。\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        ("кириллица в старой кодировке", "cp1251"),
        ("def f(x):\n    return x\n" * 2_000 + f"# {RUSSIAN}", "cp1251"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (JAPANESE.replace("\n", "") * 2_000, "shift_jis"),
        ("a" + JAPANESE.replace("\n", "") * 2_000, "shift_jis"),
        ("这是一个用中文写的普通文件，说明如何设置程序。\n", "gb18030"),
        ("이것은 한국어로 작성된 일반 텍스트 파일입니다.\n", "euc_kr"),
        ("Der Fluß überschwemmte die Häuser der Bürger.\n", "cp1252"),
        ("price: 5 € – naïve café", "cp1252"),
        ("Señor Muñoz pidió más información.", "cp1252"),
        ("Zażółć gęślą jaźń, czyli zwykły tekst po polsku.\n", "cp1250"),
        (RUSSIAN, "utf-16-le"),
        ("id,name\n" + "1,Zoë\n" * 5, "utf-16-be"),
        (JAPANESE * 2, "utf-16-le"),
    ],
)
def test_unmarked_encoding_is_guessed(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_utf_8_is_never_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a guess costs time")

    monkeypatch.setattr("charset_normalizer.from_bytes", refuse)
    assert decode((RUSSIAN * 1_000).encode()) == RUSSIAN * 1_000


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0",
        b"\0",
        b"\0\1",
        b"\x12\x34\0\x56\x78\x9a\xbc\xde",
        bytes(range(1, 32)) * 4,
        b"\xff\xfe\x00\xd8",
        bytes(range(128, 256)),
    ],
)
def test_binary_is_no_text(data: bytes) -> None:
    assert decode(data) is None


def test_cleaning_leaves_what_people_see() -> None:
    shown = "Grüße, 你好, emoji 👩\n\tindented"
    assert clean_text(shown) == shown


@pytest.mark.parametrize(
    "hidden",
    "\0\x07\x1b\x7f\x9b\u00ad\u061c\u200b\u200d\u202e\u2060\u2066\ud800\ufeff\ufff9\U000e0041\U000e0100",
)
def test_hidden_characters_are_taken_out(hidden: str) -> None:
    assert clean_text(f"a{hidden}b") == "ab"
    assert clean_line(f"a{hidden}b") == "a b"


def test_line_ends_become_newlines() -> None:
    assert clean_text("a\r\nb\rc\u2028d\x0ce\x85f") == "a\nb\nc\nd\ne\nf"
    assert clean_line("a\r\nb\tc\u2029") == "a b c"


@given(st.text(st.characters()))
def test_cleaned_text_can_be_stored_and_cleaning_is_final(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode()
    assert clean_text(cleaned) == cleaned
    assert "\n" not in clean_line(text)


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_path_ids_are_clean_and_never_shared(one: bytes, other: bytes) -> None:
    assert clean_line(path_id(one)) == path_id(one)
    assert (path_id(one) == path_id(other)) == (one == other)


def test_quoted_path_id_is_not_another_paths_own_id() -> None:
    assert path_id(b"docs/a.md") == "docs/a.md"
    quoted = path_id(b"bell\x07")
    assert quoted == "%/bell%07"
    assert path_id(quoted.encode()) != quoted


@pytest.mark.parametrize(
    ("path", "text", "title", "body"),
    [
        ("docs/a.md", "intro\n\n# The Title #\n\nx", "The Title (docs/a.md)", None),
        ("a.md", "no heading", "a.md", None),
        ("a.md", "### too deep", "a.md", None),
        ("a.html", "<title>Page</title><p>Hi<script>x()</script>", "Page (a.html)", "Hi"),
        ("src/x.py", "# not a title", "src/x.py", None),
        ("a.md", "# " + "x" * 500, "x" * 200 + " (a.md)", None),
        ("a\x07b.txt", "x", "a b.txt", None),
    ],
)
def test_title_is_the_heading_with_the_path(
    path: str, text: str, title: str, body: str | None
) -> None:
    assert read_text(path, text) == (title, text if body is None else body)


@pytest.mark.parametrize(
    ("path", "language"),
    [("a/B.PY", "python"), ("Makefile", "makefile"), ("x.unknown", None), ("README", None)],
)
def test_language_is_told_by_the_name(path: str, language: str | None) -> None:
    assert language_of(path) == language

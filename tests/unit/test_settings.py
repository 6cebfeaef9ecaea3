"""Settings: environment over file over defaults, and a clear refusal of what is misspelt."""

import os
from pathlib import Path

import platformdirs
import pytest

from weft.errors import InvalidInput
from weft.settings import CONFIG_FILE_NAME, Settings, load_settings, origins

CANARY = "s3cr3t-canary"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty WEFT_HOME, and no other variable of Weft."""
    for name in list(os.environ):
        if name.upper().startswith("WEFT_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("WEFT_HOME", str(folder))
    return folder


def write_config(home: Path, text: str) -> None:
    (home / CONFIG_FILE_NAME).write_text(text, encoding="utf-8")


def test_defaults_are_safe() -> None:
    settings = load_settings()
    assert (settings.files_roots, settings.allow_hosts) == ((), frozenset())
    assert settings.log_level == "WARNING"
    assert settings.database_path == settings.home / "weft.db"


def test_home_defaults_to_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEFT_HOME")
    expected = Path(platformdirs.user_data_path("weft", appauthor=False))
    assert load_settings().home == expected


def test_home_is_absolute_with_the_users_folder_spelt_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEFT_HOME", "~/state")
    assert load_settings().home == tmp_path / "state"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_HOME", "here")
    assert load_settings().home == tmp_path / "here"


def test_environment_is_read_and_normalised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEFT_FILES_ROOTS", os.pathsep.join(["/srv/docs", "", "notes"]))
    monkeypatch.setenv("WEFT_ALLOW_HOSTS", "Git.Internal, 10.0.0.7:8080,")
    monkeypatch.setenv("WEFT_LOG_LEVEL", "debug")
    monkeypatch.setenv("WEFT_SYNC_CONCURRENCY", "5")
    settings = load_settings()
    assert settings.files_roots == (Path("/srv/docs"), tmp_path / "notes")
    assert settings.allow_hosts == {"git.internal", "10.0.0.7:8080"}
    assert (settings.log_level, settings.sync_concurrency) == ("DEBUG", 5)


def test_config_file_is_read_with_lists_as_lists(home: Path) -> None:
    write_config(
        home,
        'files_roots = ["/srv/docs", "/srv/a:b"]\nallow_hosts = ["Git.Internal"]\n'
        'sync_concurrency = 7\nlog_level = "info"\n',
    )
    settings = load_settings()
    assert settings.files_roots == (Path("/srv/docs"), Path("/srv/a:b"))
    assert settings.allow_hosts == {"git.internal"}
    assert (settings.sync_concurrency, settings.log_level) == (7, "INFO")


def test_environment_wins_over_the_file_and_an_override_over_both(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(home, "sync_concurrency = 7")
    monkeypatch.setenv("WEFT_SYNC_CONCURRENCY", "5")
    assert load_settings().sync_concurrency == 5
    assert load_settings(sync_concurrency=3).sync_concurrency == 3


def test_origins_tell_where_each_value_came_from(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(home, 'sync_concurrency = 7\nlog_level = "INFO"\n')
    monkeypatch.setenv("WEFT_LOG_LEVEL", "ERROR")
    found = origins(load_settings())
    assert set(found) == set(Settings.model_fields)
    assert (found["home"], found["log_level"]) == ("environment", "environment")
    assert (found["sync_concurrency"], found["allow_hosts"]) == (CONFIG_FILE_NAME, "default")


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("WEFT_FILE_ROOTS", "WEFT_FILES_ROOTS"),
        ("WEFT_LOGLEVEL", "WEFT_LOG_LEVEL"),
        ("weft_hom", "WEFT_HOME"),
        ("weft_home", "WEFT_HOME"),
    ],
)
def test_misspelt_variable_names_the_nearest_right_one(
    variable: str, near: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, CANARY)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == variable
    assert f"Did you mean {near}?" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_variable_like_no_other_is_answered_with_all_that_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEFT_QQQQQQQQQQQQ", "1")
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    names = [f"WEFT_{name}".upper() for name in Settings.model_fields]
    assert all(name in str(caught.value) for name in names)


def test_misspelt_key_of_the_file_names_the_nearest_right_one(home: Path) -> None:
    write_config(home, f'file_roots = ["{CANARY}"]')
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == "file_roots"
    assert "Did you mean files_roots?" in str(caught.value)
    assert str(home / CONFIG_FILE_NAME) in str(caught.value)
    assert CANARY not in str(caught.value)


def test_bad_value_of_the_file_names_the_file(home: Path) -> None:
    write_config(home, f'log_level = "{CANARY}"')
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == "WEFT_LOG_LEVEL"
    assert caught.value.hint == f"It is `log_level` in {home / CONFIG_FILE_NAME}."
    assert CANARY not in str(caught.value)


def test_bad_value_of_the_environment_does_not_name_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(home, 'log_level = "INFO"')
    monkeypatch.setenv("WEFT_LOG_LEVEL", CANARY)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert CONFIG_FILE_NAME not in str(caught.value)


def test_bad_table_of_a_secret_is_named_with_its_field(home: Path) -> None:
    write_config(home, '[secrets.github-main]\nenv = "GITHUB"\nsources = ["github"]\n')
    with pytest.raises(InvalidInput, match=r"WEFT_SECRETS is not valid: github-main\.hosts: "):
        load_settings()


def test_secrets_that_are_no_json_are_not_blamed_on_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEFT_SECRETS", CANARY)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == "WEFT_SECRETS"
    assert CANARY not in str(caught.value)


def test_short_token_is_told_how_long_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_TOKEN", "short")
    with pytest.raises(InvalidInput, match="at least 16 characters"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WEFT_GITHUB_API_URL", f"https://bob:{CANARY}@git.example"),
        ("WEFT_GITHUB_API_URL", f"https://{CANARY}@git.example"),
        ("WEFT_GITHUB_API_URL", f"https://bob:1/{CANARY}@git.example"),
        ("WEFT_HTTP_PUBLIC_URL", f"https://bob:{CANARY}@weft.example/mcp"),
        ("WEFT_OAUTH_ISSUER", f"https://bob:{CANARY}@login.example"),
        ("WEFT_API_URL", f"https://bob:{CANARY}@api.example"),
        ("WEFT_ALLOW_HOSTS", f"wiki.internal,bob:{CANARY}@git.example"),
        ("WEFT_HTTP_ALLOWED_HOSTS", f"{CANARY}@weft.example"),
        ("WEFT_HTTP_ALLOWED_ORIGINS", f"https://bob:{CANARY}@weft.example"),
        ("WEFT_HTTP_TRUSTED_PROXIES", f"{CANARY}@10.0.0.1"),
        ("WEFT_HTTP_HOST", f"bob:{CANARY}@127.0.0.1"),
        ("WEFT_GITHUB_API_URL", f"https://bob%3A{CANARY}%40git.example"),
    ],
)
def test_address_with_a_password_is_refused_and_not_repeated(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_API_KEY", "key")
    monkeypatch.setenv("WEFT_API_URL", "https://api.example")
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInput, match="no user name, no password") as caught:
        load_settings()
    assert caught.value.field == variable
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("variable", ["WEFT_HTTP_PUBLIC_URL", "WEFT_GITHUB_API_URL"])
def test_address_that_is_no_url_is_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, CANARY)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == variable
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("rest", [f"?token={CANARY}", f"#{CANARY}"])
@pytest.mark.parametrize(
    "variable", ["WEFT_API_URL", "WEFT_GITHUB_API_URL", "WEFT_OAUTH_ISSUER", "WEFT_HTTP_PUBLIC_URL"]
)
def test_address_with_more_than_a_path_is_refused_and_not_repeated(
    variable: str, rest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_API_KEY", "key")
    monkeypatch.setenv("WEFT_API_URL", "https://api.example")
    monkeypatch.setenv(variable, f"https://some.example/{rest}")
    with pytest.raises(InvalidInput, match="only a host, a port and a path") as caught:
        load_settings()
    assert caught.value.field == variable
    assert CANARY not in str(caught.value)


def test_certificate_is_found_below_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEFT_HTTP_TLS_CERT", "~/cert.pem")
    assert load_settings().http_tls_cert == tmp_path / "cert.pem"


@pytest.mark.parametrize(
    "variable", ["WEFT_HOME", "WEFT_MASTER_KEY_FILE", "WEFT_HTTP_TLS_KEY", "WEFT_FILES_ROOTS"]
)
def test_home_of_an_unknown_user_names_its_variable(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "~no-such-user/x")
    with pytest.raises(InvalidInput, match="user who has no home") as caught:
        load_settings()
    assert caught.value.field == variable


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WEFT_SYNC_CONCURRENCY", CANARY),
        ("WEFT_SYNC_CONCURRENCY", "0"),
        ("WEFT_SYNC_CONCURRENCY", "65"),
        ("WEFT_LOG_LEVEL", CANARY),
    ],
)
def test_bad_value_names_its_variable_and_is_not_repeated(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == variable
    assert str(caught.value).startswith(f"{variable} is not valid: ")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [f"log_level = {CANARY}".encode(), f'"{CANARY}"'.encode(), b"\xff\xfe", b"home = 1979-99-99"],
)
def test_file_that_is_not_toml_is_named_and_not_repeated(home: Path, content: bytes) -> None:
    (home / CONFIG_FILE_NAME).write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == "config"
    assert CONFIG_FILE_NAME in caught.value.message
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "dangling link", "pipe"])
def test_what_is_no_file_in_its_place_is_told_and_not_passed_over(home: Path, kind: str) -> None:
    path = home / CONFIG_FILE_NAME
    match kind:
        case "folder":
            path.mkdir()
        case "dangling link":
            path.symlink_to(home / "nothing")
        case _:
            os.mkfifo(path)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == "config"
    assert caught.value.message == f"{path} cannot be read: it is not a file."


def test_a_file_that_may_not_be_read_is_told(home: Path) -> None:
    write_config(home, "sync_concurrency = 7")
    (home / CONFIG_FILE_NAME).chmod(0)
    if os.access(home / CONFIG_FILE_NAME, os.R_OK):
        pytest.skip("root may read every file")
    with pytest.raises(InvalidInput, match="cannot be read") as caught:
        load_settings()
    assert caught.value.field == "config"


@pytest.mark.parametrize("value", ["true", '{"a" = 1}', "7", "[7]", '[["a"]]'])
def test_value_of_another_type_in_the_file_is_refused(home: Path, value: str) -> None:
    write_config(home, f"files_roots = {value}")
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert caught.value.field == "WEFT_FILES_ROOTS"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_empty_variable_counts_as_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Launchers pass a field that a person left empty as an empty variable.
    variable = f"WEFT_{name}".upper()
    monkeypatch.delenv(variable, raising=False)
    unset = load_settings()
    monkeypatch.setenv(variable, "")
    empty = load_settings()
    assert empty == unset
    assert origins(empty)[name] == "default"


def test_settings_cannot_be_changed_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().log_level = "DEBUG"


def test_addresses_of_services_are_read_from_the_environment_and_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(home, '[source_urls]\njira = "https://jira.example.org"\n')
    assert load_settings().source_urls == {"jira": "https://jira.example.org"}
    monkeypatch.setenv("WEFT_SOURCE_URLS", "jira=https://a.example/x, notion=https://b.example")
    found = load_settings().source_urls
    assert found == {"jira": "https://a.example/x", "notion": "https://b.example"}


@pytest.mark.parametrize("value", ["jira", "=https://a.example", "jira=ftp://a.example"])
def test_address_of_no_service_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("WEFT_SOURCE_URLS", value)
    with pytest.raises(InvalidInput, match="WEFT_SOURCE_URLS"):
        load_settings()

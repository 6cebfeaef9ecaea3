"""The configuration of buckets: what is read, and what is refused with the field."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.sources.buckets import ACCOUNT_KEY, SAS, key_file
from weft.sources.objects.config import ObjectsConfig, ObjectsCredentials
from weft.sources.objects.source import ObjectsSource

AZURE = {"url": "az://box", "account_name": "weftaccount"}
ADDRESSES = {
    "s3://my-bucket": "s3://my-bucket",
    " s3://my-bucket/ ": "s3://my-bucket",
    "S3://my.bucket_1/a b/c/": "s3://my.bucket_1/a b/c",
    "gs://bucket//odd": "gs://bucket//odd",
}
NO_ADDRESSES = [
    *("my-bucket", "https://my-bucket.s3.amazonaws.com", "file:///etc", "s3:/bucket", "s3://"),
    *("s3:///key", "s3://-a", "s3://a@b", "s3://a:80/b", "s3://../a", "s3://b/a\x07", "ftp://a/b"),
    *("s3://b/.ssh", "s3://b/home/.AWS/config"),
]


@pytest.mark.parametrize("given", ADDRESSES)
def test_address_is_read_in_one_form(given: str) -> None:
    assert ObjectsConfig(url=given).url == ADDRESSES[given]


@pytest.mark.parametrize("given", NO_ADDRESSES)
def test_what_is_no_address_of_a_bucket_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        ObjectsConfig(url=given)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"url": "az://box"}, "account_name"),
        ({**AZURE, "account_name": "a/../b"}, "account_name"),
        ({"url": "s3://b", "region": "x.evil.example/"}, "region"),
        ({"url": "s3://b", "endpoint": "http://user:word@store.example"}, "endpoint"),
        ({"url": "s3://b", "endpoint": "https://store.example/?a=b"}, "endpoint"),
        ({"url": "s3://b", "endpoint": "store.example"}, "endpoint"),
    ],
)
def test_wrong_field_is_named(config: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        ObjectsConfig.model_validate(config)


@pytest.mark.parametrize(
    "given",
    [
        {"access_key_id": "AKIA"},
        {"access_key_id": "", "secret_access_key": ""},
        {"secret_access_key": "canary-of-a-secret"},
        {"session_token": "canary-of-a-secret"},
        {"account_key": "canary of a secret!"},
        {"account_key": ACCOUNT_KEY, "sas_token": SAS},
        {"service_account_key": "canary-of-a-secret"},
        {"service_account_key": '{"private_key": "canary-of-a-secret"}'},
        {"service_account_key": '["canary-of-a-secret"]'},
        {"service_account_key": '{"client_email": "canary-of-a-secret", "private_key": 1}'},
        {"service_account_key": "[" * 100_000},
    ],
)
def test_credentials_that_cannot_be_used_are_refused_and_not_shown(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as raised:
        ObjectsCredentials.model_validate(given)
    assert "canary" not in "".join(error["msg"] for error in raised.value.errors())


def endpoint(**config: Any) -> tuple[str | None, str]:
    made = ObjectsConfig.model_validate(config)
    return ObjectsSource.endpoint(made, {}), ObjectsSource.credential_scope(made)


def test_each_change_of_who_gets_the_credentials_drops_them() -> None:
    places = [
        endpoint(url="s3://one"),
        endpoint(url="s3://two"),
        endpoint(url="s3://one", region="cn-north-1"),
        endpoint(url="s3://one", endpoint="https://store.example"),
        endpoint(url="s3://one", endpoint="https://store.example:8443"),
        endpoint(url="s3://one", endpoint="http://store.example"),
        endpoint(url="s3://one", endpoint="https://store.example/tenant"),
        endpoint(url="gs://one"),
        endpoint(**AZURE),
        endpoint(**(AZURE | {"account_name": "another"})),
        endpoint(**AZURE, endpoint="https://store.example"),
        endpoint(**(AZURE | {"account_name": "another"}), endpoint="https://store.example"),
    ]
    assert len(set(places)) == len(places)
    assert {origin for origin, _ in places if origin} >= {
        "https://s3.amazonaws.com",
        "https://s3.amazonaws.com.cn",
        "https://storage.googleapis.com",
        "https://weftaccount.blob.core.windows.net",
    }


def test_another_region_or_folder_keeps_the_credentials() -> None:
    assert endpoint(url="s3://one") == endpoint(url="s3://one/folder", region="eu-west-1")


def test_key_file_is_taken() -> None:
    key = key_file("a@b.example", "https://oauth2.googleapis.com/token")
    assert ObjectsCredentials.model_validate({"service_account_key": key}).service_account_key

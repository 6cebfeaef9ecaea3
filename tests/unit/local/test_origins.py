"""Origins: one spelling each, and none for what parsers of addresses disagree about."""

import pytest

from weft.local.origins import normal_origin


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Api.Example.com", "https://api.example.com"),
        ("HTTPS://api.example.com:443/v1?x=1#y", "https://api.example.com"),
        ("http://api.example.com:80", "http://api.example.com"),
        ("https://api.example.com:0443/", "https://api.example.com"),
        ("https://api.example.com:/", "https://api.example.com"),
        ("https://api.example.com:80", "https://api.example.com:80"),
        ("https://user:word@api.example.com/x", "https://api.example.com"),
        ("http://[::1]:8080/x", "http://[::1]:8080"),
        ("postgres://db.example.com:5432/name", "postgres://db.example.com:5432"),
        ("https://api.example.com.", "https://api.example.com."),
        ("", ""),
    ],
)
def test_an_address_becomes_its_origin(url: str, origin: str) -> None:
    assert normal_origin(url) == origin
    assert normal_origin(origin) == origin


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example\\@b.example/",
        "https://a.example@c.example@b.example/",
        "https://a.example\\.b.example",
        "https://b.example\t/x",
        " https://b.example",
        "https://b.example\n",
        "https://b.example:443443",
        "https://b.example:x",
        "https:b.example",
        "https:///b.example",
        "//b.example",
        "api.example.com",
        "https://faß.example",
        "https://\u212aube.example",
        "https://b\u3002example",
        "https://b.example:\u0664\u0664\u0663",
    ],
)
def test_what_is_not_plainly_an_address_equals_itself_only(url: str) -> None:
    assert normal_origin(url) == url

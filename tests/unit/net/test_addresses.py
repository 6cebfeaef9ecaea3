"""The addresses that a source may connect to."""

from ipaddress import ip_address

import pytest

from weft.errors import InvalidInput
from weft.net.addresses import AddressRefused, AllowList, check_address

EVERYTHING = AllowList.parse({"0.0.0.0/0", "::/0"})

PUBLIC = ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::8a"]

PRIVATE = [
    "10.0.0.1",
    "127.0.0.1",
    "127.255.0.9",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.254",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "240.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:10.0.0.1",
    "::10.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001:2::1",
    "2001:db8::1",
    "2002:0808:0808::1",
    "2002:0a00:0001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2606:4700::5efe:10.0.0.1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
]

NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "::",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "2606:4700::5efe:169.254.169.254",
    "2606:4700::200:5efe:169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "ff02::1",
    "2001::1",
]


def is_permitted(
    address: str, allowed: AllowList, host: str = "host.example", port: int = 80
) -> bool:
    try:
        check_address(host, port, ip_address(address), allowed)
    except AddressRefused:
        return False
    return True


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_reachable(address: str) -> None:
    assert is_permitted(address, AllowList())


@pytest.mark.parametrize("address", PRIVATE)
def test_private_address_is_reachable_only_if_allowed(address: str) -> None:
    assert not is_permitted(address, AllowList())
    assert is_permitted(address, EVERYTHING)


@pytest.mark.parametrize("address", NEVER)
def test_link_local_and_metadata_are_never_reachable(address: str) -> None:
    assert not is_permitted(address, EVERYTHING)
    assert not is_permitted(address, AllowList.parse({"host.example", "host.example:80"}))


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "expected"),
    [
        ("wiki.internal", "wiki.internal", 80, "10.0.0.1", True),
        ("wiki.internal", "WIKI.internal.", 80, "10.0.0.1", True),
        ("wiki.internal", "other.internal", 80, "10.0.0.1", False),
        ("wiki.internal:8080", "wiki.internal", 8080, "10.0.0.1", True),
        ("wiki.internal:8080", "wiki.internal", 80, "10.0.0.1", False),
        ("Bücher.internal", "xn--bcher-kva.internal", 80, "10.0.0.1", True),
        ("10.0.0.1", "any.example", 80, "10.0.0.1", True),
        ("10.0.0.1", "any.example", 80, "10.0.0.2", False),
        ("10.0.0.1", "any.example", 80, "::ffff:10.0.0.1", True),
        ("10.0.0.1:8080", "any.example", 80, "10.0.0.1", False),
        ("10.0.0.0/24", "any.example", 80, "10.0.0.77", True),
        ("10.0.0.0/24", "any.example", 80, "10.0.1.77", False),
        ("[::1]:8080", "::1", 8080, "::1", True),
        ("[::1]:8080", "::1", 80, "::1", False),
        ("::1", "::1", 80, "::1", True),
        ("fd12::/16", "any.example", 80, "fd12::5", True),
    ],
)
def test_allow_entry_opens_what_it_names(
    entry: str, host: str, port: int, address: str, expected: bool
) -> None:
    assert is_permitted(address, AllowList.parse({entry}), host, port) is expected


@pytest.mark.parametrize("entry", ["http://wiki", "wiki:0", "wiki:99999", "a b", "*.corp", "", ":"])
def test_unreadable_allow_entry_is_refused_at_start(entry: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        AllowList.parse({entry})
    assert caught.value.field == "WEFT_ALLOW_HOSTS"


def test_refusal_names_the_host_and_the_way_out_but_not_the_address() -> None:
    with pytest.raises(AddressRefused) as caught:
        check_address("wiki.internal", 80, ip_address("10.9.8.7"), AllowList())
    assert "WEFT_ALLOW_HOSTS=wiki.internal" in str(caught.value)
    assert "10.9.8.7" not in str(caught.value)

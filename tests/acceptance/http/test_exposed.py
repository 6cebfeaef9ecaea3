"""A server that others can reach: over TLS, or behind a proxy that ends it."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import Place

pytestmark = pytest.mark.anyio

EVERYWHERE = ("--host", "0.0.0.0")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that it signed itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weft test")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    return folder / "cert.pem", folder / "key.pem"


@asynccontextmanager
async def reaching(
    server: HttpServer, scheme: str, verify: ssl.SSLContext | bool = True
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client at the loopback address of a server that is bound to all."""
    url = f"{scheme}://127.0.0.1:{server.url.rpartition(':')[2]}"
    async with httpx.AsyncClient(base_url=url, verify=verify) as client:
        yield client


async def test_tls_is_spoken_and_nothing_else(place: Place, certificate: tuple[Path, Path]) -> None:
    tls = ("--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1]))
    context = ssl.create_default_context(cafile=str(certificate[0]))
    options = (*EVERYWHERE, "--allowed-host", "127.0.0.1", *tls)
    async with http_server(place, *options) as server:
        assert server.url.startswith("https://")
        async with reaching(server, "https", verify=context) as client:
            assert (await client.get("/ready")).status_code == 200
            assert (await client.get("/metrics")).status_code == 401
            assert (await client.get("/metrics", headers=server.headers)).status_code == 200
            other = await client.get("/ready", headers={"host": "localhost"})
            assert other.status_code == 421
        async with reaching(server, "http") as client:
            with pytest.raises(httpx.HTTPError):
                await client.get("/ready")


async def test_behind_a_proxy_only_declared_hosts_are_answered(place: Place) -> None:
    options = (*EVERYWHERE, "--trusted-proxy", "127.0.0.1", "--allowed-host", "weft.example")
    async with (
        http_server(place, *options) as server,
        reaching(server, "http") as client,
    ):
        through = {
            "host": "weft.example",
            "x-forwarded-proto": "https",
            "x-forwarded-for": "1.2.3.4",
        }
        assert (await client.get("/ready", headers=through)).status_code == 200
        assert (await client.get("/metrics", headers=through)).status_code == 401
        allowed = await client.get("/metrics", headers={**through, **server.headers})
        assert allowed.status_code == 200
        for host in ("127.0.0.1", "localhost", "0.0.0.0", "other.example"):
            refused = await client.get("/ready", headers={"host": host})
            assert refused.status_code == 421
        page = {**through, **server.headers, "origin": "http://localhost"}
        assert (await client.get("/metrics", headers=page)).status_code == 403

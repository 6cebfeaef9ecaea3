"""Keeps the master key in a file, the system's keyring or an environment variable.

During a rotation a place holds several keys, and all of them are needed: some data keys are
wrapped by one, some by another.
"""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import Protocol, runtime_checkable

from weft.errors import InvalidInput, KeyUnavailable, StorageFailed
from weft.local.exposure import is_owned_by_others, repair_command
from weft.local.process_liveness import lock_file

KEY_FILE_NAME = "master.key"
KEY_BYTES = 32
_KID_CHARS = 16
_KEYRING_SERVICE = "weft"
_KEYRING_LOCK = "keyring.lock"
_LOCK_ATTEMPTS = 1000
_LOCK_RETRY_SECONDS = 0.01
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A key that wraps data keys; they name it by its ``kid``."""

    secret: bytes = field(repr=False)

    @property
    def kid(self) -> str:
        """The key's name, which reveals nothing about the key."""
        return hashlib.sha256(self.secret).hexdigest()[:_KID_CHARS]

    @classmethod
    def generate(cls) -> "MasterKey":
        """Generate a random key."""
        return cls(secrets.token_bytes(KEY_BYTES))


@runtime_checkable
class KeySource(Protocol):
    """A place for master keys; ``where`` names it for people. All methods block.

    All raise KeyUnavailable, with advice, when the place cannot be used.
    """

    where: str

    def load(self) -> Sequence[MasterKey]:
        """Read the keys, newest first; none when the place is empty."""
        ...

    def create(self) -> Sequence[MasterKey]:
        """Store a first key, unless another process just did; return the stored keys."""
        ...

    def replace(self, keys: Sequence[MasterKey]) -> None:
        """Store exactly these keys, durably and in one step."""
        ...


def key_source(
    folder: Path, *, file: Path | None, keyring: bool, variable: str | None
) -> KeySource:
    """Return the first place that the operator named, or a file in ``folder``.

    Raises KeyUnavailable for a variable that holds no key.
    """
    if file is not None:
        return KeyFile(file)
    if keyring:
        return KeyringEntry(str(folder), folder)
    if variable is not None:
        return KeyVariable(variable)
    return KeyFile(folder / KEY_FILE_NAME)


class KeyFile(KeySource):
    """A file that only its owner can read, with one key on each line."""

    def __init__(self, path: Path) -> None:
        self.where = f"the key file {path}"
        self._path = path

    def load(self) -> Sequence[MasterKey]:
        with self._translate_errors():
            if not self._path.exists():
                return ()
            _refuse_exposed(self._path)
            return _decode(self._path.read_bytes().split(b"\n"), self.where)

    def create(self) -> Sequence[MasterKey]:
        with self._translate_errors():
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = self._write([MasterKey.generate()])
            try:
                # A link, unlike a rename, fails when another process created the key first.
                with suppress(FileExistsError):
                    os.link(temporary, self._path)
            finally:
                temporary.unlink()
            _sync_folder(self._path.parent)
        return self.load()

    def replace(self, keys: Sequence[MasterKey]) -> None:
        with self._translate_errors():
            for left in self._path.parent.glob(f"{self._path.name}.*.new"):
                left.unlink()  # A killed rotation left it, and it may hold a key.
            self._write(keys).replace(self._path)
            _sync_folder(self._path.parent)

    def _write(self, keys: Sequence[MasterKey]) -> Path:
        temporary = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}.new")
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write("\n".join(_encode(keys)).encode())
            file.flush()
            os.fsync(file.fileno())
        return temporary

    @contextmanager
    def _translate_errors(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            # Other errors may pass: a full disk, or too many open files.
            kind = KeyUnavailable if isinstance(error, _LASTING) else StorageFailed
            raise kind(
                f"The key file {self._path} cannot be read or written: {error.strerror}.",
                hint="Restore its permissions (0600, owned by you).",
            ) from None


class KeyringEntry(KeySource):
    """An entry of the system's keyring, with a ``name`` for each database.

    ``folder`` holds a lock, because a keyring cannot tell that another process was first.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.where = "the system's keyring"
        self._name = name
        self._folder = folder

    def load(self) -> Sequence[MasterKey]:
        with self._backend() as keyring:
            text = keyring.get_password(_KEYRING_SERVICE, self._name)
        return () if text is None else _decode(text.encode().split(b","), self.where)

    def create(self) -> Sequence[MasterKey]:
        with _wait_for_lock(self._folder):
            if not self.load():
                self.replace([MasterKey.generate()])
        return self.load()

    def replace(self, keys: Sequence[MasterKey]) -> None:
        with self._backend() as keyring:
            keyring.set_password(_KEYRING_SERVICE, self._name, ",".join(_encode(keys)))

    @contextmanager
    def _backend(self) -> Generator["_Keyring"]:
        try:
            # An extra that is slow to import, so only its users pay for it.
            import keyring
            import keyring.errors
        except ImportError:
            raise KeyUnavailable(
                "WEFT_KEYRING is set, but the package `keyring` is not installed.",
                hint="Install weft-mcp[keyring], or name a file with WEFT_MASTER_KEY_FILE.",
            ) from None
        try:
            yield keyring
        except keyring.errors.KeyringError as error:
            raise KeyUnavailable(
                f"The system's keyring cannot be used ({type(error).__name__}).",
                hint="Unlock it; on a machine without one use WEFT_MASTER_KEY_FILE instead.",
            ) from None


class KeyVariable(KeySource):
    """WEFT_MASTER_KEY: base64, the newest key first, separated by commas. It is only read."""

    def __init__(self, text: str) -> None:
        self.where = "WEFT_MASTER_KEY"
        self._keys = _decode(text.encode("utf-8", "replace").split(b","), self.where)

    def load(self) -> Sequence[MasterKey]:
        return self._keys

    def create(self) -> Sequence[MasterKey]:
        return self._keys

    def replace(self, keys: Sequence[MasterKey]) -> None:
        if [key.kid for key in keys] == [self._keys[0].kid]:
            return  # The older keys are no longer needed; the operator may remove them.
        raise InvalidInput(
            "WEFT_MASTER_KEY has one key, and Weft cannot change the environment.",
            field="WEFT_MASTER_KEY",
            hint="Put a new one in front: WEFT_MASTER_KEY=NEW,OLD (for example the output of "
            "`openssl rand -base64 32`), run this again, then take the old one away.",
        )


@contextmanager
def _wait_for_lock(folder: Path) -> Generator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / _KEYRING_LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StorageFailed(
            f"{folder} cannot be written: {error.strerror}.", hint="Restore its permissions."
        ) from None
    try:
        for _ in range(_LOCK_ATTEMPTS):
            with suppress(OSError):
                lock_file(descriptor)
                break
            sleep(_LOCK_RETRY_SECONDS)
        yield
    finally:
        os.close(descriptor)


class _Keyring(Protocol):
    def get_password(self, service_name: str, username: str, /) -> str | None: ...
    def set_password(self, service_name: str, username: str, password: str, /) -> None: ...


def _encode(keys: Sequence[MasterKey]) -> list[str]:
    return [base64.urlsafe_b64encode(key.secret).decode() for key in keys]


def _decode(texts: Sequence[bytes], where: str) -> Sequence[MasterKey]:
    keys: list[MasterKey] = []
    for text in texts:
        stripped = text.strip()
        # Accept both alphabets of base64: openssl writes the standard one.
        standard = stripped.replace(b"-", b"+").replace(b"_", b"/")
        try:
            key = base64.b64decode(standard, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) == KEY_BYTES:
            keys.append(MasterKey(key))
        elif stripped or not texts[0].strip():
            raise KeyUnavailable(
                f"The master key in {where} is damaged: it must be 32 bytes in base64.",
                hint="Restore it from a backup; without it, credentials must be given again.",
            )
    return tuple(keys)


def _refuse_exposed(path: Path) -> None:
    if os.name != "posix":
        return
    found = path.stat()
    if is_owned_by_others(found):
        raise KeyUnavailable(
            f"The key file {path} belongs to another user.",
            hint=f"Run `{repair_command(path)}`; if they may have read it, rotate the credentials.",
        )
    if found.st_mode & 0o077:
        raise KeyUnavailable(
            f"The key file {path} is readable by other users.",
            hint=f"Run `chmod 600 {path}`; if others may have read it, rotate the credentials.",
        )


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

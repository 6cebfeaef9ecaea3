"""Encrypts credentials at rest.

A sealed text is `v1.KEY_ID.NONCE.CIPHERTEXT` (AES-256-GCM, base64url). It is bound to where it
belongs: moved to another connection, field or endpoint, it does not open.

This protects a copied database, backup or disk without the key file. It does not protect against
someone who can read the key file or this process's memory.
"""

import base64
import binascii
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from weft.domain.base import Json
from weft.errors import AuthenticationFailed, StorageFailed

KEY_FILE_NAME = "master.key"
KEY_BYTES = 32
NONCE_BYTES = 12
_VERSION = "v1"
_KEY_ID_CHARS = 8


class Vault:
    """Seals and opens JSON objects under one master key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._key_id = hashlib.sha256(key).hexdigest()[:_KEY_ID_CHARS]

    @classmethod
    def open(cls, folder: Path) -> "Vault":
        """Read the key file of ``folder``, or make one that only its owner can read.

        Raises StorageFailed when the file cannot be read, is damaged, or is readable by others.
        """
        path = folder / KEY_FILE_NAME
        try:
            if not path.exists():
                _create_key(path)
            return cls(_read_key(path))
        except OSError as error:
            raise StorageFailed(
                f"The key file {path} cannot be read: {error.strerror}.",
                hint="Restore its permissions (0600, owned by you).",
            ) from None

    def seal(self, secret: Json, *, bound_to: tuple[str, ...]) -> str:
        """Encrypt ``secret`` so that it opens only with the same ``bound_to``."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        text = json.dumps(secret, separators=(",", ":")).encode()
        sealed = self._cipher.encrypt(nonce, text, _associated(bound_to))
        return ".".join((_VERSION, self._key_id, _encode(nonce), _encode(sealed)))

    def unseal(self, sealed: str, *, bound_to: tuple[str, ...]) -> Json:
        """Decrypt. Raises AuthenticationFailed if the key, the binding or the text is another."""
        try:
            version, key_id, nonce, text = sealed.split(".")
            if version == _VERSION and key_id == self._key_id:
                plain = self._cipher.decrypt(_decode(nonce), _decode(text), _associated(bound_to))
                return cast("Json", json.loads(plain))
        except (ValueError, binascii.Error, InvalidTag):
            pass
        raise AuthenticationFailed(
            "The stored credentials cannot be opened: the key file or the endpoint changed.",
            hint="Give the credentials again with authorize_connection.",
        )


def _associated(parts: tuple[str, ...]) -> bytes:
    return json.dumps(parts).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)


def _create_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_encode(secrets.token_bytes(KEY_BYTES)).encode())
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, fails when another process made the key first: theirs stays.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _read_key(path: Path) -> bytes:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise StorageFailed(
            f"The key file {path} is readable by other users.",
            hint=f"Run `chmod 600 {path}`; if others may have read it, rotate the credentials.",
        )
    try:
        key = base64.urlsafe_b64decode(path.read_bytes())
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise StorageFailed(
            f"The key file {path} is damaged.",
            hint="Restore it from a backup; without it, credentials must be given again.",
        )
    return key

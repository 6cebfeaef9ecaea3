"""Authenticated encryption: data keys under a master key, texts under a data key."""

import base64
import binascii
import json
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from weft.local.store.vault import WrappedKey
from weft.local.vault.keys import KEY_BYTES, MasterKey

NONCE_BYTES = 12
_KID_BYTES = 8
_VERSION = "v1"


def new_data_key(master: MasterKey, organization_id: str, owner: str) -> tuple[WrappedKey, bytes]:
    """Generate a data key for an owner; return it wrapped and in the clear."""
    kid = secrets.token_hex(_KID_BYTES)
    key = secrets.token_bytes(KEY_BYTES)
    return wrap(master, organization_id, owner, kid, key), key


def wrap(master: MasterKey, organization_id: str, owner: str, kid: str, key: bytes) -> WrappedKey:
    """Encrypt a data key for storage."""
    text = encrypt(master.secret, key, ("data_key", organization_id, owner, kid))
    return WrappedKey(organization_id, owner, kid, master.kid, text)


def unwrap(master: MasterKey, key: WrappedKey) -> bytes | None:
    """Decrypt a data key; None if it was changed or belongs to another owner."""
    bound_to = ("data_key", key.organization_id, key.owner, key.kid)
    return decrypt(master.secret, key.wrapped, bound_to)


def seal(kid: str, key: bytes, plain: bytes, bound_to: tuple[str, ...]) -> str:
    """Encrypt so that it opens only with the same key and ``bound_to``."""
    return f"{_VERSION}.{kid}.{encrypt(key, plain, bound_to)}"


def unseal(kid: str, key: bytes, text: str, bound_to: tuple[str, ...]) -> bytes | None:
    """Decrypt; None if the key, the binding or the text has changed."""
    if not is_sealed_by(kid, text):
        return None
    return decrypt(key, text.removeprefix(f"{_VERSION}.{kid}."), bound_to)


def is_sealed_by(kid: str, text: str) -> bool:
    """Tell whether a text names that data key as its own."""
    return text.startswith(f"{_VERSION}.{kid}.")


def encrypt(key: bytes, plain: bytes, bound_to: tuple[str, ...]) -> str:
    """Return `NONCE.CIPHERTEXT` in base64url."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return f"{_encode(nonce)}.{_encode(AESGCM(key).encrypt(nonce, plain, _bytes(bound_to)))}"


def decrypt(key: bytes, text: str, bound_to: tuple[str, ...]) -> bytes | None:
    """Undo `encrypt`; None if the key, the binding or the text has changed."""
    try:
        nonce, data = text.split(".")
        return AESGCM(key).decrypt(_decode(nonce), _decode(data), _bytes(bound_to))
    except (ValueError, binascii.Error, InvalidTag):
        return None


def _bytes(parts: tuple[str, ...]) -> bytes:
    return json.dumps(parts).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text)

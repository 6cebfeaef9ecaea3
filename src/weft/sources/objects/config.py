"""The configuration and the credentials of the `objects` source."""

import json
import re
from typing import Any, Final, Self, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from weft.net.urls import validate_url
from weft.sources.base import ENDPOINT, MULTILINE
from weft.sources.files.config import (
    DEFAULT_MAX_DOCUMENT_BYTES,
    DEFAULT_MAX_FILE_BYTES,
    DocumentSize,
    FileSize,
    IgnorePatterns,
)
from weft.sources.objects.places import Place, read_place

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{2,}={0,2}")
_KEY_FIELDS: Final = ("client_email", "private_key")


class ObjectsConfig(BaseModel):
    """The bucket, and what of it is wanted."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        max_length=1300,
        description=(
            "Bucket, folder or object: s3://bucket/folder, gs://bucket/folder, az://container/folder."
        ),
        json_schema_extra=ENDPOINT,
    )
    region: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{2,40}$",
        description="Region of an S3 bucket; found out for AWS, us-east-1 for others if left out.",
        json_schema_extra=ENDPOINT,
    )
    endpoint: str | None = Field(
        default=None,
        max_length=500,
        description="URL of a compatible store (MinIO, R2, Azurite); left out for the cloud's own.",
        json_schema_extra=ENDPOINT,
    )
    account_name: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]{3,24}$",
        description="Azure's storage account; needed for az://.",
        json_schema_extra=ENDPOINT,
    )
    include: IgnorePatterns = Field(
        default_factory=list,
        description="Gitignore-style patterns; only objects that match one are read.",
    )
    exclude: IgnorePatterns = Field(
        default_factory=list, description="Gitignore-style patterns of what is left out."
    )
    max_file_size: FileSize = Field(
        default=DEFAULT_MAX_FILE_BYTES, description="Bytes; larger objects are skipped."
    )
    max_document_size: DocumentSize = DEFAULT_MAX_DOCUMENT_BYTES

    @property
    def place(self) -> Place:
        """The bucket and the folder in it."""
        return read_place(self.url)

    @field_validator("url")
    @classmethod
    def _read_url(cls, value: str) -> str:
        return read_place(value).address

    @field_validator("endpoint")
    @classmethod
    def _read_endpoint(cls, value: str | None) -> str | None:
        return None if value is None else validate_url(value.strip()).rstrip("/")

    @model_validator(mode="after")
    def _need_account(self) -> Self:
        if self.place.provider == "azure" and self.account_name is None:
            raise ValueError("az:// needs account_name, the storage account of the container")
        return self


class ObjectsCredentials(BaseModel):
    """Keys of one of the clouds; none for a public bucket."""

    model_config = ConfigDict(extra="forbid")

    access_key_id: SecretStr | None = Field(
        default=None, min_length=1, description="S3: id of the access key."
    )
    secret_access_key: SecretStr | None = Field(
        default=None, min_length=1, description="S3: secret of the access key."
    )
    session_token: SecretStr | None = Field(
        default=None, min_length=1, description="S3: token that belongs to a temporary access key."
    )
    service_account_key: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Google: the JSON key file of a service account that may view objects.",
        json_schema_extra=MULTILINE,
    )
    account_key: SecretStr | None = Field(
        default=None, min_length=1, description="Azure: key of the storage account."
    )
    sas_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Azure: shared access signature that may read and list.",
    )

    @field_validator("service_account_key")
    @classmethod
    def _check_key_file(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            read_key_file(value)
        return value

    @field_validator("account_key")
    @classmethod
    def _check_account_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _BASE64.fullmatch(value.get_secret_value().strip()):
            raise ValueError("is not a key of a storage account: it must be Base64")
        return value

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key belong together")
        if self.session_token is not None and self.access_key_id is None:
            raise ValueError("session_token needs access_key_id and secret_access_key")
        if self.account_key is not None and self.sas_token is not None:
            raise ValueError("only one of account_key and sas_token can be used")
        return self


def read_key_file(key: SecretStr) -> dict[str, Any]:
    """Return the fields of a service account's key file. Raises ValueError, which quotes none."""
    try:
        found: object = json.loads(key.get_secret_value())
    except (ValueError, RecursionError):
        raise ValueError("is not JSON: paste the whole key file") from None
    fields = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if not all(isinstance(fields.get(name), str) for name in _KEY_FIELDS):
        raise ValueError("is not the key file of a service account (client_email, private_key)")
    return fields

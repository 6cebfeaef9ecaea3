"""The configuration of a `files` connection."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from weft.sources.files.ignore import Patterns

DEFAULT_MAX_FILE_BYTES = 1024 * 1024
LARGEST_MAX_FILE_BYTES = 20 * 1024 * 1024
DEFAULT_MAX_DOCUMENT_BYTES = 20 * 1024 * 1024
LARGEST_MAX_DOCUMENT_BYTES = 100 * 1024 * 1024
MAX_PATTERNS_PER_FIELD = 200


class FilesConfig(BaseModel):
    """The files to read."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(
        min_length=1, max_length=4096, description="Folder or file, inside an allowed folder."
    )
    include: list[str] = Field(
        default_factory=list,
        max_length=MAX_PATTERNS_PER_FIELD,
        description="Gitignore-style patterns; only files that match one are read.",
    )
    exclude: list[str] = Field(
        default_factory=list,
        max_length=MAX_PATTERNS_PER_FIELD,
        description="Gitignore-style patterns of what is left out.",
    )
    max_file_size: int = Field(
        default=DEFAULT_MAX_FILE_BYTES,
        ge=1,
        le=LARGEST_MAX_FILE_BYTES,
        description="Bytes; larger files are skipped.",
    )
    max_document_size: int = Field(
        default=DEFAULT_MAX_DOCUMENT_BYTES,
        ge=1,
        le=LARGEST_MAX_DOCUMENT_BYTES,
        description="Bytes; larger documents (PDF, Office, e-books, mail) are skipped.",
    )
    respect_ignore_files: bool = Field(
        default=True, description="Leave out what .gitignore, .ignore and .weftignore name."
    )

    @field_validator("path")
    @classmethod
    def _refuse_null(cls, value: str) -> str:
        if "\0" in value:
            raise ValueError("must not hold a null character")
        return value

    @field_validator("include", "exclude")
    @classmethod
    def _check_patterns(cls, value: list[str]) -> list[str]:
        Patterns(value)
        return value

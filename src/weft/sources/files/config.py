"""The configuration of a `files` connection."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from weft.sources.files.ignore import Patterns

DEFAULT_MAX_FILE_BYTES = 1024 * 1024
LARGEST_MAX_FILE_BYTES = 20 * 1024 * 1024
DEFAULT_MAX_DOCUMENT_BYTES = 20 * 1024 * 1024
LARGEST_MAX_DOCUMENT_BYTES = 100 * 1024 * 1024
MAX_PATTERNS_PER_FIELD = 200


def _check(patterns: list[str]) -> list[str]:
    Patterns(patterns)
    return patterns


IgnorePatterns = Annotated[
    list[str], Field(max_length=MAX_PATTERNS_PER_FIELD), AfterValidator(_check)
]
FileSize = Annotated[
    int, Field(ge=1, le=LARGEST_MAX_FILE_BYTES, description="Bytes; larger files are skipped.")
]
DocumentSize = Annotated[
    int,
    Field(
        ge=1,
        le=LARGEST_MAX_DOCUMENT_BYTES,
        description="Bytes; larger documents (PDF, Office, e-books, mail) are skipped.",
    ),
]


class FilesConfig(BaseModel):
    """The files to read."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(
        min_length=1, max_length=4096, description="Folder or file, inside an allowed folder."
    )
    include: IgnorePatterns = Field(
        default_factory=list,
        description="Gitignore-style patterns; only files that match one are read.",
    )
    exclude: IgnorePatterns = Field(
        default_factory=list, description="Gitignore-style patterns of what is left out."
    )
    max_file_size: FileSize = DEFAULT_MAX_FILE_BYTES
    max_document_size: DocumentSize = DEFAULT_MAX_DOCUMENT_BYTES
    respect_ignore_files: bool = Field(
        default=True, description="Leave out what .gitignore, .ignore and .weftignore name."
    )

    @field_validator("path")
    @classmethod
    def _refuse_null(cls, value: str) -> str:
        if "\0" in value:
            raise ValueError("must not hold a null character")
        return value

"""All errors that Weft raises on purpose, grouped by what the receiver can do about them.

    WeftError
    ├── CallError                 the call was wrong: correct it and call again
    │   ├── InvalidInput          a field has a wrong value (HTTP 422)
    │   ├── NotFound              nothing has that id or name (404)
    │   ├── Ambiguous             a name or id prefix fits several things (409)
    │   ├── Conflict              the state forbids it now, e.g. a sync is running (409)
    │   ├── NotPermitted          the operator does not allow it (403)
    │   └── Unsupported           this backend or source cannot do it (400)
    ├── ConnectionFault           someone must repair the connection before it can sync
    │   ├── AuthenticationFailed  the source refused the credentials
    │   ├── AccessDenied          the credentials are valid, but not for this
    │   └── SourceMisconfigured   the configuration names nothing usable
    ├── TryLater                  the same call may succeed later
    │   ├── RateLimited           with the seconds to wait (429)
    │   ├── SourceUnavailable     the network or the source failed (502)
    │   └── StorageFailed         disk full, I/O error, database busy (503)
    │       └── KeyUnavailable    the master key is missing: a person must restore it
    ├── PushUnfinished            a push was begun, and nobody ended it: push all of it again (409)
    ├── CursorExpired             a source cannot continue from its cursor: list everything
    └── Fenced                    another process owns the job now: stop writing

People and models read the text of a WeftError, so it never contains a secret, a rejected value that
could be one, or an upstream response body.
"""

from enum import StrEnum
from typing import ClassVar


class ErrorCategory(StrEnum):
    """The reason that a job failed or a connection needs attention.

    The first four are Airweave's ``error_category`` values; the others are Weft's own.
    """

    OAUTH_CREDENTIALS_EXPIRED = "oauth_credentials_expired"
    API_KEY_INVALID = "api_key_invalid"
    AUTH_PROVIDER_ACCOUNT_GONE = "auth_provider_account_gone"
    AUTH_PROVIDER_CREDENTIALS_INVALID = "auth_provider_credentials_invalid"
    ACCESS_DENIED = "access_denied"
    CONFIG_INVALID = "config_invalid"
    RATE_LIMITED = "rate_limited"
    SOURCE_UNAVAILABLE = "source_unavailable"
    STORAGE_FAILED = "storage_failed"
    KEY_UNAVAILABLE = "key_unavailable"
    NO_PROCESS = "no_process"
    PUSH_UNFINISHED = "push_unfinished"
    INTERNAL = "internal"


class WeftError(Exception):
    """The base of all errors whose text is safe to show.

    ``field`` names the argument at fault; ``hint`` says what to do next. ``needs`` is set where
    another process of this home may succeed: it goes on after "a process that".
    """

    status: ClassVar[int] = 500
    category: ErrorCategory = ErrorCategory.INTERNAL
    needs: str | None = None

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        needs: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint
        self.needs = needs or self.needs

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class CallError(WeftError):
    """The call was wrong; nothing was changed."""

    status = 400
    category = ErrorCategory.CONFIG_INVALID


class InvalidInput(CallError):
    """A field has a value that cannot be accepted."""

    status = 422


class NotFound(CallError):
    """Nothing has that id or name, or somebody else's does: the two look the same on purpose."""

    status = 404


class Ambiguous(CallError):
    """A name or an id prefix fits more than one thing."""

    status = 409


class Conflict(CallError):
    """The current state forbids the call; ``job_id`` is the job in the way, if there is one."""

    status = 409

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message, field=field, hint=hint)
        self.job_id = job_id


class NotPermitted(CallError):
    """The operator's settings forbid it, and a caller cannot change that."""

    status = 403
    category = ErrorCategory.ACCESS_DENIED


class Unsupported(CallError):
    """This backend, source or authentication method cannot do it."""


class ConnectionFault(WeftError):
    """Someone must repair the connection before a sync can succeed."""

    status = 422


class PushUnfinished(WeftError):
    """A push of several batches was begun, and nobody ended it."""

    status = 409
    category = ErrorCategory.PUSH_UNFINISHED


class AuthenticationFailed(ConnectionFault):
    """The source refused the credentials, or they are missing."""

    def __init__(
        self,
        message: str,
        *,
        category: ErrorCategory = ErrorCategory.API_KEY_INVALID,
        hint: str | None = None,
        needs: str | None = None,
    ) -> None:
        super().__init__(message, field="auth", hint=hint, needs=needs)
        self.category = category


class AccessDenied(ConnectionFault):
    """The credentials are valid, but not for what the configuration names."""

    category = ErrorCategory.ACCESS_DENIED


class SourceMisconfigured(ConnectionFault):
    """The configuration names something that does not exist or cannot be read."""

    category = ErrorCategory.CONFIG_INVALID


class TryLater(WeftError):
    """The call is right and may succeed later."""

    status = 503


class RateLimited(TryLater):
    """There were too many requests; ``retry_after`` is in seconds, if known."""

    status = 429
    category = ErrorCategory.RATE_LIMITED

    def __init__(
        self, message: str, *, retry_after: float | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class SourceUnavailable(TryLater):
    """The network or the source failed; committed entities stay."""

    status = 502
    category = ErrorCategory.SOURCE_UNAVAILABLE


class StorageFailed(TryLater):
    """The database could not be written: no room, an I/O error, or locked for too long."""

    category = ErrorCategory.STORAGE_FAILED


class KeyUnavailable(StorageFailed):
    """The master key is missing, damaged or unreadable, and a person must restore it.

    Texts that it sealed stay as they are.
    """

    category = ErrorCategory.KEY_UNAVAILABLE
    needs = "has the master key"


class CursorExpired(WeftError):
    """The source cannot continue from the cursor; the engine starts a full listing instead."""


class Fenced(WeftError):
    """The job was cancelled, deleted or taken over, so its worker must not write any more."""

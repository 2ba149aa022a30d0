"""What can go wrong, told by its remedy.

    DangolError
    ├── Invalid          never retry: a 4xx answer, or a dead letter; says where, what and how to mend it
    │   ├── Unauthorized     no key, or one that is none (401)
    │   │   └── Forbidden        a key that is known and may not do this (403)
    │   ├── NotFound         nothing of that name (404)
    │   └── TooLarge         over a limit that is stated (413)
    └── Unavailable      retry later: says when (503 with Retry-After)
        └── Lost             the partition, lease or lock is another's now; drop the work, its new owner has it

Anything else that is raised is a bug: it is set aside with its traceback.
"""

from datetime import timedelta


class DangolError(Exception):
    """The root of every error this project raises on purpose."""


class Invalid(DangolError):
    """Input that will never be accepted as it is.

    `code` is a stable name (`no_key`), `message` a sentence for a person, `where` a place in the
    input (`batch[3].timestamp`), `hint` how to mend it.
    """

    status = 400

    def __init__(self, code: str, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.where, self.hint = code, message, where, hint

    def body(self) -> dict[str, str]:
        """It as everybody outside is told of it."""
        return error_body(self.code, self.message, self.where, self.hint)


class Unauthorized(Invalid):
    """A missing or unknown key."""

    status = 401


class Forbidden(Unauthorized):
    """A key that is known and may not do this."""

    status = 403


class NotFound(Invalid):
    """Nothing of that name in this workspace."""

    status = 404


class TooLarge(Invalid):
    """Over a stated limit."""

    status = 413


class Unavailable(DangolError):
    """Something we depend on cannot do it now; the same request may succeed after `retry_after`."""

    status = 503

    def __init__(self, message: str, *, retry_after: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(message)
        self.message, self.retry_after = message, retry_after


class Lost(Unavailable):
    """What this worker held is held by another now: its work must be dropped, not repeated."""


def error_body(code: str, message: str, where: str = "", hint: str = "") -> dict[str, str]:
    """The one shape of an error: `{"code", "message", "where"?, "hint"?}`."""
    told = {"code": code, "message": message, "where": where, "hint": hint}
    return {name: value for name, value in told.items() if value}

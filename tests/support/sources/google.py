"""How the scripted services of Google refuse: https://developers.google.com/workspace/drive/api/guides/handle-errors."""

from weft.testing.scripted_http import HttpReply, HttpRequest, as_json


def refuse(status: int, reason: str, message: str = "No.", **more: str) -> HttpReply:
    """Return an error in Google's form."""
    error = {"domain": "global", "reason": reason, "message": message, **more}
    return as_json({"error": {"code": status, "message": message, "errors": [error]}}, status)


def refuse_stranger(request: HttpRequest, token: str = "correct-horse") -> HttpReply | None:
    """Return an error for a request without the right token."""
    if request.headers.get("authorization") == f"Bearer {token}":
        return None
    return refuse(
        401, "authError", "Invalid Credentials", locationType="header", location="Authorization"
    )

"""A scripted service whose API takes the tokens of an authorisation server on the same origin."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from tests.support.oauth.provider import OAuthProvider
from weft.testing.scripted_http import Handler, HttpReply, HttpRequest


@dataclass
class GuardedService:
    """Asks ``provider`` who comes, and lets ``server`` answer whom it knows.

    ``key`` is what the scripted server itself takes for the right authorization. ``token_path`` is
    where the source will ask for tokens. ``expire`` is called once, before the API's request with
    the number ``expires_before``.
    """

    server: Handler
    key: str
    token_path: str = "/token"
    provider: OAuthProvider = field(default_factory=OAuthProvider)
    expires_before: int | None = None
    expire: Callable[[], object] = lambda: None
    asked: int = 0

    def __call__(self, request: HttpRequest) -> HttpReply:
        if request.path == self.token_path:
            query = urlsplit(request.target).query
            return self.provider.answer(replace(request, target=f"/token?{query}"))
        self.asked += 1
        if self.asked == self.expires_before:
            self.expire()
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = [each for each in self.provider.tokens if each.access_token == token]
        is_good = bool(known) and not (known[0].is_expired() or known[0].revoked)
        headers = {**request.headers, "authorization": self.key if is_good else "Bearer no"}
        answer = self.server(replace(request, headers=headers))
        assert isinstance(answer, HttpReply)
        return answer

"""The pages for people: one card, no external resources, all text escaped.

Style and script are part of the page; the Content-Security-Policy names them by their hashes, so
nothing else is applied or run, whatever a source or a connection is called.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from weft.domain.authorizations import CredentialForm
from weft.domain.sources import FieldInfo
from weft.domain.text.characters import HIDDEN

Mark = Literal["good", "bad", "gone"]

# A source's fields have this prefix in the form, so that none is taken for one of the page's own.
ENTRY_PREFIX: Final = "entry."
PROOF_FIELD: Final = "proof"

_TEMPLATES = files("weft.web.pages") / "templates"
_STYLE: Final = (_TEMPLATES / "page.css").read_text("utf-8")
_SCRIPT: Final = (_TEMPLATES / "page.js").read_text("utf-8")

_MULTI_LINE_TYPES: Final = frozenset({"object", "array"})
_UNSAFE_SCHEMES: Final = frozenset(
    {"", "javascript", "data", "vbscript", "file", "blob", "about", "view-source"}
)


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_hash(_STYLE)}",
        f"script-src {_hash(_SCRIPT)}",
        "img-src data:",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


def render_form(
    form: CredentialForm,
    proof: str,
    *,
    given: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    problem: str | None = None,
) -> str:
    """Return the page that takes credentials.

    ``given`` is what was typed before; secrets in it are not shown again. ``problems`` are texts by
    the name of their field, ``problem`` is one about no single field.
    """
    problems = problems or {}
    entries = [
        _Entry(field, _value_of(field, given), problems.get(field.name)) for field in form.fields
    ]
    return _ENVIRONMENT.get_template("form.html", globals=_GLOBALS).render(
        form=form, proof=proof, entries=entries, problems=problems, problem=problem
    )


def render_message(
    mark: Mark, title: str, paragraphs: Sequence[str], *, follow: str | None = None
) -> str:
    """Return a page with one message that leads on to ``follow``, at once or by a click, if that
    is a safe target.
    """
    if follow is not None and not is_safe_target(follow):
        follow = None
    place = urlsplit(follow or "").hostname or "the application"
    return _ENVIRONMENT.get_template("message.html", globals=_GLOBALS).render(
        mark=mark, title=title, paragraphs=paragraphs, follow=follow, place=place
    )


def is_safe_target(url: str) -> bool:
    """Return whether a browser may be sent there: to a site, or to an application's own scheme."""
    try:
        return urlsplit(url).scheme.lower() not in _UNSAFE_SCHEMES
    except ValueError:
        return False


def visible_line(text: str) -> str:
    """Put ``text`` on one line, without characters that hide or reorder what is written."""
    return " ".join(HIDDEN.sub(" ", text).split())


def is_multi_line(field: FieldInfo) -> bool:
    """Return whether the field's value may have several lines."""
    return field.multiline or field.type in _MULTI_LINE_TYPES


@dataclass(frozen=True, slots=True)
class _Entry:
    """A field of the form as the template shows it."""

    field: FieldInfo
    value: str
    problem: str | None

    @property
    def id(self) -> str:
        return "entry-" + re.sub(r"[^A-Za-z0-9_-]", "-", self.field.name)

    @property
    def described_by(self) -> str:
        texts = {"help": self.field.description, "problem": self.problem}
        return " ".join(f"{self.id}-{name}" for name, text in texts.items() if text)

    @property
    def is_multi_line(self) -> bool:
        return is_multi_line(self.field)


def _value_of(field: FieldInfo, given: Mapping[str, str] | None) -> str:
    if field.secret:
        return ""
    if given is not None:
        return given.get(field.name, "")
    if isinstance(field.default, bool):
        return "true" if field.default else "false"
    return "" if field.default is None else str(field.default)


class _Verbatim(str):
    """Text that is escaped but not otherwise changed, such as a value or an address."""

    __slots__ = ()


def _finalize(value: object) -> object:
    """Show every plain string as a visible line, so that no template can forget to."""
    return visible_line(value) if type(value) is str else value


_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("weft.web.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_finalize,
    trim_blocks=True,
    auto_reload=False,
)
_ENVIRONMENT.filters["verbatim"] = _Verbatim
_GLOBALS: Final = {
    # These two are our own, and the policy names their hashes.
    "style": Markup(_STYLE),  # noqa: S704
    "script": Markup(_SCRIPT),  # noqa: S704
    "prefix": ENTRY_PREFIX,
    "proof_field": PROOF_FIELD,
}

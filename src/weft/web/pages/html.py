"""How the pages for people look: one card, no external resources, everything escaped.

Style and script are in the page itself; the Content-Security-Policy names them by their hashes,
so nothing else is applied or run, whatever a source or a connection is called.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Final, Literal
from urllib.parse import urlsplit

from weft.domain.authorizations import CredentialForm
from weft.domain.characters import HIDDEN
from weft.domain.sources import FieldInfo

Mark = Literal["good", "bad", "gone"]

# Fields of the form have a prefix, so that no source's field is taken for one of the page's own.
ENTRY_PREFIX: Final = "entry."
PROOF_FIELD: Final = "proof"

_TEMPLATES = files("weft.web.pages") / "templates"
_STYLE: Final = (_TEMPLATES / "page.css").read_text("utf-8")
_SCRIPT: Final = (_TEMPLATES / "page.js").read_text("utf-8")

_MULTI_LINE_TYPES: Final = frozenset({"object", "array"})
_UNSAFE_SCHEMES: Final = frozenset(
    {"", "javascript", "data", "vbscript", "file", "blob", "about", "view-source"}
)
_ICONS: Final[Mapping[Mark, str]] = {
    "good": '<path d="M5 12.5l4.5 4.5L19 7.5"/>',
    "bad": '<path d="M12 6v7M12 17.5v.01"/>',
    "gone": '<path d="M12 7v5.5l3.5 2M12 3a9 9 0 100 18 9 9 0 000-18z"/>',
}


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
    """The page that takes credentials.

    ``given`` is what was typed before, of which no secret is shown again. ``problems`` are texts by
    the field that they belong to, ``problem`` is one that belongs to none.
    """
    problems = problems or {}
    entries = "".join(
        _entry(field, (given or {}).get(field.name), problems.get(field.name), given is not None)
        for field in form.fields
    )
    body = f"""
<h1>Connect {_text(form.source_name)}</h1>
<p class="quiet">To read it for you, Weft needs credentials. What you type goes to Weft and to \
{_destination(form)}, and to nobody else; no agent sees it.</p>
{_facts(form)}
{_summary(form.fields, problems, problem)}
<form method="post" autocomplete="off">
<input type="hidden" name="{PROOF_FIELD}" value="{escape(proof)}">
{entries}
<button class="main-action" data-busy="Checking…">Connect</button>
</form>
<p class="safety">Weft checks it, stores it encrypted and never shows it again. \
You did not expect this page? Close it, and nothing happens.</p>"""
    failed = "Error: " if problem or problems else ""
    return _page(f"{failed}Connect {visible_line(form.source_name)}", body, script=True)


def render_message(
    mark: Mark, title: str, paragraphs: Sequence[str], *, follow: str | None = None
) -> str:
    """A page that says one thing. ``follow`` is where the person goes on, by itself or a click."""
    action = ""
    refresh = ""
    if follow is not None and is_safe_target(follow):
        place = urlsplit(follow).hostname or "the application"
        action = (
            f'<p><a class="button" href="{escape(follow)}" rel="noreferrer">'
            f"Continue to {_text(place)}</a></p>"
        )
        refresh = f'<meta http-equiv="refresh" content="2; url={escape(follow)}">'
    texts = "".join(f'<p class="quiet">{_text(text)}</p>' for text in paragraphs)
    role = ' role="alert"' if mark == "bad" else ""
    body = f"""
<div class="mark {mark}" aria-hidden="true"><svg viewBox="0 0 24 24">{_ICONS[mark]}</svg></div>
<div{role}><h1>{_text(title)}</h1>
{texts}</div>{action}"""
    return _page(title, body, head=refresh)


def is_safe_target(url: str) -> bool:
    """Whether a browser may be sent there: to a site, or to an application's own scheme."""
    try:
        return urlsplit(url).scheme.lower() not in _UNSAFE_SCHEMES
    except ValueError:
        return False


def visible_line(text: str) -> str:
    """``text`` on one line, without characters that hide or reorder what is written."""
    return " ".join(HIDDEN.sub(" ", text).split())


def is_multi_line(field: FieldInfo) -> bool:
    """Whether what belongs into the field may have several lines."""
    return field.multiline or field.type in _MULTI_LINE_TYPES


def _page(title: str, body: str, *, script: bool = False, head: str = "") -> str:
    code = f"<script>{_SCRIPT}</script>" if script else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
{head}<title>{_text(title)} · Weft</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<p class="brand">Weft</p>
<main>{body}
</main>
{code}
</body>
</html>
"""


def _facts(form: CredentialForm) -> str:
    facts = [("Connection", _text(form.connection_name)), ("Source", _text(form.source_name))]
    if form.endpoint:
        facts.append(("Sent to", _text(form.endpoint)))
    rows = "".join(
        f"<div><dt>{term}</dt><dd><bdi>{about}</bdi></dd></div>" for term, about in facts
    )
    return f"<dl>{rows}</dl>"


def _destination(form: CredentialForm) -> str:
    return "the address below" if form.endpoint else "this source"


def _summary(fields: Sequence[FieldInfo], problems: Mapping[str, str], problem: str | None) -> str:
    if not problem and not problems:
        return ""
    titles = {field.name: field for field in fields}
    links = "".join(
        f'<li><a href="#{_id(name)}">{_text(text)}</a></li>'
        for name, text in problems.items()
        if name in titles
    )
    said = f"<p>{_text(problem)}</p>" if problem else ""
    again = any(field.secret for field in fields)
    note = '<p class="small">What is secret has to be typed again.</p>' if again else ""
    # Where no field takes the focus, the summary does, so that it is read out.
    focus = "" if links else " autofocus"
    return (
        f'<div class="notice bad" role="alert" tabindex="-1"{focus}>'
        "<p><strong>That did not work</strong></p>"
        f"{said}{f'<ul>{links}</ul>' if links else ''}{note}</div>"
    )


def _entry(field: FieldInfo, given: str | None, problem: str | None, again: bool) -> str:
    ids = [f"{_id(field.name)}-help"] if field.description else []
    ids += [f"{_id(field.name)}-problem"] if problem else []
    attributes = f' id="{_id(field.name)}" name="{ENTRY_PREFIX}{escape(field.name)}"'
    if ids:
        attributes += f' aria-describedby="{" ".join(ids)}"'
    if problem:
        attributes += ' aria-invalid="true" autofocus'
    value = "" if field.secret else (given if again else _default(field)) or ""
    help_text = (
        f'<p class="help" id="{_id(field.name)}-help">{_text(field.description)}</p>'
        if field.description
        else ""
    )
    told = (
        f'<p class="problem" id="{_id(field.name)}-problem">{_text(problem)}</p>' if problem else ""
    )
    if field.type == "boolean":
        checked = " checked" if value == "true" else ""
        box = f'<input type="checkbox" value="true"{attributes}{checked}>'
        label = f'<label for="{_id(field.name)}">{_text(field.title)}</label>'
        return f'<div class="field check">{box}<div>{label}{help_text}{told}</div></div>'
    if field.required:
        attributes += " required"
    optional = "" if field.required else ' <span class="optional">(optional)</span>'
    return (
        f'<div class="field"><label for="{_id(field.name)}">{_text(field.title)}{optional}</label>'
        f'{help_text}<div class="entry">{_control(field, attributes, value)}</div>{told}</div>'
    )


def _control(field: FieldInfo, attributes: str, value: str) -> str:
    plain = ' autocapitalize="none" autocorrect="off" spellcheck="false" autocomplete="off"'
    if field.choices:
        offered = field.choices if field.required and value else ("", *field.choices)
        options = "".join(
            f'<option value="{escape(choice)}"{" selected" if choice == value else ""}>'
            f"{_text(choice) or 'Choose…'}</option>"
            for choice in offered
        )
        return f"<select{attributes}>{options}</select>"
    name = _text(field.title)
    reveal = (
        f'<button type="button" class="reveal" data-reveals="{_id(field.name)}" '
        f'data-title="{name}" aria-label="Show {name}" hidden>Show</button>'
        if field.secret
        else ""
    )
    kind = ' class="secret"' if field.secret else ""
    if is_multi_line(field):
        # A password input would lose the line ends.
        return f"<textarea rows=5{attributes}{kind}{plain}>\n{escape(value)}</textarea>{reveal}"
    mode = {"integer": ' inputmode="numeric"', "number": ' inputmode="decimal"'}.get(field.type, "")
    shape = "password" if field.secret else "text"
    return f'<input type="{shape}"{attributes}{kind}{plain}{mode} value="{escape(value)}">{reveal}'


def _default(field: FieldInfo) -> str | None:
    if isinstance(field.default, bool):
        return "true" if field.default else "false"
    return None if field.default is None else str(field.default)


def _id(name: str) -> str:
    return "entry-" + re.sub(r"[^A-Za-z0-9_-]", "-", name)


def _text(text: str) -> str:
    return escape(visible_line(text))

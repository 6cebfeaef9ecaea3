"""Holds a scripted server, and what is asked of it, to what its vendor publishes."""

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from weft.testing.scripted_http import Handler, HttpReply, HttpRequest

_VENDORS = Path(__file__).parents[2] / "fixtures/vendors"


class Described:
    """Passes requests on, and notes in ``faults`` what the description does not know.

    The description names the methods by path, their parameters, and the form of their answers.
    """

    def __init__(self, name: str, handler: Handler, prefix: str = "") -> None:
        found = json.loads((_VENDORS / f"{name}.json").read_text())
        self.faults: list[str] = []
        self.used: set[str] = set()
        self._handler = handler
        self._prefix = prefix
        self._methods: dict[str, Any] = found["methods"]
        self._judges: dict[str, Any] = {
            path: Draft202012Validator({"$defs": found["$defs"], **method["answer"]})
            for path, method in self._methods.items()
            if "answer" in method
        }

    @property
    def unused(self) -> set[str]:
        """The methods of the description that nobody has asked for."""
        return self._methods.keys() - self.used

    def __call__(self, request: HttpRequest) -> HttpReply:
        reply: Any = self._handler(request)
        path = self._find(request.path.removeprefix(self._prefix))
        if path is None:
            self.faults.append(f"no such method: {request.path}")
            return reply
        self.used.add(path)
        known = self._methods[path]["parameters"]
        self.faults += [f"{path}: {name}" for name in request.query if name not in known]
        is_answer = reply.status == 200 and request.query.get("alt") != "media"
        if is_answer and path in self._judges:
            found = self._judges[path].iter_errors(json.loads(reply.body))
            self.faults += [f"{path}: {each.message}" for each in found]
        return reply

    def _find(self, path: str) -> str | None:
        if path in self._methods:
            return path
        forms = {form: re.sub(r"\{[^}]*\}", "[^/]+", form) for form in self._methods}
        return next((form for form, made in forms.items() if re.fullmatch(made, path)), None)

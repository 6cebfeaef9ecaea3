"""The file of the model that comes with Weft, and its name, which is told without numpy."""

import json
from importlib.resources import files
from typing import Final

DATA: Final = files("weft.local.embedding") / "data"


def name_packaged() -> str:
    """Return the name and the version of the model that comes with Weft."""
    told = json.loads((DATA / "english.json").read_text("utf-8"))
    return f"{told['name']}-{told['digest'][:8]}"

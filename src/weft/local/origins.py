"""One spelling for every origin, so that all comparisons agree."""

import re
from typing import Final

_ORIGIN: Final = re.compile(
    # The user part allows no character on which URL parsers disagree.
    r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[\w.~!$&'()*+,;=:%-]*@)?"
    r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?(?=[/?#]|\Z)",
    re.ASCII,
)
_PORTS: Final = {"http": 80, "https": 443}


def normal_origin(url: str) -> str:
    """Normalise to ``scheme://host[:port]``: lower case, no user, no path, no default port.

    Anything that is not plainly a URL stays as it is, so that only the very same text equals it.
    """
    found = _ORIGIN.match(url)
    if found is None:
        return url
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    if not port or int(port) == _PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{int(port)}"

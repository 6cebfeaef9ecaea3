"""One spelling for every origin, so that what is bound to one is compared alike everywhere."""

import re
from typing import Final

_ORIGIN: Final = re.compile(
    # The user part holds no character about which parsers of addresses disagree.
    r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[\w.~!$&'()*+,;=:%-]*@)?"
    r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?(?=[/?#]|\Z)",
    re.ASCII,
)
_PORTS: Final = {"http": 80, "https": 443}


def normal_origin(url: str) -> str:
    """``scheme://host[:port]`` in lower case, without user, path and the scheme's usual port.

    What is not plainly an address stays as it is: then only the very same text equals it.
    """
    found = _ORIGIN.match(url)
    if found is None:
        return url
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    if not port or int(port) == _PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{int(port)}"

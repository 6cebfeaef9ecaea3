"""Weft's icon, which clients show next to the server, its prompts and its resources.

Tools have none, because a model reads every character of the list of tools in each session.
"""

from base64 import b64encode

from mcp_types import Icon

# Threads over and under each other; the colour is legible on light and on dark.
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#6b7cff" '
    'stroke-width="2.5" stroke-linecap="round"><path d="M3 8h2.5m5 0H21M3 16h10.5m5 0H21M8 3v10.5'
    'm0 5V21M16 3v2.5m0 5V21"/></svg>'
)
ICONS = [
    Icon(
        src=f"data:image/svg+xml;base64,{b64encode(_SVG.encode()).decode()}",
        mime_type="image/svg+xml",
        sizes=["any"],
    )
]

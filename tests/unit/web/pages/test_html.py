"""The pages are readable in light and dark, and load nothing."""

import re
from importlib.resources import files
from itertools import pairwise

import pytest

from weft.web.pages.html import render_message, visible_line

STYLE = (files("weft.web.pages") / "templates" / "page.css").read_text("utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)
# Text, and what it stands on; WCAG 2.2 AA asks for 4.5:1.
TEXTS = [
    ("ink", "ground"),
    ("ink", "card"),
    ("ink", "bad-soft"),
    ("quiet", "ground"),
    ("quiet", "card"),
    ("quiet", "well"),
    ("accent", "card"),
    ("accent", "well"),
    ("accent-strong", "card"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("bad", "card"),
    ("bad", "bad-soft"),
]
# Borders of controls, icons and the focus; 3:1.
SHAPES = [("edge", "card"), ("good", "good-soft"), ("accent", "ground"), ("bad", "card")]


def luminance(colour: str) -> float:
    parts = [int(colour[start:end], 16) / 255 for start, end in pairwise((1, 3, 5, 7))]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_everything_can_be_read(colours: dict[str, str]) -> None:
    assert LIGHT.keys() == DARK.keys()
    for needed, pairs in ((4.5, TEXTS), (3.0, SHAPES)):
        for front, back in pairs:
            ratio = contrast(colours[front], colours[back])
            assert ratio >= needed, f"{front} on {back}: {ratio:.2f}"


def test_nothing_comes_from_elsewhere() -> None:
    page = render_message("good", "Done", ["It works."], follow="https://app.example/?a=1&b=2")
    addresses = re.findall(r'(?:href|src|url)\s*[=(]\s*"?([^">]*)', page)
    assert set(addresses) == {"data:,", "https://app.example/?a=1&amp;b=2"}
    assert "@import" not in STYLE
    assert "url(" not in STYLE


def test_a_name_stays_on_its_line_and_shows_all_that_is_in_it() -> None:
    assert visible_line("a\r\nb\u202ec\u200bd\x00e\t f") == "a b c d e f"

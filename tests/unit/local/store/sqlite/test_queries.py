"""The named SQL blocks: complete, described, and each one used."""

import re
from importlib.resources import files
from pathlib import Path

from weft.local.store.sqlite.queries import migrations, queries

FOLDER = files("weft.local.store.sqlite")


def python_sources() -> str:
    return "\n".join(
        Path(str(module)).read_text(encoding="utf-8")
        for module in FOLDER.iterdir()
        if module.name.endswith(".py")
    )


def test_every_block_is_found_under_its_name() -> None:
    text = "\n".join(
        resource.read_text(encoding="utf-8") for resource in (FOLDER / "sql").iterdir()
    )
    names = re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)
    assert sorted(queries()) == sorted(names)
    assert len(set(names)) == len(names)


def test_blocks_are_sql_without_comments() -> None:
    for name, sql in queries().items():
        assert sql, name
        assert "--" not in sql, name


def test_every_block_is_used() -> None:
    code = python_sources()
    unused = {name for name in queries() if not re.search(rf"""['"]{name}['"]""", code)}
    assert unused == set()


def test_code_asks_only_for_blocks_that_exist() -> None:
    asked = set(re.findall(r"""queries\(\)\[['"](\w+)['"]\]""", python_sources()))
    assert asked
    assert asked <= set(queries())


def test_migrations_come_in_order_of_their_numbers() -> None:
    numbers = [number for number, _ in migrations()]
    assert numbers == sorted(numbers)
    assert all("CREATE TABLE" in script for number, script in migrations() if number == 1)

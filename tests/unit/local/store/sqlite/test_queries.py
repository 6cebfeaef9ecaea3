"""The named SQL blocks: complete, described, and each one used."""

import re
from importlib.resources import files
from pathlib import Path

from weft.local.store.sqlite.file.queries import migrations, queries

FOLDER = files("weft.local.store.sqlite")


def python_sources() -> str:
    return "\n".join(
        module.read_text(encoding="utf-8") for module in Path(str(FOLDER)).rglob("*.py")
    )


def statements() -> str:
    return "\n".join(each.read_text(encoding="utf-8") for each in (FOLDER / "sql").iterdir())


def test_every_block_is_found_under_its_name() -> None:
    text = statements()
    names = re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)
    assert sorted(queries()) == sorted(names)
    assert len(set(names)) == len(names)


def test_blocks_are_sql_without_comments() -> None:
    for name, sql in queries().items():
        assert sql, name
        assert "--" not in sql, name


def test_every_block_is_described() -> None:
    text = statements()
    assert re.findall(r"^-- name: (\w+)\n(?!-- \S)", text, re.MULTILINE) == []


def test_statements_are_in_blocks_and_not_in_python() -> None:
    inline = re.findall(r"""["'](?:SELECT|INSERT|UPDATE|DELETE|WITH)\s[^"']*""", python_sources())
    assert inline == []


def test_every_block_is_used() -> None:
    code = python_sources() + statements()
    unused = {name for name in queries() if not re.search(rf"""['"{{]{name}['"}}]""", code)}
    assert unused == set()


def test_code_asks_only_for_blocks_that_exist() -> None:
    asked = set(re.findall(r"""queries\(\)\[['"](\w+)['"]\]""", python_sources()))
    assert asked
    assert asked <= set(queries())


def test_migrations_come_in_order_of_their_numbers() -> None:
    numbers = [number for number, _ in migrations()]
    assert numbers == sorted(numbers)
    assert all("CREATE TABLE" in script for number, script in migrations() if number == 1)


def test_no_test_of_anything_else_imports_this_store() -> None:
    tests = Path(__file__).parents[4]
    here, factory = Path(__file__).parent, tests / "support" / "store" / "open.py"
    imports = re.compile(r"^\s*(?:from|import) weft\.local\.store\.sqlite", re.MULTILINE)
    others = [
        path
        for path in tests.rglob("*.py")
        if here not in path.parents and path != factory and imports.search(path.read_text("utf-8"))
    ]
    assert others == []


def test_column_that_is_only_shown_is_named_nowhere_in_this_store() -> None:
    assert re.findall(r"\bdescription\b", statements() + python_sources()) == []
    assert "description" in queries()["connection_columns"]

"""`python -m bench [NAME]...`: run the topics and print their ratios.

A topic is a module of this package with a function ``rows``, which may be async. A missed target is
shown but is no failure, because machines differ; the tests check what must hold everywhere.
"""

import argparse
import inspect
import pkgutil
from collections.abc import Awaitable, Sequence
from importlib import import_module

import anyio

import bench
from bench.table import Row, table


def main() -> None:
    """Run the topics that the command line names, or all of them."""
    topics = sorted(name for name in _modules() if hasattr(import_module(f"bench.{name}"), "rows"))
    parser = argparse.ArgumentParser(prog="python -m bench", description=bench.__doc__)
    parser.add_argument("name", nargs="*", help=f"which topics to run: {', '.join(topics)}")
    names: list[str] = parser.parse_args().name
    for name in names:
        if name not in topics:
            parser.error(f"there is no topic '{name}'; there are: {', '.join(topics)}")
    rows: list[Row] = []
    for name in names or topics:
        print(f"{name} ...", flush=True)
        rows += anyio.run(_rows, name)
    print(f"\n{table(rows)}")


def _modules() -> list[str]:
    names = [module.name for module in pkgutil.iter_modules(bench.__path__)]
    return [name for name in names if name != "__main__"]


async def _rows(name: str) -> Sequence[Row]:
    found: Sequence[Row] | Awaitable[Sequence[Row]] = import_module(f"bench.{name}").rows()
    return await found if inspect.isawaitable(found) else found


if __name__ == "__main__":
    main()

"""The command line: argv, settings, and then `weft.assembly`.

Each verb is a module that is imported only when it is used, so that `weft serve` starts without the
tables and progress bars that people see.
"""

from weft.cli.garbage import pause_collection


def main() -> None:
    """Run the command line and exit."""
    with pause_collection():
        from weft.cli.app import main as run
    run()

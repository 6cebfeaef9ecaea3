"""Options by which verbs narrow down what is stored."""

import click

from weft.cli.terminal.completion import complete_collection, complete_connection

collection_filter = click.option(
    "--collection",
    metavar="ID",
    shell_complete=complete_collection,
    help="Only of this collection.",
)
connection_filter = click.option(
    "--connection",
    metavar="NAME",
    shell_complete=complete_connection,
    help="Only what this connection synced.",
)
type_filter = click.option(
    "--type", "entity_type", metavar="TYPE", help="Only this type or media type (pdf)."
)

"""Connect to a MySQL or MariaDB server. Imported only where one is read: the driver is optional."""

import socket
from typing import Any

import pymysql  # pyright: ignore[reportMissingModuleSource]

from weft.net.addresses import Address
from weft.sources.sql.config import Server, SqlCredentials
from weft.sources.sql.connect import (
    CONNECT_SECONDS,
    PAUSE_SECONDS,
    STATEMENT_SECONDS,
    STREAM_SECONDS,
    Link,
    cut_off,
    password_of,
    tls_context,
)


def open_mysql(
    server: Server,
    address: Address,
    credentials: SqlCredentials,
    sslmode: str,
    authority: str | None,
) -> Link:
    """Connect to ``address``."""
    connection: Any = pymysql.connect(  # pyright: ignore[reportUnknownMemberType]
        host=server.host,
        port=server.port,
        user=credentials.user or "",
        password=password_of(credentials).encode(),  # pyright: ignore[reportArgumentType]
        database=server.database,
        charset="utf8mb4",
        read_timeout=CONNECT_SECONDS,
        write_timeout=CONNECT_SECONDS,
        ssl_disabled=sslmode == "disable",
        ssl=tls_context(sslmode, authority) if sslmode in {"require", "verify-full"} else None,  # pyright: ignore[reportArgumentType]
        local_infile=False,
        defer_connect=True,
    )
    channel = socket.create_connection((str(address), server.port), CONNECT_SECONDS)
    abort = cut_off(channel.fileno())
    try:
        connection.connect(channel)
    except BaseException:
        channel.close()
        abort()
        raise
    # The handshake had less time than a page of rows has; the driver knows only one limit.
    connection._read_timeout = STATEMENT_SECONDS
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(f"SET SESSION net_write_timeout = {PAUSE_SECONDS}, time_zone = '+00:00'")
        if "mariadb" in connection.get_server_info().lower():
            cursor.execute(f"SET SESSION max_statement_time = {STREAM_SECONDS}")
        else:
            cursor.execute(f"SET SESSION max_execution_time = {STREAM_SECONDS * 1000}")
    return Link("mysql", connection, abort)

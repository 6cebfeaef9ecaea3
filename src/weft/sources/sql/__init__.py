"""The `sql` source: rows of PostgreSQL, MySQL, MariaDB and SQLite databases."""

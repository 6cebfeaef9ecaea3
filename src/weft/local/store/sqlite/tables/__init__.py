"""The tables, one module for each family: rows, and the statements that change them."""

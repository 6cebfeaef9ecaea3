"""Who may do what, who does it now, and the record of it."""

-- The last number that any entity had when a sync of the connection last ended without gaps and held
-- nothing. What syncs with gaps or holds add has higher numbers, and must not dilute the share that
-- one sync may delete.
ALTER TABLE connection ADD COLUMN settled_no INTEGER;

-- Which entities a connection's hold is about, as 64-bit numbers: who agrees has seen these.
CREATE TABLE held_deletion (
  connection_no INTEGER PRIMARY KEY REFERENCES connection (no) ON DELETE CASCADE,
  numbers BLOB NOT NULL
) STRICT;

-- Whether the next sync lists everything instead of going on from the cursor: the configuration has
-- changed, deletions are held, or the cursor lies beyond what was not read. The cursor stays, as
-- what the source remembers. Before, such connections had lost it.
ALTER TABLE connection ADD COLUMN list_again INTEGER NOT NULL DEFAULT 0;

-- Deletions that wait for somebody's word, as JSON; see DeletionHold. A job's are what it would have
-- deleted, a connection's what the last full listing asked for.
ALTER TABLE job ADD COLUMN hold TEXT;
ALTER TABLE connection ADD COLUMN hold TEXT;
-- Whether the source said that these entities are gone. They are deleted when the job ends.
ALTER TABLE job_seen ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;

-- How long the owner's lease lasts after a claim, a heartbeat or a commit, in microseconds.
ALTER TABLE job ADD COLUMN lease_length INTEGER NOT NULL DEFAULT 30000000;

-- How long owners have run the job, in microseconds of a clock that nobody sets.
ALTER TABLE job ADD COLUMN ran INTEGER NOT NULL DEFAULT 0;
UPDATE job SET ran = max(0, coalesce(completed_at - started_at, 0));

-- Slots that were fired by a clock that was ahead, and whose jobs are pruned. Those that the clock
-- had reached when they were pruned are not here: `connection.last_slot` covers them.
CREATE TABLE early_slot (
  connection_no INTEGER NOT NULL REFERENCES connection (no) ON DELETE CASCADE,
  slot INTEGER NOT NULL,
  PRIMARY KEY (connection_no, slot)
) STRICT, WITHOUT ROWID;

-- The fired slot that the clock met again last, after it was set back.
ALTER TABLE connection ADD COLUMN repeated_slot INTEGER;

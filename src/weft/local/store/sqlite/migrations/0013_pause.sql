-- Whether somebody paused the schedule, and when the pause ends, if it ends by itself.
ALTER TABLE connection ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connection ADD COLUMN paused_until INTEGER;

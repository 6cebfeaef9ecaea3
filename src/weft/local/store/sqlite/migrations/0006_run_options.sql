-- How a job is to run, as JSON, so that another option needs no other column. `force_full_sync` of
-- before is no longer read or written.
ALTER TABLE job ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
UPDATE job SET options = '{"force_full_sync":true}' WHERE force_full_sync;

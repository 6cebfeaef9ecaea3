-- What is deleted stays, out of sight, until it is purged, and can be brought back until
-- `restorable_until`; without such a time it never can. `any_connection` and `any_collection` have all
-- rows. The views have only what is not deleted, under the names that queries use.
ALTER TABLE connection RENAME TO any_connection;
ALTER TABLE any_connection ADD COLUMN deleted_at INTEGER;
ALTER TABLE any_connection ADD COLUMN restorable_until INTEGER;
CREATE VIEW connection AS SELECT * FROM any_connection WHERE deleted_at IS NULL;

-- The readable id of a deleted collection is free for another: it is its id meanwhile.
ALTER TABLE collection RENAME TO any_collection;
ALTER TABLE any_collection ADD COLUMN deleted_at INTEGER;
ALTER TABLE any_collection ADD COLUMN restorable_until INTEGER;
ALTER TABLE any_collection ADD COLUMN former_readable_id TEXT;
CREATE VIEW collection AS SELECT * FROM any_collection WHERE deleted_at IS NULL;

DROP INDEX connection_by_organization;
CREATE INDEX connection_by_organization ON any_connection (organization_id, deleted_at, no DESC);
DROP INDEX connection_by_collection;
CREATE INDEX connection_by_collection ON any_connection (collection_no, deleted_at, no DESC);
DROP INDEX connection_due;
CREATE INDEX connection_due ON any_connection (next_run_at)
  WHERE next_run_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX connection_deleted ON any_connection (restorable_until) WHERE deleted_at IS NOT NULL;
CREATE INDEX collection_deleted ON any_collection (restorable_until) WHERE deleted_at IS NOT NULL;

-- Bodies now go with their records. Those that waited here have none any more.
INSERT INTO entity_fts (entity_fts, rowid, title, text)
SELECT 'delete', b.no, b.title, b.text
FROM purge p CROSS JOIN entity_body b ON b.no = p.entity_no ORDER BY b.no;
DELETE FROM entity_body WHERE no IN (SELECT entity_no FROM purge);
DROP TABLE purge;

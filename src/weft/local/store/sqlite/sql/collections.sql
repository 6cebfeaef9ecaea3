-- name: collection_insert
-- Fails on the unique index when the readable id is taken.
INSERT INTO any_collection (id, organization_id, readable_id, name, created_at, modified_at)
VALUES (:id, :organization_id, :readable_id, :name, :now, :now);

-- name: collection_columns
-- The start of every query that returns collections.
SELECT
  k.no, k.id, k.organization_id, k.readable_id, k.name, k.created_at, k.modified_at,
  k.restorable_until, k.way,
  (SELECT count(*) FROM connection c WHERE c.collection_no = k.no) AS connection_count,
  (
    SELECT coalesce(sum(t.count), 0) FROM connection c
    JOIN entity_type t ON t.connection_no = c.no WHERE c.collection_no = k.no
  ) AS entity_count
FROM collection k

-- name: collection_no
-- The internal number of a collection.
SELECT no FROM collection WHERE id = :id;

-- name: collection_no_by_readable_id
-- The number of the collection that a new connection goes into.
SELECT no FROM collection
WHERE organization_id = :organization_id AND readable_id = :readable_collection_id;

-- name: collection_by_id
-- One collection, just made.
WHERE k.id = :id;

-- name: collection_find
-- By readable id, id, name, or a prefix of either id.
WHERE k.organization_id = :organization_id AND (
  k.readable_id = :text OR k.id = lower(:text) OR k.name = :text COLLATE NOCASE
  OR (
    length(:text) >= 3
    AND lower(:text) IN (substr(k.id, 1, length(:text)), substr(k.readable_id, 1, length(:text)))
  )
)
ORDER BY k.readable_id = :text DESC, k.id = lower(:text) DESC, k.name = :text COLLATE NOCASE DESC,
  k.no
LIMIT 5;

-- name: collection_list
-- One page, newest first.
WHERE k.organization_id = :organization_id AND k.no < :before
ORDER BY k.no DESC LIMIT :limit;

-- name: collection_rename
-- No row when the collection is gone.
UPDATE any_collection SET name = :name, modified_at = :now WHERE id = :id AND deleted_at IS NULL
RETURNING no;

-- name: entity_lookup
-- CROSS JOIN fixes the order: the planner would otherwise scan the table for every batch.
SELECT e.source_id, e.no, e.type, e.hash, e.version
FROM carray(:source_ids) k
CROSS JOIN entity e ON e.connection_no = :connection_no AND e.source_id = k.value;

-- name: entity_same
-- Numbers of the entities whose hash is still the stored one, and the places of their keys, each as
-- one text. A key is the hash in hexadecimal digits and the source's id. Only without a version.
SELECT group_concat(e.no), group_concat(k.rowid)
FROM carray(:keys) k
CROSS JOIN entity e ON e.connection_no = :connection_no AND e.source_id = substr(k.value, 33)
WHERE e.hash = unhex(substr(k.value, 1, 32)) AND e.version IS NULL;

-- name: entity_numbers
-- Numbers of the entities with these ids, as one text.
SELECT group_concat(e.no)
FROM carray(:source_ids) k
CROSS JOIN entity e ON e.connection_no = :connection_no AND e.source_id = k.value;

-- name: entity_versions
-- Versions of the entities with these ids that have one.
SELECT e.source_id, e.version
FROM carray(:source_ids) k
CROSS JOIN entity e ON e.connection_no = :connection_no AND e.source_id = k.value
WHERE e.version IS NOT NULL;

-- name: entity_ids
-- The source's ids of what a connection holds, in their order.
SELECT e.source_id FROM connection c JOIN entity e ON e.connection_no = c.no
WHERE c.id = :connection_id ORDER BY e.source_id LIMIT :limit;

-- name: entity_reserve
-- Takes a range of numbers, and returns its last.
UPDATE sequence SET value = value + :count WHERE name = 'entity' RETURNING value;

-- name: entity_insert
-- One slim record; batches repeat the values.
INSERT INTO entity (no, connection_no, source_id, type, hash, version, updated_at, address,
  media_type, author)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: entity_update
-- One slim record by its number.
UPDATE entity SET type = ?2, hash = ?3, version = ?4, updated_at = ?5, address = ?6, author = ?7
WHERE no = ?1;

-- name: entity_fill_authors
-- Fills the authors of a range of numbers. Most metadata name none.
UPDATE entity SET author = author_in(b.metadata) FROM entity_body b
WHERE entity.no BETWEEN ? AND ? AND b.no = entity.no AND (instr(b.metadata, '"author"') OR instr(b.metadata, '"from"'));

-- name: entity_delete
-- Slim records by their numbers.
DELETE FROM entity WHERE no IN (SELECT value FROM carray(:nos));

-- name: body_insert
-- The bulk of one entity; batches repeat the values.
INSERT INTO entity_body (no, title, text, url, updated_at, metadata, breadcrumbs, names, parts)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: body_update
-- The bulk of one entity by its number.
UPDATE entity_body SET title = ?2, text = ?3, url = ?4, updated_at = ?5, metadata = ?6,
  breadcrumbs = ?7, names = ?8, parts = ?9
WHERE no = ?1;

-- name: body_respell
-- Names and parts of a range of numbers.
UPDATE entity_body SET parts = find_parts(text),
  names = find_names(
    coalesce((SELECT e.source_id FROM entity e WHERE e.no = entity_body.no), ''), title
  )
WHERE no BETWEEN ? AND ?;

-- name: body_delete
-- Bulk by numbers; take it out of the index first.
DELETE FROM entity_body WHERE no IN (SELECT value FROM carray(:nos));

-- name: index_insert
-- From the bodies, which are there already, of a range of numbers.
INSERT INTO entity_fts (rowid, title, text, names, parts)
SELECT no, title, text, names, parts FROM entity_body WHERE no BETWEEN ? AND ?;

-- name: index_empty_words
-- A part of the index, before all of it is dropped.
DELETE FROM entity_fts_data WHERE id IN (SELECT id FROM entity_fts_data LIMIT ?) RETURNING 1;

-- name: index_empty_sizes
-- And of the lengths of texts that it keeps.
DELETE FROM entity_fts_docsize WHERE id IN (SELECT id FROM entity_fts_docsize LIMIT ?) RETURNING 1;

-- name: index_delete
-- An external-content index needs the old text to take a row out: call it before the body changes.
INSERT INTO entity_fts (entity_fts, rowid, title, text, names, parts)
SELECT 'delete', b.no, b.title, b.text, b.names, b.parts
FROM carray(:nos) k CROSS JOIN entity_body b ON b.no = k.value;

-- name: type_add
-- Adds to the count of a type.
INSERT INTO entity_type (connection_no, type, media_type, count, last_updated)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET count = count + excluded.count, last_updated = excluded.last_updated;

-- name: type_prune
-- Forgets types that have no entity left. Those of a connection that was emptied stay, to tell so.
DELETE FROM entity_type WHERE connection_no = :no AND count <= 0
  AND EXISTS (SELECT 1 FROM entity_type t WHERE t.connection_no = :no AND t.count > 0);

-- name: type_forget_emptied
-- Of another configuration nobody has said yet that there is nothing.
DELETE FROM entity_type WHERE connection_no = :no AND count <= 0;

-- name: seen_insert
-- What one batch has dealt with, or what the source said in it is gone.
INSERT INTO job_seen (job_no, listing, gone, entity_nos) VALUES (?, ?, ?, ?);

-- name: seen_of_job
-- What the job has dealt with in all its listings.
SELECT entity_nos FROM job_seen WHERE job_no = (SELECT no FROM job WHERE id = ?) AND NOT gone;

-- name: seen_of_listing
-- What the present listing of a job has named, in order.
SELECT gone, entity_nos FROM job_seen
WHERE job_no = (SELECT no FROM job WHERE id = ?) AND listing = ? ORDER BY no;

-- name: entity_unseen
-- The source's ids of what a job's connection holds besides these, in their order.
SELECT e.source_id FROM job j JOIN entity e ON e.connection_no = j.connection_no
WHERE j.id = :job_id AND e.no NOT IN (SELECT value FROM carray(:seen))
ORDER BY e.source_id LIMIT :limit;

-- name: seen_forget_gone
-- What the source said is gone, once it is deleted; after a whole listing also what it said before.
DELETE FROM job_seen WHERE job_no = :no AND gone AND (:whole OR listing = :listing);

-- name: entity_range
-- The lowest and highest number of a connection's entities.
SELECT min(no), max(no) FROM entity WHERE connection_no = (SELECT no FROM connection WHERE id = ?);

-- name: entity_doomed
-- Those of a connection that the source said are gone and, after a whole listing, those that it did
-- not name.
SELECT no FROM entity
WHERE connection_no = (SELECT no FROM connection WHERE id = :connection_id) AND (
  no IN (SELECT value FROM carray(:gone))
  OR :whole AND no NOT IN (SELECT value FROM carray(:seen))
) ORDER BY no;

-- name: entity_names
-- The source's ids of the first few of these entities, cut to a length.
SELECT substr(source_id, 1, :chars) FROM entity
WHERE no IN (SELECT value FROM carray(:nos)) ORDER BY source_id LIMIT :limit;

-- name: entity_count
-- How many entities a connection has, how many of these were there when it was last settled, and
-- the last number then.
SELECT count(e.no), count(*) FILTER (WHERE e.no <= c.settled_no), c.settled_no
FROM connection c LEFT JOIN entity e ON e.connection_no = c.no WHERE c.id = ?;

-- name: hold_numbers
-- The entities that the connection's hold is about.
SELECT numbers FROM held_deletion
WHERE connection_no = (SELECT no FROM connection WHERE id = ?);

-- name: hold_set_numbers
-- Keeps which entities a hold is about.
INSERT INTO held_deletion (connection_no, numbers) VALUES (:no, :numbers)
ON CONFLICT DO UPDATE SET numbers = excluded.numbers;

-- name: entity_types_of
-- How many of these entities have each type and media type.
SELECT type, coalesce(media_type, ''), count(*)
FROM carray(:nos) k CROSS JOIN entity e ON e.no = k.value GROUP BY 1, 2;

-- name: entity_rank
-- Entities after a number that an expression of the index fits, best first. The index would sort its
-- matches with all that they match; with the plus, only numbers are sorted, and only as many as wanted.
SELECT e.no, -f.rank
FROM entity_fts f CROSS JOIN entity e ON e.no = f.rowid
WHERE f.entity_fts MATCH :match AND f.rowid > :after
  AND e.connection_no IN (
    SELECT c.no FROM connection c
    WHERE c.organization_id = :organization_id
      AND (
        :collection_id IS NULL
        OR c.collection_no = (SELECT no FROM collection WHERE id = :collection_id)
      )
      AND (:connection_id IS NULL OR c.id = :connection_id)
  )
  AND {entity_fits}
ORDER BY +f.rank, e.no LIMIT :limit;

-- name: entity_show
-- Entities as a search shows them.
SELECT e.no, e.source_id, c.id, c.name, e.type, b.title, b.text, b.url, b.updated_at
FROM carray(:nos) k
CROSS JOIN entity e ON e.no = k.value
JOIN connection c ON c.no = e.connection_no
JOIN entity_body b ON b.no = e.no
WHERE c.organization_id = :organization_id;

-- name: index_places
-- Those of these entities that an expression fits, and where; see `match_places`.
-- FTS5's own snippet() and highlight() take time by the square of a text's matches.
SELECT f.rowid, match_places(f.entity_fts)
FROM carray(:nos) k CROSS JOIN entity_fts f ON f.rowid = k.value WHERE f.entity_fts MATCH :match;

-- name: body_last
-- The highest number of an entity, which there are about as many of.
SELECT max(no) FROM entity_body;

-- name: index_count
-- How many entities an expression of the index fits, up to a limit, and the last of these.
SELECT count(*), max(no)
FROM (SELECT rowid AS no FROM entity_fts WHERE entity_fts MATCH ? ORDER BY rowid LIMIT ?);

-- name: index_place
-- The number after which just so many entities fit an expression of the index.
SELECT rowid FROM entity_fts WHERE entity_fts MATCH ? ORDER BY rowid DESC LIMIT 1 OFFSET ?;

-- name: index_scan
-- The same, reading all that the expression fits between the first and the last of them.
SELECT rowid, match_places(entity_fts) FROM entity_fts
WHERE entity_fts MATCH :match AND rowid BETWEEN :first AND :last
  AND +rowid IN (SELECT value FROM carray(:nos));

-- name: entity_fits
-- Part of searches: whether an entity is of the wanted type, media type and time, and its id and
-- author fit.
(:entity_type IS NULL OR e.type = :entity_type OR e.media_type = :media_type)
AND (:since IS NULL OR e.updated_at >= :since) AND (:until IS NULL OR e.updated_at < :until)
AND (e.source_id GLOB :pattern OR e.source_id GLOB :file_pattern)
AND (:author IS NULL OR instr(e.author, :author))

-- name: entity_get
-- One entity with a window of its text, in characters.
SELECT e.no, e.source_id, e.type, c.id AS connection_id, c.name AS connection_name,
  k.readable_id, b.title, substr(b.text, :offset + 1, :max_chars) AS text,
  length(b.text) AS total_chars, b.url, b.updated_at, b.metadata, b.breadcrumbs
FROM entity e
JOIN connection c ON c.no = e.connection_no
JOIN collection k ON k.no = c.collection_no
JOIN entity_body b ON b.no = e.no
WHERE e.no = :no AND c.organization_id = :organization_id;

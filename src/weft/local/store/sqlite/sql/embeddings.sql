-- name: embedding_insert
-- The entities that a batch has inserted, a range of numbers, wait to be embedded.
INSERT INTO embedding (no, connection_no)
SELECT no, connection_no FROM entity WHERE no BETWEEN ? AND ?;

-- name: embedding_connections
-- Connections in which entities wait to be embedded in these ways, each with the model of its way and
-- the first ticket of those that have no vector. The index orders by tickets, as they are its rowids.
SELECT no, model_no, way, (
  SELECT s.id FROM embedding s WHERE s.connection_no = o.no AND s.model_no = 0 ORDER BY s.id LIMIT 1
) AS first
FROM (
  SELECT c.no, coalesce(w.model_no, -1) AS model_no, k.way
  FROM connection c JOIN collection k ON k.no = c.collection_no
  LEFT JOIN embedding_way w ON w.way = k.way
  WHERE k.way IN (SELECT value FROM carray(:ways))
) o
WHERE EXISTS (SELECT 1 FROM embedding s WHERE s.connection_no = o.no AND s.model_no < o.model_no)
  OR EXISTS (SELECT 1 FROM embedding s WHERE s.connection_no = o.no AND s.model_no > o.model_no)
ORDER BY first NULLS LAST;

-- name: embedding_waiting
-- Some entities of a connection that wait, those without a vector first.
SELECT * FROM (
  SELECT model_no <> 0, id, no FROM embedding
  WHERE connection_no = :connection_no AND model_no < :model_no ORDER BY model_no, id LIMIT :limit
) UNION ALL SELECT * FROM (
  SELECT model_no <> 0, id, no FROM embedding
  WHERE connection_no = :connection_no AND model_no > :model_no ORDER BY model_no, id LIMIT :limit
);

-- name: embedding_texts
-- What is embedded of these entities.
SELECT no, title, substr(text, 1, :chars) FROM entity_body
WHERE no IN (SELECT value FROM carray(:nos));

-- name: embedding_heard
-- The entities of these tickets that wait for a vector of this model.
SELECT s.id, s.no, s.connection_no
FROM carray(:tickets) t
CROSS JOIN embedding s ON s.id = t.value
CROSS JOIN any_connection c ON c.no = s.connection_no
CROSS JOIN any_collection k ON k.no = c.collection_no
CROSS JOIN embedding_way w ON w.way = k.way AND w.model_no = :model_no
WHERE s.model_no <> :model_no ORDER BY s.no;

-- name: embedding_end
-- Their waiting has ended.
DELETE FROM embedding WHERE id IN (SELECT value FROM carray(:tickets));

-- name: embedding_put
-- One entity that has a vector; batches repeat the values.
INSERT INTO embedding (no, connection_no, model_no, code)
VALUES (?, ?, ?, ?);

-- name: vector_put
-- One vector, in place of that of another model; batches repeat the values.
REPLACE INTO entity_vector (no, model_no, row)
VALUES (?, ?, ?);

-- name: embedding_model_no
-- The number of a model.
SELECT no FROM embedding_model WHERE name = :model;

-- name: embedding_model_add
-- A model that nobody knew.
INSERT INTO embedding_model (name) VALUES (:model) RETURNING no;

-- name: embedding_ways
-- The ways to embed that collections have, and their models.
SELECT DISTINCT k.way, m.name
FROM collection k
LEFT JOIN embedding_way w ON w.way = k.way
LEFT JOIN embedding_model m ON m.no = w.model_no;

-- name: embedding_way_model
-- The number of a way's model.
SELECT model_no FROM embedding_way WHERE way = :way;

-- name: embedding_way_set
-- From now on the vectors of another model are not compared, and their entities wait.
INSERT INTO embedding_way (way, model_no) VALUES (:way, :model_no)
ON CONFLICT DO UPDATE SET model_no = excluded.model_no;

-- name: embedding_count_former
-- How many entities have a vector of a way's former model.
SELECT count(*) FROM connection c JOIN collection k ON k.no = c.collection_no
JOIN embedding s ON s.connection_no = c.no AND s.model_no = :former
WHERE k.way = :way;

-- name: collection_set_way
-- How its entities are embedded from now on.
UPDATE any_collection SET way = :way WHERE id = :collection_id AND deleted_at IS NULL
RETURNING no;

-- name: embedding_scope
-- Follows queries of connections and their collections: those of a scope.
c.organization_id = :organization_id
AND (:collection_id IS NULL OR k.id = :collection_id)
AND (:connection_id IS NULL OR c.id = :connection_id)

-- name: embedding_coverage
-- For each way, how many entities have a vector, and how many there are. Few wait, mostly, so these
-- are counted.
SELECT way, model, sum(iif(model IS NULL, 0, total - waiting)) AS embedded, sum(total) AS total
FROM (
  SELECT k.way, m.name AS model,
    coalesce((SELECT sum(t.count) FROM entity_type t WHERE t.connection_no = c.no), 0) AS total,
    (SELECT count(*) FROM embedding s WHERE s.connection_no = c.no AND s.model_no < w.model_no)
    + (SELECT count(*) FROM embedding s WHERE s.connection_no = c.no AND s.model_no > w.model_no)
      AS waiting
  FROM connection c JOIN collection k ON k.no = c.collection_no
  LEFT JOIN embedding_way w ON w.way = k.way
  LEFT JOIN embedding_model m ON m.no = w.model_no
  WHERE {embedding_scope}
) GROUP BY way ORDER BY way;

-- name: embedding_connections_of_model
-- The connections of a scope whose entities are embedded by a model.
SELECT c.no FROM connection c JOIN collection k ON k.no = c.collection_no
JOIN embedding_way w ON w.way = k.way
WHERE w.model_no = :model_no AND {embedding_scope};

-- name: embedding_models_used
-- The numbers of the models that ways to embed have.
SELECT DISTINCT model_no FROM embedding_way;

-- name: embedding_last
-- The newest ticket.
SELECT coalesce(max(id), 0) FROM embedding;

-- name: embedding_count
-- How many vectors of a model there are.
SELECT count(*) FROM embedding WHERE model_no = :model_no;

-- name: embedding_codes
-- The codes of a model's vectors after a ticket, with what is filtered by.
SELECT s.id, s.no, s.connection_no, e.type, e.media_type, e.updated_at, s.code
FROM embedding s CROSS JOIN entity e ON e.no = s.no
WHERE s.id > :after AND s.model_no = :model_no AND length(s.code) = :size
ORDER BY s.id;

-- name: vector_named
-- How many ids of a connection are in a range, and the numbers of those that fit, as one text. Without
-- an author to look for, the index tells all that is needed.
SELECT count(*), group_concat(no) FILTER (
  WHERE (source_id GLOB :pattern OR source_id GLOB :file_pattern)
    AND (:author IS NULL OR instr(author, :author))
) FROM (
  SELECT no, source_id, CASE WHEN :author IS NOT NULL THEN author END AS author FROM entity
  WHERE connection_no = :connection_no AND source_id >= :low AND source_id < :high LIMIT :limit
);

-- name: vector_rows
-- The vectors of these entities. Those that another encoder of the model's name has made, with other
-- dimensions, cannot be compared.
SELECT v.no, v.row FROM carray(:nos) k
CROSS JOIN entity_vector v ON v.no = k.value AND v.model_no = :model_no
WHERE length(v.row) = :dimensions;

-- name: vector_rows_that_fit
-- The same, null for those that do not fit: most may not, so only their slim records are read.
SELECT e.no, CASE WHEN {entity_fits} THEN (
  SELECT v.row FROM entity_vector v
  WHERE v.no = e.no AND v.model_no = :model_no AND length(v.row) = :dimensions
) END
FROM carray(:nos) k CROSS JOIN entity e ON e.no = k.value;

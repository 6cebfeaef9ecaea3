-- name: report_counts
-- The numbers that `weft doctor` shows.
SELECT
  (SELECT count(*) FROM collection) AS collections,
  (SELECT count(*) FROM connection) AS connections,
  (SELECT count(*) FROM job j JOIN connection c ON c.no = j.connection_no) AS jobs,
  (SELECT count(*) FROM job WHERE status IN ('PENDING', 'RUNNING', 'CANCELLING')) AS live_jobs,
  (SELECT coalesce(sum(t.count), 0) FROM entity_type t JOIN connection c ON c.no = t.connection_no)
    AS entities,
  (SELECT count(*) FROM any_connection WHERE restorable_until > :now) AS restorable,
  (SELECT count(*) FROM entity e JOIN any_connection c ON c.no = e.connection_no
    WHERE c.deleted_at IS NOT NULL AND coalesce(c.restorable_until, 0) <= :now) AS awaiting_cleanup;

-- name: report_ways
-- For each way to embed that collections have, its model and how much it has embedded.
SELECT k.way, m.name AS model, count(DISTINCT k.no) AS collections,
  coalesce(sum(
    (SELECT count(*) FROM embedding s WHERE s.connection_no = c.no AND s.model_no = w.model_no)
  ), 0) AS embedded,
  coalesce(sum(
    (SELECT sum(t.count) FROM entity_type t WHERE t.connection_no = c.no)
  ), 0) AS total
FROM collection k LEFT JOIN connection c ON c.collection_no = k.no
LEFT JOIN embedding_way w ON w.way = k.way LEFT JOIN embedding_model m ON m.no = w.model_no
GROUP BY k.way ORDER BY k.way;

-- name: report_misfit_vectors
-- How many entities neither wait to be embedded nor have a vector, and how many are gone that do.
SELECT (
  SELECT count(*) FROM entity e WHERE NOT EXISTS (SELECT 1 FROM embedding s WHERE s.no = e.no)
) + (
  SELECT count(*) FROM embedding s LEFT JOIN entity e ON e.no = s.no
  WHERE e.connection_no IS NOT s.connection_no
) + (
  SELECT count(*) FROM embedding s LEFT JOIN entity_vector v ON v.no = s.no
  WHERE s.model_no <> coalesce(v.model_no, 0) OR (s.code IS NULL) <> (v.no IS NULL)
) + (
  SELECT count(*) FROM entity_vector v
  WHERE NOT EXISTS (SELECT 1 FROM embedding s WHERE s.no = v.no)
);

-- name: schema_columns
-- The columns of all tables; without tables of SQLite's own, and those in which FTS5 keeps its index.
SELECT m.name, p.name FROM sqlite_schema m JOIN pragma_table_info(m.name) p
WHERE m.type = 'table' AND m.name NOT GLOB 'sqlite_*' AND m.name NOT GLOB 'entity_fts_*'
ORDER BY m.name, p.name;

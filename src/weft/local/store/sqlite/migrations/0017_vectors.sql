-- A model is known by its number. Each way to embed has one at a time, and a collection has a way.
CREATE TABLE embedding_model (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE embedding_way (
  way TEXT PRIMARY KEY,
  model_no INTEGER NOT NULL REFERENCES embedding_model (no)
) STRICT;
ALTER TABLE any_collection ADD COLUMN way TEXT NOT NULL DEFAULT 'packaged';

-- Each entity has one row here. It has a vector if `model_no` is that of its collection's way, and
-- waits for one otherwise; 0 is no model. `no` is the entity, `id` its ticket, and new whenever what
-- is known of the entity is: whoever keeps codes in memory reads on after the last id. `code` has
-- the signs of the vector.
CREATE TABLE embedding (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  no INTEGER NOT NULL UNIQUE REFERENCES entity (no) ON DELETE CASCADE,
  connection_no INTEGER NOT NULL,
  model_no INTEGER NOT NULL DEFAULT 0,
  code BLOB
) STRICT;
CREATE INDEX embedding_by_model ON embedding (connection_no, model_no);

-- The vector itself: a signed byte for each dimension.
CREATE TABLE entity_vector (
  no INTEGER PRIMARY KEY REFERENCES entity (no) ON DELETE CASCADE,
  model_no INTEGER NOT NULL,
  row BLOB NOT NULL
) STRICT;

INSERT INTO embedding (no, connection_no) SELECT no, connection_no FROM entity ORDER BY no;
CREATE TRIGGER entity_waits_again AFTER UPDATE OF title, text ON entity_body
WHEN NEW.title <> OLD.title OR NEW.text <> OLD.text BEGIN
  DELETE FROM entity_vector WHERE no = NEW.no;
  REPLACE INTO embedding (no, connection_no) SELECT no, connection_no FROM entity WHERE no = NEW.no;
END;
CREATE TRIGGER entity_is_known_anew AFTER UPDATE OF type, updated_at ON entity
WHEN NEW.type <> OLD.type OR NEW.updated_at IS NOT OLD.updated_at BEGIN
  REPLACE INTO embedding (no, connection_no, model_no, code)
    SELECT no, connection_no, model_no, code FROM embedding WHERE no = NEW.no;
END;

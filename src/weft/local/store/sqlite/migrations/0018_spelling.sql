-- What texts are found by besides their words; see `weft.local.store.spelling`. `respell` fills these
-- columns and the index, a part at a time, right after this.
ALTER TABLE entity_body ADD COLUMN names TEXT NOT NULL DEFAULT '';
ALTER TABLE entity_body ADD COLUMN parts TEXT NOT NULL DEFAULT '';

DROP TABLE entity_fts;
CREATE VIRTUAL TABLE entity_fts USING fts5 (
  title, text, names, parts,
  content = 'entity_body', content_rowid = 'no',
  tokenize = "porter unicode61 remove_diacritics 2"
);
INSERT INTO entity_fts (entity_fts, rank) VALUES ('rank', 'bm25(4.0, 1.0, 4.0, 1.0)');
INSERT INTO entity_fts (entity_fts, rank) VALUES ('hashsize', 16777216);

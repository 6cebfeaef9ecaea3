-- What entities are found by who wrote them; see `weft.local.store.authors`. `fill_authors` fills it
-- right after this.
ALTER TABLE entity ADD COLUMN author TEXT;

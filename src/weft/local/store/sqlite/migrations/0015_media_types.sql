-- The media type that the ending of an entity's id stands for; counts by type are by both.
ALTER TABLE entity ADD COLUMN media_type TEXT;
WITH known (ending, media_type) AS (VALUES
  ('adoc', 'text/asciidoc'),
  ('bmp', 'image/bmp'),
  ('c', 'text/x-c'),
  ('cpp', 'text/x-c++'),
  ('css', 'text/css'),
  ('csv', 'text/csv'),
  ('doc', 'application/msword'),
  ('docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'),
  ('eml', 'message/rfc822'),
  ('epub', 'application/epub+zip'),
  ('gif', 'image/gif'),
  ('go', 'text/x-go'),
  ('gz', 'application/gzip'),
  ('h', 'text/x-c'),
  ('htm', 'text/html'),
  ('html', 'text/html'),
  ('ics', 'text/calendar'),
  ('ipynb', 'application/x-ipynb+json'),
  ('java', 'text/x-java'),
  ('jpeg', 'image/jpeg'),
  ('jpg', 'image/jpeg'),
  ('js', 'text/javascript'),
  ('json', 'application/json'),
  ('jsonl', 'application/jsonl'),
  ('log', 'text/plain'),
  ('markdown', 'text/markdown'),
  ('md', 'text/markdown'),
  ('mp3', 'audio/mpeg'),
  ('mp4', 'video/mp4'),
  ('odp', 'application/vnd.oasis.opendocument.presentation'),
  ('ods', 'application/vnd.oasis.opendocument.spreadsheet'),
  ('odt', 'application/vnd.oasis.opendocument.text'),
  ('parquet', 'application/vnd.apache.parquet'),
  ('pdf', 'application/pdf'),
  ('png', 'image/png'),
  ('ppt', 'application/vnd.ms-powerpoint'),
  ('pptx', 'application/vnd.openxmlformats-officedocument.presentationml.presentation'),
  ('py', 'text/x-python'),
  ('rs', 'text/x-rust'),
  ('rst', 'text/x-rst'),
  ('rtf', 'application/rtf'),
  ('sh', 'text/x-sh'),
  ('sql', 'application/sql'),
  ('svg', 'image/svg+xml'),
  ('toml', 'application/toml'),
  ('ts', 'text/x-typescript'),
  ('tsv', 'text/tab-separated-values'),
  ('txt', 'text/plain'),
  ('webp', 'image/webp'),
  ('xls', 'application/vnd.ms-excel'),
  ('xlsx', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'),
  ('xml', 'application/xml'),
  ('yaml', 'application/yaml'),
  ('yml', 'application/yaml'),
  ('zip', 'application/zip')
), tail AS (SELECT no, substr(source_id, -12) AS text FROM entity)
UPDATE entity SET media_type = known.media_type FROM tail, known
WHERE tail.no = entity.no AND instr(tail.text, '.')
  AND known.ending = lower(replace(tail.text, rtrim(tail.text, replace(tail.text, '.', '')), ''));
CREATE TABLE entity_type_new (
  connection_no INTEGER NOT NULL,
  type TEXT NOT NULL,
  media_type TEXT NOT NULL,
  count INTEGER NOT NULL,
  last_updated INTEGER NOT NULL,
  PRIMARY KEY (connection_no, type, media_type)
) STRICT, WITHOUT ROWID;
INSERT INTO entity_type_new (connection_no, type, media_type, count, last_updated)
SELECT e.connection_no, e.type, coalesce(e.media_type, ''), count(*), t.last_updated
FROM entity e JOIN entity_type t ON t.connection_no = e.connection_no AND t.type = e.type
GROUP BY 1, 2, 3;
DROP TABLE entity_type;
ALTER TABLE entity_type_new RENAME TO entity_type;

-- Files that came with an event. What is read without the file comes before it.
CREATE TABLE attachment(
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project(id), event_id TEXT NOT NULL, name TEXT NOT NULL,
  type TEXT NOT NULL, mime TEXT NOT NULL, sha1 TEXT NOT NULL, size INTEGER NOT NULL, ts REAL NOT NULL, data BLOB NOT NULL,
  UNIQUE(project, event_id, name, sha1));
CREATE INDEX attachment_ts ON attachment(project, ts, size);

ALTER TABLE seeding ADD COLUMN attachment INTEGER NOT NULL DEFAULT 0;

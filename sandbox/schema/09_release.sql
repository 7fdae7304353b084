ALTER TABLE release ADD COLUMN ref TEXT NOT NULL DEFAULT '';
ALTER TABLE release ADD COLUMN url TEXT NOT NULL DEFAULT '';

-- When events named the release; first and last say when anything did.
ALTER TABLE release_project ADD COLUMN first_event REAL;
ALTER TABLE release_project ADD COLUMN last_event REAL;
UPDATE release_project SET first_event = first, last_event = last;

CREATE TABLE release_commit(
  release INTEGER NOT NULL REFERENCES release(id), n INTEGER NOT NULL, id TEXT NOT NULL, message TEXT NOT NULL,
  author_name TEXT NOT NULL, author_email TEXT NOT NULL, repository TEXT NOT NULL, ts REAL NOT NULL,
  PRIMARY KEY (release, n)) WITHOUT ROWID;
CREATE TABLE deploy(
  id INTEGER PRIMARY KEY, release INTEGER NOT NULL REFERENCES release(id), environment TEXT NOT NULL, name TEXT NOT NULL,
  url TEXT NOT NULL, started REAL, finished REAL NOT NULL);
CREATE INDEX deploy_release ON deploy(release, finished);

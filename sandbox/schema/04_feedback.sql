-- What users wrote about an event.
CREATE TABLE feedback(
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project(id), event_id TEXT NOT NULL, name TEXT NOT NULL,
  email TEXT NOT NULL, comments TEXT NOT NULL, ts REAL NOT NULL, UNIQUE(project, event_id, email, comments));
CREATE INDEX feedback_ts ON feedback(project, ts);

ALTER TABLE seeding ADD COLUMN feedback INTEGER NOT NULL DEFAULT 0;

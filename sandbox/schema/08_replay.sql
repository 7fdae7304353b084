-- Recordings of replays. The replays themselves are items.
CREATE TABLE segment(
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project(id), replay_id TEXT NOT NULL, n INTEGER NOT NULL,
  ts REAL NOT NULL, size INTEGER NOT NULL, plain INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE(project, replay_id, n));
CREATE INDEX segment_ts ON segment(project, ts, size);

-- Events that name a replay. They may arrive before it.
CREATE TABLE replay_link(
  project INTEGER NOT NULL REFERENCES project(id), replay_id TEXT NOT NULL, event_id TEXT NOT NULL, level TEXT NOT NULL,
  ts REAL NOT NULL, PRIMARY KEY (project, replay_id, event_id)) WITHOUT ROWID;
CREATE INDEX replay_link_ts ON replay_link(project, ts);

ALTER TABLE seeding ADD COLUMN segment INTEGER NOT NULL DEFAULT 0;

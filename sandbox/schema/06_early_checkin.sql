-- Ends of runs whose beginning, which brings the monitor, is still on its way.
CREATE TABLE early_checkin(
  id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES project(id), slug TEXT NOT NULL, guid TEXT NOT NULL,
  body TEXT NOT NULL, ts REAL NOT NULL, UNIQUE(project, slug, guid));

-- What people set up and the sandbox only keeps: uptime monitors, alert rules, dashboards.
CREATE TABLE setting(
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, org INTEGER NOT NULL REFERENCES org(id), name TEXT NOT NULL, body TEXT NOT NULL,
  author INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL, updated REAL NOT NULL);
CREATE INDEX setting_kind ON setting(org, kind, name);
-- A setting without projects is of the whole organization.
CREATE TABLE setting_project(
  setting INTEGER NOT NULL REFERENCES setting(id) ON DELETE CASCADE, project INTEGER NOT NULL REFERENCES project(id),
  PRIMARY KEY (setting, project)) WITHOUT ROWID;
CREATE INDEX setting_project_project ON setting_project(project);

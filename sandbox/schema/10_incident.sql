ALTER TABLE monitor ADD COLUMN status TEXT NOT NULL DEFAULT 'active';
ALTER TABLE monitor ADD COLUMN muted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE monitor ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE monitor ADD COLUMN upserted INTEGER NOT NULL DEFAULT 1; -- made by a check-in; otherwise it stays without any
ALTER TABLE monitor ADD COLUMN since REAL NOT NULL DEFAULT 0; -- runs that were due before are not asked for

-- Where a monitor's job runs, and when its next run is late.
CREATE TABLE monitor_env(
  monitor INTEGER NOT NULL REFERENCES monitor(id) ON DELETE CASCADE, env TEXT NOT NULL, created REAL NOT NULL,
  muted INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL, PRIMARY KEY (monitor, env)) WITHOUT ROWID;
CREATE INDEX monitor_env_due ON monitor_env(due);
INSERT INTO monitor_env(monitor, env, created, due) SELECT monitor, env, min(started), 0 FROM checkin GROUP BY monitor, env;

-- From the run that failed once too often to the run that was well again.
CREATE TABLE incident(
  id INTEGER PRIMARY KEY, monitor INTEGER NOT NULL REFERENCES monitor(id) ON DELETE CASCADE, env TEXT NOT NULL,
  issue INTEGER NOT NULL DEFAULT 0, started REAL NOT NULL, resolved REAL);
CREATE INDEX incident_monitor ON incident(monitor, env, started);

ALTER TABLE checkin ADD COLUMN expected REAL;
ALTER TABLE checkin ADD COLUMN issue INTEGER NOT NULL DEFAULT 0; -- that it is an event of
-- What is asked for with every run, whatever there was before it.
CREATE INDEX checkin_updated ON checkin(monitor, env, updated);
CREATE INDEX checkin_running ON checkin(monitor, env, updated) WHERE status = 'in_progress';
CREATE INDEX checkin_heard ON checkin(monitor, env, started) WHERE status <> 'missed';
CREATE INDEX checkin_well ON checkin(monitor, env, started) WHERE status = 'ok';

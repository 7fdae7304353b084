-- What is late is looked for in one organization.
ALTER TABLE monitor_env ADD COLUMN org INTEGER NOT NULL DEFAULT 0;
UPDATE monitor_env SET org = (SELECT p.org FROM monitor m JOIN project p ON p.id = m.project WHERE m.id = monitor_env.monitor);
DROP INDEX monitor_env_due;
CREATE INDEX monitor_env_due ON monitor_env(org, due);

CREATE TABLE team(
  id INTEGER PRIMARY KEY, org INTEGER NOT NULL REFERENCES org(id), slug TEXT NOT NULL, name TEXT NOT NULL, created REAL NOT NULL);
CREATE UNIQUE INDEX team_slug ON team(org, slug COLLATE NOCASE);

CREATE TABLE team_member(
  team INTEGER NOT NULL REFERENCES team(id), user INTEGER NOT NULL REFERENCES user(id), PRIMARY KEY (team, user)) WITHOUT ROWID;
CREATE INDEX team_member_user ON team_member(user);

CREATE TABLE project_team(
  project INTEGER NOT NULL REFERENCES project(id), team INTEGER NOT NULL REFERENCES team(id), PRIMARY KEY (project, team)) WITHOUT ROWID;
CREATE INDEX project_team_team ON project_team(team);

CREATE INDEX member_user ON member(user);

-- Who may see which project. A guest sees those of the guest's teams, every other member all of the organization's.
CREATE VIEW access(user, org, project) AS
  SELECT m.user, m.org, p.id FROM member m JOIN project p ON p.org = m.org
  WHERE m.role <> 'guest' OR p.id IN (SELECT pt.project FROM team_member tm JOIN project_team pt ON pt.team = tm.team WHERE tm.user = m.user);

-- One row once the seed is told: when, and the newest rows that it left.
CREATE TABLE seeding(at REAL NOT NULL, item INTEGER NOT NULL, activity INTEGER NOT NULL);

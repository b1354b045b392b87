BEGIN TRANSACTION;
CREATE TABLE artefacts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job INTEGER NOT NULL REFERENCES jobs (id),
        output TEXT NOT NULL,
        node TEXT NOT NULL,
        place INTEGER NOT NULL,
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        media TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        created REAL NOT NULL
    );
INSERT INTO "artefacts" VALUES(1,2,'image','a',0,'image.png','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','image/png',5,64,32,1.79531988508957147596e+09);
CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        state TEXT NOT NULL,
        priority INTEGER NOT NULL,
        position REAL NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0,
        lease TEXT,
        sweep TEXT NOT NULL DEFAULT '',
        title TEXT NOT NULL,
        digest TEXT NOT NULL,
        inputs TEXT NOT NULL,
        targets TEXT,
        created REAL NOT NULL,
        started REAL,
        finished REAL,
        steps INTEGER NOT NULL DEFAULT 0,
        finished_steps INTEGER NOT NULL DEFAULT 0,
        cached_steps INTEGER NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '',
        run TEXT NOT NULL DEFAULT '',
        recipe BLOB NOT NULL REFERENCES recipes (digest),
        nodes BLOB
    );
INSERT INTO "jobs" VALUES(1,'running',0,1.0,1,'second','sweep','Old','0000000000000000000000000000000000000000000000000000000000000000','{"seed":1}',NULL,1.79531988507482171053e+09,1.79531988509409022331e+09,NULL,0,0,0,'','',X'8038B47341F1028AEF54A54DD73B1B0FDDF052819F6D3DB96184D984E7C2A01D',NULL);
INSERT INTO "jobs" VALUES(2,'completed',3,1.0,1,NULL,'sweep','Old','1111111111111111111111111111111111111111111111111111111111111111','{"seed":2}','["image"]',1.79531988507482171053e+09,1.79531988507883048062e+09,1.79531988508957147596e+09,2,2,0,'','rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr',X'8038B47341F1028AEF54A54DD73B1B0FDDF052819F6D3DB96184D984E7C2A01D',X'7801AB564A54B2AA562A2E492C4955B2524AC9CF4B55AAAD0500510F0759');
CREATE TABLE recipes (digest BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO "recipes" VALUES(X'8038B47341F1028AEF54A54DD73B1B0FDDF052819F6D3DB96184D984E7C2A01D',X'789CAB564ACB2FCA4D2C51B252CACB4F494DCBC92FD73754D201738A95ACAA6B6B01CD540BBD');
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "settings" VALUES('paused','1');
CREATE INDEX jobs_queue ON jobs (state, priority DESC, position, id);
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_recipe ON jobs (recipe);
CREATE INDEX artefacts_job ON artefacts (job, id);
CREATE INDEX artefacts_digest ON artefacts (digest);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('jobs',2);
INSERT INTO "sqlite_sequence" VALUES('artefacts',1);
COMMIT;
PRAGMA user_version=1;

-- What is kept of passwords for SCRAM beside `account.verifier`, always of the same password.
CREATE TABLE scram (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    hash TEXT NOT NULL,
    iterations INTEGER NOT NULL,
    salt BLOB NOT NULL,
    stored_key BLOB NOT NULL,
    server_key BLOB NOT NULL,
    PRIMARY KEY (account, hash)
) WITHOUT ROWID;

-- Random octets that are made once and kept as long as the database.
CREATE TABLE secret (name TEXT PRIMARY KEY, octets BLOB NOT NULL) WITHOUT ROWID;

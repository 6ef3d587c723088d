-- When the account was made; zero if that was before this column.
ALTER TABLE account ADD COLUMN created INTEGER NOT NULL DEFAULT 0;

-- Who was asked to come again. The count is kept by triggers.
CREATE TABLE greylist (
    network TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    first INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (network, sender, recipient)
) WITHOUT ROWID;
CREATE INDEX greylist_expires ON greylist (expires);
INSERT INTO counter VALUES ('greylist', 0);
CREATE TRIGGER greylist_added AFTER INSERT ON greylist BEGIN
    UPDATE counter SET value = value + 1 WHERE name = 'greylist';
END;
CREATE TRIGGER greylist_gone AFTER DELETE ON greylist BEGIN
    UPDATE counter SET value = value - 1 WHERE name = 'greylist';
END;

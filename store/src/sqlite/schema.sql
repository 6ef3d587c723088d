-- Numbers given last; none is ever given twice, whatever is deleted and whatever the clock says.
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES ('account', 0), ('mailbox', 0), ('uid_validity', 0), ('queue', 0);

CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    verifier TEXT NOT NULL
);

-- The octets of messages, each once however many have it. `refs` is kept by triggers; a body
-- without any is deleted before the commit, its file after it. What is large is a file. The
-- octets have a table of their own, since a change of `refs` writes the whole row anew.
CREATE TABLE body (
    id INTEGER PRIMARY KEY,
    refs INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL,
    eight_bit INTEGER NOT NULL,
    head BLOB NOT NULL,
    file TEXT
);
CREATE INDEX body_loose ON body (id) WHERE refs = 0;
CREATE UNIQUE INDEX body_file ON body (file) WHERE file IS NOT NULL;
CREATE TABLE octets (body INTEGER PRIMARY KEY REFERENCES body ON DELETE CASCADE, octets BLOB NOT NULL);

-- `recent_from`: UIDs from here on have been shown to no session as \Recent. `forgotten`: the
-- highest modseq of a tombstone that was dropped. The counts are kept by triggers.
CREATE TABLE mailbox (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    id INTEGER NOT NULL UNIQUE,
    name TEXT NOT NULL,
    special_use TEXT,
    uid_validity INTEGER NOT NULL,
    uid_next INTEGER NOT NULL DEFAULT 1,
    modseq INTEGER NOT NULL DEFAULT 1,
    recent_from INTEGER NOT NULL DEFAULT 1,
    forgotten INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    unseen INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, id),
    UNIQUE (account, name)
) WITHOUT ROWID;

CREATE TABLE keyword (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (account, mailbox, position),
    FOREIGN KEY (account, mailbox) REFERENCES mailbox (account, id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE subscription (
    account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (account, name)
) WITHOUT ROWID;

-- `body` is no foreign key: each deletion of a body would look for children in all messages.
CREATE TABLE message (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    size INTEGER NOT NULL,
    internal_date INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    body INTEGER NOT NULL,
    prefix BLOB NOT NULL,
    PRIMARY KEY (account, mailbox, uid),
    FOREIGN KEY (account, mailbox) REFERENCES mailbox (account, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX message_modseq ON message (account, mailbox, modseq);
CREATE INDEX message_unseen ON message (account, mailbox, uid) WHERE (flags & 8) = 0;
CREATE INDEX message_deleted ON message (account, mailbox, uid) WHERE (flags & 4) <> 0;

CREATE TABLE digest (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    octets BLOB NOT NULL,
    PRIMARY KEY (account, mailbox, uid),
    FOREIGN KEY (account, mailbox, uid) REFERENCES message (account, mailbox, uid) ON DELETE CASCADE
);

-- What was expunged, for QRESYNC.
CREATE TABLE tombstone (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    PRIMARY KEY (account, mailbox, modseq, uid),
    FOREIGN KEY (account, mailbox) REFERENCES mailbox (account, id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE queued (
    id INTEGER PRIMARY KEY,
    sender TEXT NOT NULL,
    body INTEGER NOT NULL,
    queued INTEGER NOT NULL
);

-- While `lease` is not null the recipient is out, until then at most.
CREATE TABLE recipient (
    message INTEGER NOT NULL REFERENCES queued ON DELETE CASCADE,
    n INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    domain TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL,
    lease INTEGER,
    last_error TEXT,
    PRIMARY KEY (message, n),
    UNIQUE (message, recipient)
) WITHOUT ROWID;
CREATE INDEX recipient_due ON recipient (coalesce(lease, next));

CREATE TRIGGER message_added AFTER INSERT ON message BEGIN
    UPDATE body SET refs = refs + 1 WHERE id = NEW.body;
    UPDATE mailbox SET
        messages = messages + 1,
        unseen = unseen + ((NEW.flags & 8) = 0),
        deleted = deleted + ((NEW.flags & 4) <> 0),
        size = size + NEW.size
    WHERE account = NEW.account AND id = NEW.mailbox;
END;
CREATE TRIGGER message_flagged AFTER UPDATE OF flags ON message BEGIN
    UPDATE mailbox SET
        unseen = unseen + ((NEW.flags & 8) = 0) - ((OLD.flags & 8) = 0),
        deleted = deleted + ((NEW.flags & 4) <> 0) - ((OLD.flags & 4) <> 0)
    WHERE account = NEW.account AND id = NEW.mailbox AND (NEW.flags & 12) <> (OLD.flags & 12);
END;
CREATE TRIGGER message_gone AFTER DELETE ON message BEGIN
    UPDATE body SET refs = refs - 1 WHERE id = OLD.body;
    UPDATE mailbox SET
        messages = messages - 1,
        unseen = unseen - ((OLD.flags & 8) = 0),
        deleted = deleted - ((OLD.flags & 4) <> 0),
        size = size - OLD.size
    WHERE account = OLD.account AND id = OLD.mailbox;
END;
CREATE TRIGGER queued_added AFTER INSERT ON queued BEGIN
    UPDATE body SET refs = refs + 1 WHERE id = NEW.body;
END;
CREATE TRIGGER queued_gone AFTER DELETE ON queued BEGIN
    UPDATE body SET refs = refs - 1 WHERE id = OLD.body;
END;

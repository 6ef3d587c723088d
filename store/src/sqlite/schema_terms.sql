-- What senders asked, as `postkern_server::queue::Terms` and `RecipientTerms` write it.
ALTER TABLE queued ADD COLUMN terms TEXT NOT NULL DEFAULT '';

-- `account`: 0 for a recipient elsewhere, else the account here that gets the message when its
-- hold is over. `told`: which reports of delay were sent. `leads`: the first of the recipients
-- that are out together, while they are.
CREATE TABLE waiting (
    message INTEGER NOT NULL REFERENCES queued ON DELETE CASCADE,
    n INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    account INTEGER NOT NULL DEFAULT 0,
    domain TEXT NOT NULL,
    terms TEXT NOT NULL DEFAULT '',
    priority INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL,
    lease INTEGER,
    leads INTEGER NOT NULL DEFAULT 0,
    told INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    PRIMARY KEY (message, n),
    UNIQUE (message, recipient, account)
) WITHOUT ROWID;
INSERT INTO waiting (message, n, recipient, domain, attempts, next, lease, last_error)
    SELECT message, n, recipient, domain, attempts, next, lease, last_error FROM recipient;
DROP TABLE recipient;
ALTER TABLE waiting RENAME TO recipient;
CREATE INDEX recipient_due ON recipient (priority, coalesce(lease, next), message, domain, attempts, account);
CREATE INDEX recipient_out ON recipient (domain) WHERE leads = 1;

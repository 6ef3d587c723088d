//! The database's tables, and how an older database becomes one of today.

use rusqlite::{Connection, TransactionBehavior};

use super::fault::OpenError;

/// What makes each version out of the one before; `PRAGMA user_version` says how many were
/// run. A step that has been released is never changed.
const MIGRATIONS: [&str; 4] = [
    include_str!("schema.sql"),
    include_str!("policy.sql"),
    include_str!("schema_terms.sql"),
    include_str!("scram.sql"),
];

/// Brings the database up to date.
///
/// # Errors
/// The database was written by a newer version, or cannot be changed.
pub(super) fn migrate(db: &mut Connection) -> Result<(), OpenError> {
    // A writer's lock first: another process may be at it.
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    if found != known {
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use postkern::sasl::Hash;
    use postkern_server::account;
    use postkern_server::job::{Backend, Done, Job, QueueId, Secret};
    use postkern_server::queue::{RecipientTerms, Terms};

    use super::*;
    use crate::sqlite::{Folder, Sqlite, pool, queue};

    #[test]
    fn a_queue_of_the_first_version_is_kept() {
        let root = tempfile::TempDir::new().unwrap();
        let path = root.path().join("postkern.db");
        let mut db = pool::connect(&path, true).unwrap();
        db.execute_batch(MIGRATIONS[0]).unwrap();
        db.execute_batch(
            "INSERT INTO body (id, size, eight_bit, head) VALUES (7, 1, 0, 'x');
             INSERT INTO queued VALUES (3, 'a@a.test', 7, 1000);
             INSERT INTO recipient VALUES (3, 0, 'b@b.test', 'b.test', 2, 2000, 3000, 'busy');
             INSERT INTO recipient VALUES (3, 1, 'c@c.test', 'c.test', 0, 1000, NULL, NULL);
             PRAGMA user_version = 1;",
        )
        .unwrap();
        migrate(&mut db).unwrap();
        let entries = queue::entries(&db).unwrap();
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| {
                (entry.id, entry.recipient.as_str(), entry.attempts, entry.next.0, entry.last_error.as_deref())
            })
            .collect();
        assert_eq!(shown, [(QueueId(3), "b@b.test", 2, 2000, Some("busy")), (QueueId(3), "c@c.test", 0, 1000, None)]);
        assert_eq!((&entries[0].terms, &entries[0].recipient_terms), (&Terms::default(), &RecipientTerms::default()));
        // Deleting the message deletes its recipients still, and lets its body go.
        db.execute("DELETE FROM queued", []).unwrap();
        let count = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM recipient"), 0);
        assert_eq!(count("SELECT refs FROM body"), 0);
        assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    }

    /// A database that is older than SCRAM: its accounts log in as before, and get what SCRAM
    /// needs when their password is seen.
    #[test]
    fn accounts_of_the_first_version_go_on() {
        let root = tempfile::TempDir::new().unwrap();
        {
            let folder = Folder::open(root.path(), false).unwrap();
            let db = pool::connect(&folder.database(), true).unwrap();
            db.execute_batch(MIGRATIONS[0]).unwrap();
            db.pragma_update(None, "user_version", 1).unwrap();
            let verifier = account::hash(b"secret", [1; 16]);
            db.execute("INSERT INTO account VALUES (1, 'bob@a.test', ?1)", [verifier]).unwrap();
        }
        let found = |store: &Sqlite| match store.run(Job::ScramKeys { login: "bob@a.test".into(), hash: Hash::Sha256 })
        {
            Done::ScramKeys(found) => (found.account.is_some(), found.keys.salt().to_vec()),
            other => panic!("{other:?}"),
        };
        let store = Sqlite::open(root.path()).unwrap();
        let (known, decoy) = found(&store);
        assert!(!known);
        drop(store);
        // The secret of decoys outlives the process.
        let store = Sqlite::open(root.path()).unwrap();
        assert_eq!(found(&store), (false, decoy));
        let password = Secret(b"secret".to_vec());
        let done = store.run(Job::Authenticate { login: "bob@a.test".into(), password, scram: vec![Hash::Sha256] });
        assert!(matches!(done, Done::Authenticated(Some(_))), "{done:?}");
        assert!(found(&store).0);
    }
}

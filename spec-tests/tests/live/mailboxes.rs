//! Sessions on one mailbox see what the others do, when they may be told.

use crate::harness::{ALICE, BOB, Imap, Pop3, Server, Smtp, on_both, session, text};

fn deliver(server: &Server, count: usize) {
    let mut smtp = Smtp::login(server, ALICE);
    for number in 1..=count {
        assert_eq!(smtp.send(ALICE, &[BOB], &text(&format!("number {number}"), "body")).code, 250);
    }
}

#[test]
fn two_sessions_tell_each_other_by_noop() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        deliver(&server, 3);
        let (mut one, mut other) = (Imap::inbox(&server, BOB), Imap::inbox(&server, BOB));
        deliver(&server, 1);
        for imap in [&mut one, &mut other] {
            assert!(imap.expect("NOOP").contains(&"4 EXISTS".into()));
        }
        one.expect("STORE 2 +FLAGS (\\Flagged $Label)");
        let news = other.expect("NOOP").join("\n");
        assert!(news.contains("2 FETCH (") && news.contains("\\Flagged") && news.contains("$Label"), "{news}");
        one.expect("STORE 1,3 +FLAGS.SILENT (\\Deleted)");
        // RFC 3501 section 7.4.1: numbers shift with each EXPUNGE.
        let gone: Vec<String> = one.expect("EXPUNGE").into_iter().filter(|line| line.ends_with("EXPUNGE")).collect();
        assert!(gone == ["1 EXPUNGE", "2 EXPUNGE"] || gone == ["3 EXPUNGE", "1 EXPUNGE"], "{gone:?}");
        let told: Vec<String> = other.expect("NOOP").into_iter().filter(|line| line.ends_with("EXPUNGE")).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        for imap in [&mut one, &mut other] {
            assert_eq!(imap.expect("UID SEARCH ALL"), ["SEARCH 2 4"]);
        }
    });
}

/// RFC 3501 section 7.4.1: not while FETCH, STORE or SEARCH goes by numbers.
#[test]
fn numbers_hold_while_another_session_expunges() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        deliver(&server, 5);
        let (mut one, mut other) = (Imap::inbox(&server, BOB), Imap::inbox(&server, BOB));
        one.expect("STORE 1:2 +FLAGS (\\Deleted)");
        one.expect("EXPUNGE");
        for command in ["FETCH 5 (UID BODY.PEEK[])", "FETCH 3:* UID", "STORE 4 +FLAGS (\\Seen)", "SEARCH ALL"] {
            let answer = other.ask(command);
            assert!(!answer.untagged.iter().any(|line| line.ends_with("EXPUNGE")), "{command}: {answer:?}");
            assert!(!answer.tagged.starts_with("BAD"), "{command}: {answer:?}");
        }
        let fetched = other.expect("FETCH 5 (UID)");
        assert!(fetched.iter().any(|line| line.contains("5 FETCH") && line.contains("UID 5")), "{fetched:?}");
        // One that is gone is no crash and no other message (RFC 2180 section 4.1).
        let gone = other.ask("FETCH 1 (UID BODY.PEEK[])");
        assert!(!gone.untagged.iter().any(|line| line.contains("number 3")), "{gone:?}");
        let told = other.expect("NOOP");
        assert_eq!(told.iter().filter(|line| line.ends_with("EXPUNGE")).count(), 2, "{told:?}");
        assert_eq!(other.expect("UID SEARCH ALL"), ["SEARCH 3 4 5"]);
    });
}

#[test]
fn fetching_a_large_mailbox_while_it_is_expunged_stays_whole() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut smtp = Smtp::login(&server, ALICE);
        let body = "0123456789abcdef\r\n".repeat(2_000);
        for number in 1..=100 {
            assert_eq!(smtp.send(ALICE, &[BOB], &text(&format!("number {number}"), &body)).code, 250);
        }
        let (mut reader, mut remover) = (Imap::inbox(&server, BOB), Imap::inbox(&server, BOB));
        let tag = reader.begin("UID FETCH 1:* (UID RFC822.SIZE BODY.PEEK[])");
        remover.expect("UID STORE 50:100 +FLAGS.SILENT (\\Deleted)");
        remover.expect("EXPUNGE");
        let answer = reader.answer(&tag);
        assert!(!answer.tagged.starts_with("BAD"), "{}", answer.tagged);
        let fetched: Vec<&String> = answer.untagged.iter().filter(|line| line.contains(" FETCH (")).collect();
        assert!(fetched.len() >= 49, "{} were fetched", fetched.len());
        let whole = fetched.iter().filter(|line| line.contains(&body)).count();
        let with_body = fetched.iter().filter(|line| line.contains("BODY[] {")).count();
        assert_eq!(whole, with_body, "a literal was cut short");
        reader.expect("NOOP");
        assert_eq!(reader.expect("STATUS INBOX (MESSAGES)"), ["STATUS INBOX (MESSAGES 49)"]);
        assert_eq!(reader.expect("UID SEARCH UID 50:*").join(""), "SEARCH 49");
    });
}

#[test]
fn pop3_and_imap_share_a_mailbox() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        deliver(&server, 3);
        let mut imap = Imap::inbox(&server, BOB);
        let mut pop = Pop3::login(&server, BOB);
        let unique = pop.list("UIDL");
        // RFC 1939 section 4: one session has the maildrop.
        let mut second = Pop3::secure(&server);
        second.expect(&format!("USER {BOB}"));
        second.refused(&format!("PASS {}", crate::harness::PASSWORD));
        imap.expect("STORE 2 +FLAGS (\\Deleted)");
        imap.expect("EXPUNGE");
        deliver(&server, 1);
        // The maildrop is as it was, though a message may be gone.
        assert_eq!(pop.list("UIDL").len(), 3);
        pop.retr(1);
        let gone = pop.ask("RETR 2");
        assert!(gone.starts_with("-ERR"), "{gone}");
        pop.expect("DELE 1");
        pop.expect("QUIT");
        let news = imap.expect("NOOP");
        assert!(news.contains(&"1 EXPUNGE".into()), "{news:?}");
        let mut pop = Pop3::login(&server, BOB);
        let now = pop.list("UIDL");
        assert_eq!(now.len(), 2, "{now:?}");
        let id = |line: &str| line.split_once(' ').expect("a number and an id").1.to_owned();
        assert_eq!(id(&now[0]), id(&unique[2]), "unique-ids last over sessions and deletions");
        assert!(!unique.iter().any(|line| id(line) == id(&now[1])), "and are never used again");
    });
}

/// RFC 1939 section 6: without QUIT nothing is deleted, and RSET takes DELE back.
#[test]
fn pop3_deletes_at_quit_alone() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        deliver(&server, 2);
        let mut pop = Pop3::login(&server, BOB);
        pop.expect("DELE 1");
        pop.refused("RETR 1");
        assert_eq!(pop.list("LIST").len(), 1);
        pop.expect("RSET");
        assert_eq!(pop.list("LIST").len(), 2);
        pop.expect("DELE 2");
        drop(pop);
        let mut pop = crate::harness::eventually("the maildrop's release", || {
            let mut pop = Pop3::secure(&server);
            pop.expect(&format!("USER {BOB}"));
            pop.ask(&format!("PASS {}", crate::harness::PASSWORD)).starts_with("+OK").then_some(pop)
        });
        assert_eq!(pop.list("LIST").len(), 2);
        pop.expect("DELE 2");
        pop.expect("QUIT");
        assert_eq!(Pop3::login(&server, BOB).list("LIST").len(), 1);
    });
}

/// RFC 4315, RFC 6851, RFC 3501 section 6.4.7: flags, keywords, dates and octets go along.
#[test]
fn copied_and_moved_messages_keep_what_they_have() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut imap = Imap::login(&server, BOB);
        let refused = imap.ask("APPEND nowhere {1+}\r\nx");
        assert!(refused.tagged.starts_with("NO [TRYCREATE]"), "{refused:?}");
        imap.expect("CREATE \"to & fro\"".replace('&', "&-").as_str());
        let date = "\"01-Feb-2003 04:05:06 +0700\"";
        let message = "Subject: x\r\n\r\nno line end";
        let answer =
            imap.ask(&format!("APPEND INBOX (\\Answered $Keyword) {date} {{{}+}}\r\n{message}", message.len()));
        assert!(answer.tagged.starts_with("OK [APPENDUID "), "{answer:?}");
        imap.expect("SELECT INBOX");
        let kept = |imap: &mut Imap| {
            let line = imap.expect("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])").join("\n");
            for part in [
                "\\Answered",
                "$Keyword",
                "\"01-Feb-2003 04:05:06 +0700\"",
                &format!("{{{}}}\r\n{message}", message.len()),
            ] {
                assert!(
                    line.contains(part) || part.starts_with('"') && line.contains("31-Jan-2003 21:05:06 +0000"),
                    "no {part} in {line}"
                );
            }
        };
        kept(&mut imap);
        let copied = imap.ask("COPY 1 \"to &- fro\"");
        assert!(copied.tagged.starts_with("OK [COPYUID "), "{copied:?}");
        let moved = imap.ask("MOVE 1 \"to &- fro\"");
        assert!(moved.tagged.starts_with("OK"), "{moved:?}");
        let place = |what: &str| moved.untagged.iter().position(|line| line.contains(what));
        assert!(
            place("[COPYUID ").is_some() && place("[COPYUID ") < place("1 EXPUNGE"),
            "RFC 6851 section 4.3: {moved:?}"
        );
        assert!(imap.ask("COPY 1:* nowhere").tagged.starts_with(['N', 'B', 'O']));
        imap.expect("SELECT \"to &- fro\"");
        kept(&mut imap);
        assert_eq!(imap.expect("SEARCH KEYWORD $Keyword"), ["SEARCH 1 2"]);
        // Names are not used again: a mailbox of the same name is another.
        let before = imap.expect("STATUS \"to &- fro\" (UIDVALIDITY)");
        imap.expect("UNSELECT");
        imap.expect("DELETE \"to &- fro\"");
        imap.expect("CREATE \"to &- fro\"");
        assert_ne!(imap.expect("STATUS \"to &- fro\" (UIDVALIDITY)"), before);
    });
}

/// The foreign client's own walk through its commands.
#[test]
fn the_imap_crate_finds_its_way() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        deliver(&server, 3);
        let mut session = session(&server, BOB);
        let capabilities = session.capabilities().expect("CAPABILITY");
        for capability in ["IMAP4rev1", "IDLE", "UIDPLUS", "MOVE", "NAMESPACE", "UNSELECT", "LITERAL+"] {
            assert!(capabilities.has_str(capability), "{capability}");
        }
        drop(capabilities);
        session.create("archive/2026").expect("CREATE");
        session.subscribe("archive/2026").expect("SUBSCRIBE");
        let names: Vec<String> =
            session.list(Some(""), Some("*")).expect("LIST").iter().map(|name| name.name().to_owned()).collect();
        assert!(names.contains(&"INBOX".into()) && names.contains(&"archive/2026".into()), "{names:?}");
        let subscribed = session.lsub(Some(""), Some("*")).expect("LSUB");
        assert!(subscribed.iter().any(|name| name.name() == "archive/2026"), "{subscribed:?}");
        drop(subscribed);
        let inbox = session.select("INBOX").expect("SELECT");
        assert_eq!((inbox.exists, inbox.uid_next), (3, Some(4)));
        assert!(inbox.uid_validity.is_some());
        session.store("1", "+FLAGS (\\Seen)").expect("STORE");
        assert_eq!(session.search("UNSEEN").expect("SEARCH").len(), 2);
        session.copy("1", "archive/2026").expect("COPY");
        session.mv("2", "archive/2026").expect("MOVE");
        session.uid_store("3", "+FLAGS (\\Deleted)").expect("UID STORE");
        session.uid_expunge("3").expect("UID EXPUNGE");
        assert_eq!(session.status("archive/2026", "(MESSAGES)").expect("STATUS").exists, 2);
        session.rename("archive/2026", "archive/old").expect("RENAME");
        session.examine("archive/old").expect("EXAMINE");
        let fetched = session.fetch("1:*", "(ENVELOPE BODYSTRUCTURE INTERNALDATE FLAGS)").expect("FETCH");
        assert_eq!(fetched.len(), 2);
        for one in fetched.iter() {
            let subject = one.envelope().and_then(|envelope| envelope.subject.as_deref()).expect("a subject");
            assert!(subject.starts_with(b"number "), "{subject:?}");
            assert!(one.bodystructure().is_some() && one.internal_date().is_some());
        }
        session.delete("archive/old").expect("DELETE");
        session.logout().expect("LOGOUT");
    });
}

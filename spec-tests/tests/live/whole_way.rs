//! A message, the whole way: submitted by one foreign program, fetched by others, the same to
//! the last octet.

use lettre::transport::smtp::authentication::Mechanism;
use postkern_server::config::Listener;

use crate::harness::{
    ALICE, BOB, PASSWORD, Pop3, Server, Smtp, arrived, mailer, on_both, same, samples, session, submit, text,
};

/// Ways in: every listener with every mechanism.
const WAYS: [(Listener, Mechanism); 4] = [
    (Listener::Submission, Mechanism::Plain),
    (Listener::Submission, Mechanism::Login),
    (Listener::Submissions, Mechanism::Plain),
    (Listener::Submissions, Mechanism::Login),
];

#[test]
fn what_is_submitted_is_fetched_octet_for_octet() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let samples = samples();
        for (sample, (listener, mechanism)) in samples.iter().zip(WAYS.iter().cycle()) {
            let mailer = mailer(&server, *listener, ALICE, PASSWORD, *mechanism);
            submit(&mailer, ALICE, &[BOB], &sample.octets).unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        }
        let fetched = Pop3::login(&server, BOB).all();
        assert_eq!(fetched.len(), samples.len());
        for (sample, got) in samples.iter().zip(&fetched) {
            arrived(&format!("{} by POP3", sample.name), got, &sample.in_lines());
        }
        let mut session = session(&server, BOB);
        assert_eq!(session.select("INBOX").expect("SELECT").exists as usize, samples.len());
        for (number, sample) in (1..).zip(&samples) {
            let what = format!("{} by IMAP", sample.name);
            let fetched = session.fetch(format!("{number}"), "(UID RFC822.SIZE BODY[])").expect("FETCH");
            let one = fetched.iter().next().expect("a message");
            let got = one.body().expect("BODY[]");
            arrived(&what, got, &sample.in_lines());
            assert_eq!(one.size.map(|size| size as usize), Some(got.len()), "{what}: RFC822.SIZE");
        }
        session.logout().expect("LOGOUT");
    });
}

/// RFC 3501 section 6.3.11: no trace lines, no line end that was not there.
#[test]
fn what_is_appended_is_fetched_octet_for_octet() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let samples = samples();
        let mut session = session(&server, ALICE);
        for sample in &samples {
            session.append("INBOX", &sample.octets).finish().unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        }
        session.select("INBOX").expect("SELECT");
        for (number, sample) in (1..).zip(&samples) {
            let fetched = session.fetch(format!("{number}"), "(RFC822.SIZE BODY.PEEK[])").expect("FETCH");
            let one = fetched.iter().next().expect("a message");
            same(sample.name, one.body().expect("BODY[]"), &sample.octets);
            assert_eq!(one.size.map(|size| size as usize), Some(sample.octets.len()), "{}: RFC822.SIZE", sample.name);
        }
        session.logout().expect("LOGOUT");
        // POP3 knows only whole lines.
        for (sample, got) in samples.iter().zip(Pop3::login(&server, ALICE).all()) {
            same(&format!("{} by POP3", sample.name), &got, &sample.in_lines());
        }
    });
}

#[test]
fn a_mailbox_of_a_thousand_messages_is_fetched_whole_and_in_order() {
    const COUNT: usize = 1000;
    on_both(|runtime| {
        let server = Server::start(runtime);
        let message =
            |number: usize| text(&format!("number {number}"), &format!(".{number}\r\n").repeat(number % 50 + 1));
        let mut smtp = Smtp::login(&server, ALICE);
        for number in 0..COUNT {
            let reply = smtp.send(ALICE, &[BOB], &message(number));
            assert_eq!(reply.code, 250, "message {number}: {reply:?}");
        }
        let mut pop = Pop3::login(&server, BOB);
        let sizes: Vec<String> = pop.list("LIST");
        assert_eq!(sizes.len(), COUNT);
        // Pipelined as mpop does it; in parts, so that neither side's buffers must hold it all.
        for first in (0..COUNT).step_by(100) {
            let commands: String = (first..first + 100).map(|number| format!("RETR {}\r\n", number + 1)).collect();
            pop.put(commands);
            for (number, size) in (first..first + 100).zip(&sizes[first..]) {
                let answer = pop.line();
                assert!(answer.starts_with("+OK"), "RETR {}: {answer}", number + 1);
                let got = pop.body();
                arrived(&format!("message {number} by POP3"), &got, &message(number));
                assert_eq!(size, &format!("{} {}", number + 1, got.len()), "LIST tells the octets of RETR");
            }
        }
        let mut unique: Vec<String> =
            pop.list("UIDL").iter().filter_map(|line| line.split_once(' ')).map(|(_, id)| id.to_owned()).collect();
        assert!(unique.iter().all(|id| (1..=70).contains(&id.len())), "RFC 1939 section 7: one to seventy characters");
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), COUNT, "each message has its own unique-id");
        pop.expect("QUIT");
        let mut session = session(&server, BOB);
        session.select("INBOX").expect("SELECT");
        let fetched = session.fetch("1:*", "(UID BODY.PEEK[])").expect("FETCH");
        assert_eq!(fetched.len(), COUNT);
        let mut last = 0;
        for (number, one) in fetched.iter().enumerate() {
            arrived(&format!("message {number} by IMAP"), one.body().expect("BODY[]"), &message(number));
            let uid = one.uid.expect("UID");
            assert!(uid > last, "UIDs ascend");
            last = uid;
        }
    });
}

/// What curl and the README's lines do: LOGIN after STARTTLS and STLS.
#[test]
fn mail_is_read_over_starttls_and_stls() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        assert_eq!(Smtp::login(&server, ALICE).send(ALICE, &[BOB], &text("one", "body")).code, 250);
        let mut imap = crate::harness::Imap::greet(&server).start_tls(&server);
        imap.expect(&format!("LOGIN {BOB} \"{PASSWORD}\""));
        assert!(imap.expect("SELECT INBOX").contains(&"1 EXISTS".to_owned()));
        let mut pop = Pop3::greet(&server).start_tls(&server);
        pop.expect(&format!("USER {BOB}"));
        pop.expect(&format!("PASS {PASSWORD}"));
        arrived("over STLS", &pop.retr(1), &text("one", "body"));
    });
}

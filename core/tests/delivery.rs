//! What a delivery makes of a server that refuses.

use postkern::smtp::{Client, Delivery, Envelope, Options, TlsPolicy, Verdict};
use postkern::{Conn, Instant, Want};

/// The delivery of a message for one recipient, after a server that says all this.
fn delivered_to(server: &[&str], lmtp: bool) -> Delivery {
    let envelope = Envelope {
        sender: "a@client.example".into(),
        recipients: vec!["bob@mx.example".into()],
        size: 1,
        eight_bit: false,
    };
    let options = Options { hello: "client.example".into(), lmtp, tls: TlsPolicy::None, auth: None };
    let mut delivery = Delivery::new(envelope, options, false);
    let mut conn = Conn::new(Client::new());
    let mut said = server.iter();
    loop {
        match conn.poll(Instant::from_millis(0)) {
            Want::Event(frame) => {
                let (notice, client, out) = conn.event(frame);
                let _ = delivery.on(notice, client, out);
            }
            Want::Read => {
                conn.sent(conn.output().len());
                let Some(reply) = said.next() else { return delivery };
                conn.space()[..reply.len()].copy_from_slice(reply.as_bytes());
                conn.filled(reply.len());
            }
            Want::Close(_) => return delivery,
            want => panic!("{want:?}"),
        }
    }
}

fn has_failed(delivery: &Delivery) -> bool {
    matches!(delivery.verdicts(), [Some(Verdict::Failed(_))])
}

#[test]
fn a_host_that_refuses_us_says_nothing_of_the_message() {
    for (server, lmtp) in [
        (&["554 no\r\n"][..], false),
        (&["220 hi\r\n", "500 what\r\n", "550 no\r\n"], false),
        (&["220 hi\r\n", "550 no\r\n"], true),
    ] {
        let delivery = delivered_to(server, lmtp);
        assert!(delivery.refused_us() && has_failed(&delivery), "{server:?}: {delivery:?}");
    }
}

#[test]
fn a_host_that_greets_us_speaks_of_the_message() {
    for server in [
        &["220 hi\r\n", "250 hi\r\n", "550 no\r\n"][..],
        &["220 hi\r\n", "500 what\r\n", "250 hi\r\n", "550 no\r\n"],
        &["220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "550 no\r\n"],
    ] {
        let delivery = delivered_to(server, false);
        assert!(!delivery.refused_us() && has_failed(&delivery), "{server:?}: {delivery:?}");
    }
}

#[test]
fn a_host_that_is_busy_refuses_us_for_now() {
    let delivery = delivered_to(&["450 later\r\n"], false);
    assert!(delivery.refused_us());
    assert!(matches!(delivery.verdicts(), [Some(Verdict::Deferred(_))]), "{delivery:?}");
    let delivery = delivered_to(&["421 closing\r\n"], false);
    assert!(matches!(delivery.verdicts(), [Some(Verdict::Deferred(_))]), "{delivery:?}");
}

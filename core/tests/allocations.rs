//! In the steady state a command costs no allocation: the buffers that it is read into and
//! answered in are there already.

use allocation_counter::measure;
use postkern::smtp::{Enhanced, Event, Offers, Reply, Server, ServerConfig};
use postkern::{Instant, Machine, Want};

/// Shows octets to the machine, and answers what it asks.
fn show(server: &mut Server, mut input: &[u8], out: &mut Vec<u8>) {
    loop {
        match server.poll(Instant::from_millis(0), input, out) {
            Want::Event(frame) => {
                let len = frame.len();
                let (code, ticket) = match server.event(frame, input, out) {
                    Event::Connect { ticket } => (220, ticket),
                    Event::Data { ticket, .. } => (354, ticket),
                    Event::Hello { ticket, .. }
                    | Event::Mail { ticket, .. }
                    | Event::Rcpt { ticket, .. }
                    | Event::Message { ticket, .. }
                    | Event::Vrfy { ticket, .. }
                    | Event::Etrn { ticket, .. }
                    | Event::Noop { ticket }
                    | Event::Rset { ticket } => (250, ticket),
                    Event::Chunk(_) | Event::Refused { .. } | Event::Dropped(_) | Event::Rejected { .. } => {
                        input = &input[len..];
                        continue;
                    }
                    other => panic!("{other:?}"),
                };
                server.reply(ticket, &Reply::new(code, Enhanced((code / 100) as u8, 0, 0), "ok"), out);
                input = &input[len..];
            }
            Want::Read => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(input.is_empty());
}

#[test]
fn commands_and_chunks_cost_no_allocation() {
    assert!(measure(|| drop(std::hint::black_box(vec![0_u8; 9]))).count_total > 0, "the counter counts");
    let mut config = ServerConfig::default();
    config.offers = Offers::ALL;
    config.auth = postkern::sasl::Mechanisms::PASSWORD;
    config.limits.mistakes = (1000, 1000);
    let (mut server, mut out) = (Server::new(config, true), Vec::with_capacity(64 * 1024));
    show(&mut server, b"EHLO client.example\r\n", &mut out);
    let mail = "MAIL FROM:<jörg@bücher.example> SIZE=100 BODY=8BITMIME SMTPUTF8 AUTH=e+3Dmc2@x RET=FULL \
                ENVID=QQ+20314159 REQUIRETLS HOLDFOR=60 BY=120;RT MT-PRIORITY=-3\r\n";
    let rcpt = "RCPT TO:<\"jörg müller\"@bücher.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=utf-8;j\\x{F6}rg@x \
                RRVS=2014-04-03T23:01:00Z;R\r\n";
    let data = "DATA\r\nSubject: x\r\n\r\n..a\r\n.\r\n";
    let chunks = "BDAT 3\r\na\r\nBDAT 6 LAST\r\nb\r\nc\r\n";
    let others = "NOOP\r\nVRFY jörg SMTPUTF8\r\nETRN @client.example\r\nRSET\r\nEHLO client.example\r\n";
    let refused = "XYZZY\r\nMAIL FROM:<a@b> XYZZY=1\r\nRCPT TO:<a@b>\r\nBDAT 3\r\nabcBDAT 0 LAST\r\n";
    for text in [
        format!("{mail}RSET\r\n"),
        format!("{mail}{rcpt}{data}"),
        format!("{mail}{rcpt}{rcpt}{chunks}"),
        others.to_owned(),
        refused.to_owned(),
    ] {
        out.clear();
        let info = measure(|| show(&mut server, text.as_bytes(), &mut out));
        assert_eq!(info.count_total, 0, "{text}\n{}", String::from_utf8_lossy(&out));
        assert!(!text.starts_with("MAIL") || !out.windows(3).any(|at| at == b"501" || at == b"555"));
    }
}

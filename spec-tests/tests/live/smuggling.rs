//! The end of a message is CR LF . CR LF and nothing else (RFC 5321 section 2.3.8,
//! CVE-2023-51764 and its kin).

use postkern_server::config::Listener;

use crate::harness::{BOB, Pop3, Server, Smtp, on_both, text};

/// What some server once took for the end of a message.
const FALSE_ENDS: &[&[u8]] = &[
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r.\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\r\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\n\n.\n\n",
    b"\r\n\x0b.\r\n",
    b"\r\n.\x0b\r\n",
    b"\r\n.\x0c\r\n",
    b"\r\n\xc2\x85.\xc2\x85\r\n",
    b"\r\n\xe2\x80\xa8.\xe2\x80\xa8\r\n",
    b"\x8d\x8a.\x8d\x8a",
    b"\r\n. \r\n",
    b"\r\n .\r\n",
];

/// What would be run if the message ended early.
const SMUGGLED: &[u8] =
    b"MAIL FROM:<admin@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nbody\r\n";

#[test]
fn no_false_end_ends_a_message() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        let mut taken = 0;
        for listener in [Listener::Smtp, Listener::Lmtp] {
            for end in FALSE_ENDS {
                let what = format!("{listener} {:?}", end.escape_ascii().to_string());
                let mut smtp = Smtp::hello(&server, listener);
                smtp.envelope("x@remote.test", &[BOB]);
                smtp.expect(354, "DATA");
                smtp.put([&text("carrier", "body")[..], end, SMUGGLED, b"\r\n.\r\n"].concat());
                let reply = smtp.reply();
                // One message, whole: refused for what it holds, or taken with all that it holds.
                let bare = holds_bare(end);
                assert_eq!(reply.code, if bare { 550 } else { 250 }, "{what}: {reply:?}");
                if bare {
                    let code = if end.contains(&0) { "5.6.0" } else { "5.6.11" };
                    assert!(reply.text.starts_with(code), "{what}: {reply:?}");
                }
                taken += usize::from(!bare);
                // Nothing of it was run: the next reply is to the next command.
                smtp.expect(221, "QUIT");
                let rest = smtp.rest();
                assert!(rest.is_empty(), "{what}: {rest:?}");
            }
        }
        let all = Pop3::login(&server, BOB).all();
        assert_eq!(all.len(), taken);
        for message in all {
            let message = String::from_utf8_lossy(&message).into_owned();
            assert!(message.contains("Subject: carrier") && message.contains("\r\nSubject: smuggled\r\n"), "{message}");
        }
    });
}

/// Whether octets hold CR or LF alone, or NUL.
fn holds_bare(octets: &[u8]) -> bool {
    let text: Vec<u8> = octets.to_vec();
    let paired = text.windows(2).filter(|pair| pair == b"\r\n").count();
    let (returns, feeds) =
        (text.iter().filter(|&&octet| octet == b'\r').count(), text.iter().filter(|&&octet| octet == b'\n').count());
    returns != paired || feeds != paired || text.contains(&0)
}

/// The same in commands: a bare CR or LF ends no line.
#[test]
fn bare_line_ends_end_no_command() {
    on_both(|runtime| {
        let server = Server::start(runtime);
        for end in ["\n", "\r", "\0", "\n\n", "\r\r"] {
            let mut smtp = Smtp::hello(&server, Listener::Smtp);
            smtp.put(format!("NOOP{end}MAIL FROM:<x@remote.test>\r\n"));
            let reply = smtp.reply();
            assert!((500..600).contains(&reply.code), "{end:?}: {reply:?}");
            smtp.expect(503, &format!("RCPT TO:<{BOB}>"));
        }
    });
}

//! The octets that are measured over, written for the purpose.

/// Octets of a large message.
pub const LARGE: usize = 1024 * 1024;
/// Octets that a driver shows at a time.
pub const READ: usize = 16 * 1024;

/// Kinds of message bodies, by what costs time in them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Lines of prose of some 30 octets.
    ShortLines,
    /// Lines of 76 octets of base64, as attachments have them.
    Base64,
    /// Paragraphs of UTF-8 in lines of some 900 octets.
    LongLines,
    /// Each line begins with a dot.
    Dots,
}

/// A message of at least `octets`, in whole lines that end in CRLF.
pub fn message(kind: Kind, octets: usize) -> Vec<u8> {
    let mut message = b"From: Alice <alice@client.example>\r\nTo: Bob <bob@mx.example>\r\n\
        Subject: harvest of the north orchard\r\nDate: Mon, 2 Nov 2026 08:15:00 +0100\r\n\
        Message-ID: <n0rth-orchard@client.example>\r\nMIME-Version: 1.0\r\n\r\n"
        .to_vec();
    for number in 0.. {
        if message.len() >= octets {
            break;
        }
        line(kind, number, &mut message);
        message.extend_from_slice(b"\r\n");
    }
    message
}

fn line(kind: Kind, number: usize, out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let start = out.len();
    match kind {
        Kind::ShortLines => {
            out.extend_from_slice(format!("Row {number} has {} baskets left.", number % 97).as_bytes());
        }
        Kind::Base64 => out.extend((0..76).map(|at| ALPHABET[(number * 31 + at * at + 7 * at) % 64])),
        Kind::LongLines => {
            while out.len() < start + 900 {
                out.extend_from_slice("Die Äpfel am Südhang sind früh reif, größer als üblich. ".as_bytes());
            }
        }
        Kind::Dots => out.extend_from_slice(format!(".{number}. entry of the list").as_bytes()),
    }
}

/// A message as SMTP and POP3 send it: dot-stuffed, with its end.
pub fn on_the_wire(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() * 21 / 20 + 3);
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// Transactions that are begun and given up: MAIL, two RCPTs, NOOP, RSET.
pub const SMTP_COMMANDS: &str = "MAIL FROM:<alice@client.example> SIZE=48231 BODY=8BITMIME\r\n\
    RCPT TO:<bob@mx.example>\r\n\
    RCPT TO:<carol.of-accounts+2026@lists.mx.example>\r\n\
    NOOP\r\n\
    RSET\r\n";

/// An answer to EHLO of eleven lines.
pub const EHLO_REPLY: &str = "250-mx.example at your service, [192.0.2.7]\r\n\
    250-PIPELINING\r\n\
    250-SIZE 52428800\r\n\
    250-ETRN\r\n\
    250-STARTTLS\r\n\
    250-AUTH PLAIN LOGIN\r\n\
    250-ENHANCEDSTATUSCODES\r\n\
    250-8BITMIME\r\n\
    250-DSN\r\n\
    250-CHUNKING\r\n\
    250 SMTPUTF8\r\n";

/// Answers to RCPT, in turn.
pub const SMTP_REPLIES: [&str; 4] = [
    "250 2.1.5 recipient ok\r\n",
    "250 2.1.5 <carol@lists.mx.example>... will be forwarded\r\n",
    "550 5.1.1 no mailbox of this name here\r\n",
    "451 4.7.1 greylisted, try again in five minutes\r\n",
];

/// Commands of POP3 that are answered in a line.
pub const POP3_COMMANDS: &str = "STAT\r\nLIST 3\r\nUIDL 3\r\nNOOP\r\nDELE 3\r\nRSET\r\n";

/// Lines of LIST, with status and end.
pub fn pop3_list(lines: u32) -> Vec<u8> {
    let mut list = b"+OK 1000 messages\r\n".to_vec();
    for message in 1..=lines {
        list.extend_from_slice(format!("{message} {}\r\n", 700 + message * 37).as_bytes());
    }
    list.extend_from_slice(b".\r\n");
    list
}

/// Lines of UIDL, with status and end.
pub fn pop3_uidl(lines: u32) -> Vec<u8> {
    let mut list = b"+OK\r\n".to_vec();
    for message in 1..=lines {
        list.extend_from_slice(format!("{message} 0000{message:04x}6717b2c9\r\n").as_bytes());
    }
    list.extend_from_slice(b".\r\n");
    list
}

/// What a desktop client and a phone say once a mailbox is selected.
pub const IMAP_COMMANDS: &str = "a101 NOOP\r\n\
    a102 UID FETCH 4711:* (UID FLAGS)\r\n\
    a103 UID FETCH 4711,4713:4720 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)\r\n\
    a104 UID FETCH 4720 BODY.PEEK[HEADER.FIELDS (References X-Ref List-Id)]<0.4096>\r\n\
    a105 UID STORE 4711 +FLAGS.SILENT (\\Seen \\Answered)\r\n\
    a106 UID SEARCH UNSEEN SINCE 1-Oct-2026 NOT FROM \"bounces@lists.example\"\r\n\
    a107 STATUS \"Archive/2026\" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)\r\n\
    a108 LIST \"\" \"%\"\r\n\
    a109 UID COPY 4711:4720 Archive/2026\r\n\
    a110 SELECT \"INBOX\"\r\n";

/// One line of `FETCH (UID FLAGS)`.
pub fn fetch_flags(message: u32) -> String {
    let flags = ["", "\\Seen", "\\Answered \\Seen", "\\Flagged \\Seen $Forwarded"][message as usize % 4];
    format!("* {message} FETCH (UID {} FLAGS ({flags}))\r\n", message + 4710)
}

/// The envelope of `FETCH_FULL`.
pub const ENVELOPE: &str = "(\"Mon, 2 Nov 2026 08:15:00 +0100\" \"harvest of the north orchard\" \
    ((\"Alice\" NIL \"alice\" \"client.example\")) ((\"Alice\" NIL \"alice\" \"client.example\")) \
    ((\"Alice\" NIL \"alice\" \"client.example\")) ((\"Bob\" NIL \"bob\" \"mx.example\")\
    (NIL NIL \"carol.of-accounts\" \"lists.mx.example\")) ((\"Dave of the Mill\" NIL \"dave\" \"mill.example\")) \
    NIL \"<spring-plan@mx.example>\" \"<n0rth-orchard@client.example>\")";

/// The body structure of `FETCH_FULL`.
pub const BODYSTRUCTURE: &str = "(((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 2318 57 NIL NIL NIL NIL)\
    (\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 7212 120 NIL NIL NIL NIL) \
    \"alternative\" (\"boundary\" \"inner-5b1f\") NIL NIL NIL)\
    (\"application\" \"pdf\" (\"name\" \"map of the rows.pdf\") NIL NIL \"base64\" 183422 NIL \
    (\"attachment\" (\"filename\" \"map of the rows.pdf\")) NIL NIL) \
    \"mixed\" (\"boundary\" \"outer-91c2\") NIL NIL NIL)";

/// A FETCH response with all that a list of messages shows.
pub fn fetch_full() -> String {
    format!(
        "* 12 FETCH (UID 4722 FLAGS (\\Seen) INTERNALDATE \" 2-Nov-2026 08:15:04 +0100\" RFC822.SIZE 193911 \
         ENVELOPE {ENVELOPE} BODYSTRUCTURE {BODYSTRUCTURE})\r\n"
    )
}

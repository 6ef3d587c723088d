//! What the header of a message tells while it comes in: how often it passed which hosts, whom
//! it was delivered to, which fields it has.
//!
//! One scan tells all, so that no octet is looked at twice. What is kept of a field's text is
//! bounded, and of all fields together too: trace fields are put in front (RFC 5321 section
//! 4.4), so that those of a loop come first.

/// Octets of one field's text that are looked at.
const FIELD_MAX: usize = 1024;
/// Octets of the names of hosts that are kept, and of the addresses of Delivered-To: those of
/// some two hundred hops.
const NAMES_MAX: usize = 4096;

/// Reads a message's header as it comes, in pieces cut anywhere, without keeping it.
///
/// The header ends at its empty line, or before a line that is no field (RFC 5322 section
/// 2.2): what follows is the body, though it may look like fields. Lines end with LF, after
/// a CR or not, for the sake of APPEND. Names are compared in any case, and may be followed
/// by blanks (RFC 5322 section 4.5.8).
#[derive(Clone, Debug, Default)]
pub struct HeaderScan {
    at: At,
    /// The field's name so far, lower case; the longest that matters is Delivered-To.
    name: [u8; 12],
    /// Octets of the name, more than `name` holds if it matters to nobody.
    len: usize,
    /// Octets seen, while the header lasts.
    seen: u64,
    /// Octets up to the line that is being read.
    octets: u64,
    received: u32,
    tls_required: u32,
    fields: Fields,
    eight_bit: bool,
    /// The field whose text is in `text`.
    keeps: Keeps,
    /// At most `FIELD_MAX` octets.
    text: Vec<u8>,
    /// Names behind `by`, each with a line feed behind it; at most `NAMES_MAX` octets.
    hosts: Vec<u8>,
    /// Addresses of Delivered-To, likewise.
    delivered: Vec<u8>,
}

/// Which field's text is kept until the field is over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Keeps {
    #[default]
    Nothing,
    Received,
    DeliveredTo,
    TlsRequired,
}

/// Which fields a header has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Fields {
    /// Date.
    pub date: bool,
    /// Message-ID.
    pub message_id: bool,
    /// From.
    pub from: bool,
    /// Sender.
    pub sender: bool,
    /// `TLS-Required: No`, once: TLS policies of the recipient's domain do not count (RFC
    /// 8689 section 3). More than one such field there must not be; then none counts.
    pub tls_optional: bool,
}

/// Where in the header the next octet stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum At {
    /// At the start of the first line, which continues no field.
    #[default]
    First,
    /// At the start of another line.
    Start,
    /// Behind a CR at the start of a line.
    Cr,
    /// In the name of a field.
    Name,
    /// In blanks between the name and its colon.
    Blanks,
    /// Behind the colon.
    Text,
    /// The empty line has come.
    Ended,
    /// A line has come that is no field.
    Broken,
}

impl HeaderScan {
    /// Takes the message's next piece. What is behind the header is not looked at.
    pub fn feed(&mut self, mut piece: &[u8]) {
        while let Some((&byte, rest)) = piece.split_first() {
            match self.at {
                At::Ended | At::Broken => return,
                At::Text => {
                    // Most octets of a header: to the end of the line in one step.
                    let end = memchr::memchr(b'\n', piece);
                    self.pass(end.map_or(piece.len(), |end| end + 1), &mut piece);
                    if end.is_some() {
                        self.at = At::Start;
                        self.octets = self.seen;
                    }
                }
                at => {
                    self.seen += 1;
                    self.at = self.step(at, byte);
                    piece = rest;
                }
            }
        }
    }

    fn pass(&mut self, len: usize, piece: &mut &[u8]) {
        let (text, rest) = piece.split_at(len);
        self.seen += len as u64;
        self.eight_bit |= !text.is_ascii();
        if self.keeps != Keeps::Nothing {
            self.text.extend_from_slice(&text[..len.min(FIELD_MAX - self.text.len())]);
        }
        *piece = rest;
    }

    /// What follows from one octet at or near the start of a line.
    fn step(&mut self, at: At, byte: u8) -> At {
        if at == At::Start && !matches!(byte, b' ' | b'\t') {
            self.close();
        }
        match (at, byte) {
            (At::First | At::Start | At::Cr, b'\n') => At::Ended,
            (At::First | At::Start, b'\r') => At::Cr,
            (At::Start, b' ' | b'\t') => At::Text,
            (At::First | At::Start, b'!'..=b'9' | b';'..=b'~') => {
                self.len = 0;
                self.push(byte);
                At::Name
            }
            (At::Name, b'!'..=b'9' | b';'..=b'~') => {
                self.push(byte);
                At::Name
            }
            (At::Name | At::Blanks, b' ' | b'\t') => At::Blanks,
            (At::Name | At::Blanks, b':') => {
                self.field();
                At::Text
            }
            _ => At::Broken,
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.name.get_mut(self.len) {
            *place = byte.to_ascii_lowercase();
        }
        self.len = self.len.saturating_add(1);
    }

    fn field(&mut self) {
        match self.name.get(..self.len).unwrap_or_default() {
            b"received" => {
                self.received = self.received.saturating_add(1);
                self.keeps = Keeps::Received;
            }
            b"delivered-to" => self.keeps = Keeps::DeliveredTo,
            b"tls-required" => {
                self.tls_required = self.tls_required.saturating_add(1);
                self.keeps = Keeps::TlsRequired;
            }
            b"date" => self.fields.date = true,
            b"message-id" => self.fields.message_id = true,
            b"from" => self.fields.from = true,
            b"sender" => self.fields.sender = true,
            _ => {}
        }
    }

    /// A field is over.
    fn close(&mut self) {
        match std::mem::take(&mut self.keeps) {
            Keeps::Nothing => return,
            Keeps::Received => keep(by(&self.text), &mut self.hosts),
            Keeps::DeliveredTo => keep(self.text.trim_ascii(), &mut self.delivered),
            Keeps::TlsRequired => self.fields.tls_optional = is_no(&self.text),
        }
        self.text.clear();
    }

    /// The text of the field that is not known to be over, if it is this one.
    fn last(&self, keeps: Keeps) -> &[u8] {
        if self.keeps == keeps { &self.text } else { b"" }
    }

    /// Received fields so far.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// How many Received fields say that a host of this name received the message (the `by`
    /// clause, RFC 5321 section 4.4): more than a few, and it is in a loop through us. Of a
    /// field the first 1024 octets are looked at, of all fields the first few hundred names.
    pub fn passed(&self, hostname: &str) -> u32 {
        let last = by(self.last(Keeps::Received));
        let hosts = self.hosts.split(|&byte| byte == b'\n').chain([last]);
        hosts.filter(|host| !host.is_empty() && host.eq_ignore_ascii_case(hostname.as_bytes())).count() as u32
    }

    /// Whether a Delivered-To field has this address, in any case: it was in this mailbox, and
    /// comes back. Limits as of [`passed`](Self::passed).
    pub fn was_delivered_to(&self, address: &str) -> bool {
        let last = self.last(Keeps::DeliveredTo).trim_ascii();
        let mut to = self.delivered.split(|&byte| byte == b'\n').chain([last]);
        to.any(|to| !to.is_empty() && to.eq_ignore_ascii_case(address.as_bytes()))
    }

    /// The fields so far.
    pub fn fields(&self) -> Fields {
        let no = if self.keeps == Keeps::TlsRequired { is_no(&self.text) } else { self.fields.tls_optional };
        Fields { tls_optional: no && self.tls_required == 1, ..self.fields }
    }

    /// Whether a field holds octets that are not ASCII: such a header goes only where SMTPUTF8
    /// is offered (RFC 6531 section 3.2).
    pub fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Octets of the lines that belong to the header so far, with their CRLFs, without the
    /// empty line. Grows no more once the header [has ended](Self::is_ended).
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether the header is over.
    pub fn is_ended(&self) -> bool {
        matches!(self.at, At::Ended | At::Broken)
    }

    /// Whether the header was over without an empty line, at a line that is no field. If then
    /// [`octets`](Self::octets) is 0 as well, the message has no header at all.
    pub fn is_broken(&self) -> bool {
        self.at == At::Broken
    }
}

/// Keeps a name if there is room; a name with line ends is none.
fn keep(name: &[u8], names: &mut Vec<u8>) {
    if !name.is_empty() && names.len() + name.len() < NAMES_MAX && memchr::memchr(b'\n', name).is_none() {
        names.extend_from_slice(name);
        names.push(b'\n');
    }
}

/// `TLS-Required: No` (RFC 8689 section 3).
fn is_no(text: &[u8]) -> bool {
    text.trim_ascii().eq_ignore_ascii_case(b"no")
}

/// The host behind `by` in the text of a Received field, without a dot at its end; empty if
/// there is none. Words in comments do not count, nor does a client that calls itself `by`.
fn by(text: &[u8]) -> &[u8] {
    let mut words = Words(text);
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"from") {
            words.next();
        } else if word.eq_ignore_ascii_case(b"by") {
            let host = words.next().unwrap_or_default();
            return host.strip_suffix(b".").unwrap_or(host);
        }
    }
    b""
}

/// Walks the words of a Received field up to its date.
struct Words<'m>(&'m [u8]);

impl<'m> Iterator for Words<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        let mut depth = 0_usize;
        loop {
            self.0 = self.0.trim_ascii_start();
            match (*self.0.first()?, depth) {
                (b'(', _) => depth += 1,
                (b')', 1..) => depth -= 1,
                (b'\\', 1..) => self.0 = &self.0[1..],
                (_, 1..) => {}
                (b';', 0) => return None,
                (_, 0) => break,
            }
            self.0 = self.0.get(1..)?;
        }
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"(;".contains(byte);
        let (word, rest) = self.0.split_at(self.0.iter().position(ends).unwrap_or(self.0.len()));
        self.0 = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Received fields, Date, Message-ID, From, Sender, octets, ended, broken.
    type Seen = (u32, [bool; 4], u64, bool, bool);

    fn seen(scan: &HeaderScan) -> Seen {
        let Fields { date, message_id, from, sender, .. } = scan.fields();
        (scan.received(), [date, message_id, from, sender], scan.octets(), scan.is_ended(), scan.is_broken())
    }

    #[test]
    fn a_header_is_scanned_the_same_however_it_is_cut() {
        const NO: [bool; 4] = [false; 4];
        let cases: [(&str, Seen); 17] = [
            ("", (0, NO, 0, false, false)),
            ("\r\nReceived: x\r\n", (0, NO, 0, true, false)),
            ("\nDate: x\n", (0, NO, 0, true, false)),
            ("Received: a\r\nRECEIVED: b\r\n\r\nReceived: c\r\n", (2, NO, 26, true, false)),
            ("Date: x\r\nFrom: y\r\nSender: z\r\nMessage-Id: <q>\r\n\r\n", (0, [true; 4], 46, true, false)),
            ("Date : x\r\nfrom\t \t:y\r\n\r\n", (0, [true, false, true, false], 21, true, false)),
            ("X: a\r\n Date: b\r\n\tFrom: c\r\n\r\n", (0, NO, 26, true, false)),
            ("X: a\r\n \r\nDate: b\r\n\r\n", (0, [true, false, false, false], 18, true, false)),
            ("Received: a\nReceived: b\n\nReceived: c\n", (2, NO, 24, true, false)),
            ("Receivedd: a\r\nReceive: b\r\nX-Received: c\r\n\r\n", (0, NO, 41, true, false)),
            ("Message-Ids: a\r\nDat: b\r\n\r\n", (0, NO, 24, true, false)),
            ("Date: x\r\nHello there\r\nFrom: y\r\n", (0, [true, false, false, false], 9, true, true)),
            ("Hello\r\nDate: x\r\n", (0, NO, 0, true, true)),
            (" Date: x\r\nDate: y\r\n", (0, NO, 0, true, true)),
            (": x\r\nDate: y\r\n", (0, NO, 0, true, true)),
            ("X: a\r\n\rDate: y\r\n", (0, NO, 6, true, true)),
            ("Received: a\r\nDate: unended", (1, [true, false, false, false], 13, false, false)),
        ];
        for (text, is) in cases {
            let mut whole = HeaderScan::default();
            whole.feed(text.as_bytes());
            assert_eq!(seen(&whole), is, "{text:?}");
            let mut octets = HeaderScan::default();
            text.as_bytes().chunks(1).for_each(|octet| octets.feed(octet));
            assert_eq!(seen(&octets), is, "{text:?} octet by octet");
            for cut in 0..=text.len() {
                let mut scan = HeaderScan::default();
                scan.feed(&text.as_bytes()[..cut]);
                scan.feed(&text.as_bytes()[cut..]);
                assert_eq!(seen(&scan), is, "{text:?} cut at {cut}");
            }
        }
    }

    /// Checks what a scan tells, however the text is cut.
    fn check<T: std::fmt::Debug + PartialEq>(text: &[u8], is: T, told: impl Fn(&HeaderScan) -> T) {
        for cut in 0..=text.len() {
            let mut scan = HeaderScan::default();
            scan.feed(&text[..cut]);
            scan.feed(&text[cut..]);
            assert_eq!(told(&scan), is, "{} cut at {cut}", text.escape_ascii());
        }
    }

    #[test]
    fn hosts_that_a_message_passed_are_counted() {
        for (text, is) in [
            ("Received: from a by mx.example with SMTP id 1; x\r\n\r\n", 1),
            ("Received: from mx.example by b with SMTP id 1; x\r\n\r\n", 0),
            ("Received: from a (by mx.example (x\\) by mx.example)) by b; x\r\n\r\n", 0),
            ("Received: from by by mx.example; x\r\n", 1),
            ("Received: from by (by mx.example) by b; x\r\n", 0),
            ("Received: by MX.Example. (Postfix, from userid 0)\r\n\tid 5; x\r\n\r\n", 1),
            ("Received: from a\r\n\t(a [192.0.2.1])\r\n\tby\r\n mx.example(x)\r\n\tid 5; x", 1),
            ("Received: from a; by mx.example\r\n\r\n", 0),
            ("Received: from a by notmx.example; x\r\n\r\n", 0),
            ("Received: from a by mx.example.org; x\r\n\r\n", 0),
            ("Received: by mx.example;\r\nX: y\r\nreceived : by mx.example;\r\n\r\nReceived: by mx.example;\r\n", 2),
            ("X-Received: by mx.example;\r\n\r\n", 0),
            ("Received: by", 0),
            ("Received: (unclosed by mx.example", 0),
            ("Received:\r\n\r\n", 0),
        ] {
            check(text.as_bytes(), is, |scan| scan.passed("mx.example"));
        }
    }

    #[test]
    fn mailboxes_that_a_message_was_in_are_known() {
        for (text, is) in [
            ("Delivered-To: bob@mx.example\r\n\r\n", true),
            ("X: y\r\nDELIVERED-TO:\r\n BOB@mx.example \r\nY: z\r\n", true),
            ("Delivered-To: alice@mx.example\r\nDelivered-To: bob@mx.example", true),
            ("Delivered-To: alice@mx.example\r\n\r\nDelivered-To: bob@mx.example", false),
            ("Delivered-To: xbob@mx.example\r\n\r\n", false),
            ("Delivered-To: a\r\n bob@mx.example\r\n\r\n", false),
        ] {
            check(text.as_bytes(), is, |scan| scan.was_delivered_to("bob@mx.example"));
        }
    }

    #[test]
    fn tls_may_be_said_not_to_be_required() {
        for (text, is) in [
            ("TLS-Required: No\r\n\r\n", true),
            ("tls-required:no", true),
            ("TLS-Required:\r\n\tNo \r\nX: y\r\n", true),
            ("TLS-Required: Yes\r\n\r\n", false),
            ("TLS-Required: No (please)\r\n\r\n", false),
            ("TLS-Required: No\r\nTLS-Required: No\r\n\r\n", false),
            ("TLS-Required: Yes\r\nTLS-Required: No\r\n\r\n", false),
            ("\r\nTLS-Required: No\r\n", false),
        ] {
            check(text.as_bytes(), is, |scan| scan.fields().tls_optional);
        }
    }

    #[test]
    fn octets_that_are_not_ascii_are_seen_in_the_header_alone() {
        for (text, is) in [
            (&b"Subject: caf\xc3\xa9\r\n\r\n"[..], true),
            (b"Subject: x\r\n \xff\r\n\r\n", true),
            (b"Subject: x\r\n\r\n\xff\r\n", false),
            (b"Subject: x\r\n\xff: x\r\n", false),
        ] {
            check(text, is, HeaderScan::is_eight_bit);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut scan = HeaderScan::default();
        let padding = "x".repeat(FIELD_MAX);
        for n in 0..1000 {
            scan.feed(format!("Received: by h{n}.example ({padding}); x\r\n").as_bytes());
            scan.feed(format!("Delivered-To: u{n}@mx.example\r\n").as_bytes());
        }
        scan.feed(format!("Received: ({padding}) by late.example; x\r\n\r\n").as_bytes());
        assert_eq!(scan.received(), 1001);
        assert_eq!((scan.passed("h0.example"), scan.passed("h999.example"), scan.passed("late.example")), (1, 0, 0));
        assert_eq!((scan.was_delivered_to("u0@mx.example"), scan.was_delivered_to("u999@mx.example")), (true, false));
        assert!(scan.text.capacity() <= 2 * FIELD_MAX);
        assert!(scan.hosts.capacity() <= 2 * NAMES_MAX && scan.delivered.capacity() <= 2 * NAMES_MAX);
    }
}

//! What the header of a message tells while it comes in.

/// Reads a message's header as it comes, in pieces cut anywhere, without keeping it.
///
/// The header ends at its empty line, or before a line that is no field (RFC 5322 section
/// 2.2): what follows is the body, though it may look like fields. Lines end with LF, after
/// a CR or not, for the sake of APPEND. Names are compared in any case, and may be followed
/// by blanks (RFC 5322 section 4.5.8).
#[derive(Clone, Debug, Default)]
pub struct HeaderScan {
    at: At,
    /// The field's name so far, lower case; the longest that matters is Message-ID.
    name: [u8; 10],
    /// Octets of the name, more than `name` holds if it matters to nobody.
    len: usize,
    /// Octets seen, while the header lasts.
    seen: u64,
    /// Octets up to the line that is being read.
    octets: u64,
    received: u32,
    fields: Fields,
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
        self.seen += len as u64;
        *piece = &piece[len..];
    }

    /// What follows from one octet at or near the start of a line.
    fn step(&mut self, at: At, byte: u8) -> At {
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
            b"received" => self.received = self.received.saturating_add(1),
            b"date" => self.fields.date = true,
            b"message-id" => self.fields.message_id = true,
            b"from" => self.fields.from = true,
            b"sender" => self.fields.sender = true,
            _ => {}
        }
    }

    /// Received fields so far.
    pub fn received(&self) -> u32 {
        self.received
    }

    /// The fields so far.
    pub fn fields(&self) -> Fields {
        self.fields
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Received fields, Date, Message-ID, From, Sender, octets, ended, broken.
    type Seen = (u32, [bool; 4], u64, bool, bool);

    fn seen(scan: &HeaderScan) -> Seen {
        let Fields { date, message_id, from, sender } = scan.fields();
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
}

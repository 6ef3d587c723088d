//! ENVELOPE (RFC 3501 section 7.4.2), as a server says it.

use super::cursor::{Astring, Cursor};

/// The fields of a message's header that say what it is. Strings are as they stand in the
/// header: encoded words (RFC 2047) are not decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Envelope<'i> {
    /// Date:
    pub date: Option<Astring<'i>>,
    /// Subject:
    pub subject: Option<Astring<'i>>,
    /// From:
    pub from: Addresses<'i>,
    /// Sender:, or From: where there is none.
    pub sender: Addresses<'i>,
    /// Reply-To:, or From: where there is none.
    pub reply_to: Addresses<'i>,
    /// To:
    pub to: Addresses<'i>,
    /// Cc:
    pub cc: Addresses<'i>,
    /// Bcc:
    pub bcc: Addresses<'i>,
    /// In-Reply-To:
    pub in_reply_to: Option<Astring<'i>>,
    /// Message-ID:
    pub message_id: Option<Astring<'i>>,
}

/// Addresses of a field, checked; empty for NIL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses<'i>(&'i [u8]);

/// One address, or the beginning or end of a group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Address<'i> {
    /// The display name.
    pub name: Option<Astring<'i>>,
    /// The source route.
    pub route: Option<Astring<'i>>,
    /// The local part; the group's name where the host is none, and none at its end.
    pub mailbox: Option<Astring<'i>>,
    /// The domain.
    pub host: Option<Astring<'i>>,
}

impl<'i> Envelope<'i> {
    pub(super) fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        let c = cursor;
        c.need(b'(')?;
        let envelope = Self {
            date: c.said_nstring()?,
            subject: spaced(c)?,
            from: Addresses::read(c)?,
            sender: Addresses::read(c)?,
            reply_to: Addresses::read(c)?,
            to: Addresses::read(c)?,
            cc: Addresses::read(c)?,
            bcc: Addresses::read(c)?,
            in_reply_to: spaced(c)?,
            message_id: spaced(c)?,
        };
        c.need(b')')?;
        Some(envelope)
    }
}

impl<'i> Addresses<'i> {
    /// Each address.
    pub fn iter(&self) -> impl Iterator<Item = Address<'i>> + use<'i> {
        let mut cursor = Cursor(self.0);
        core::iter::from_fn(move || {
            cursor.eat(b' ');
            Address::read(&mut cursor)
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Behind its space. Some servers part addresses with a space, which the grammar has not.
    fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        cursor.sp()?;
        if !cursor.eat(b'(') {
            return cursor.nil().map(|()| Self(b""));
        }
        let start = cursor.0;
        while !cursor.eat(b')') {
            cursor.eat(b' ');
            Address::read(cursor)?;
        }
        Some(Self(&start[..start.len() - cursor.0.len() - 1]))
    }
}

impl<'i> Address<'i> {
    fn read(cursor: &mut Cursor<'i>) -> Option<Self> {
        cursor.need(b'(')?;
        let address = Self {
            name: cursor.said_nstring()?,
            route: spaced(cursor)?,
            mailbox: spaced(cursor)?,
            host: spaced(cursor)?,
        };
        cursor.need(b')')?;
        Some(address)
    }
}

fn spaced<'i>(cursor: &mut Cursor<'i>) -> Option<Option<Astring<'i>>> {
    cursor.sp()?;
    cursor.said_nstring()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Option<Envelope<'_>> {
        let mut cursor = Cursor(text);
        let envelope = Envelope::read(&mut cursor)?;
        cursor.end().map(|()| envelope)
    }

    #[test]
    fn the_fields_are_told() {
        // From RFC 3501 section 8, shortened.
        let text = b"(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" {3}\r\nI\"P ((\"Terry Gray\" NIL \"gray\" \"cac\")) \
            ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL nil NIL NIL \"<B27397-0100000@cac>\")";
        let envelope = read(text).unwrap();
        assert!(envelope.subject.unwrap().is(b"I\"P"));
        assert!(envelope.from.iter().next().unwrap().name.unwrap().is(b"terry gray"));
        assert_eq!(envelope.sender.iter().count(), 2);
        assert!(envelope.to.is_empty() && envelope.in_reply_to.is_none());
        assert!(envelope.message_id.unwrap().is(b"<B27397-0100000@cac>"));
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        for text in [
            &b"()"[..],
            b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
            b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL",
            b"(NIL NIL ((NIL NIL NIL)) NIL NIL NIL NIL NIL NIL NIL)",
            b"(NILNIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
            b"(NIL x NIL NIL NIL NIL NIL NIL NIL NIL)",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}

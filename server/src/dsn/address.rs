//! Addresses in a report: with their type (RFC 3464 section 2.3.1, RFC 6533 section 3), and
//! nothing in them that could break a line.

use postkern::smtp::{self, OriginalRecipient, unitext};

use crate::trace::mailbox;

/// Octets of an address: UTF-8 as long as its octets are those of a path, encoded.
const ADDRESS_MAX: usize = 2048;

/// A recipient as it was in our envelope: its type and text.
pub(super) fn of_envelope(address: &str, utf8: bool) -> String {
    match (address.is_ascii(), utf8) {
        (true, _) => format!("rfc822; {}", printable(address)),
        (false, true) => format!("utf-8; {}", clean(address)),
        // RFC 6533 section 3: the form that is safe in 7 bits.
        (false, false) => format!("utf-8; {}", printable(&unitext(address, true))),
    }
}

/// What ORCPT said, decoded; as it is if it cannot be.
pub(super) fn original(orcpt: &str, utf8: bool) -> String {
    let Some(original) = OriginalRecipient::parse(orcpt) else { return format!("unknown; {}", printable(orcpt)) };
    let kind = printable(original.address_type());
    match (original.is_utf8(), utf8) {
        (true, true) => format!("{kind}; {}", clean(&original.decode())),
        (true, false) => format!("{kind}; {}", printable(&unitext(&original.decode(), true))),
        (false, _) => format!("{kind}; {}", printable(&original.decode())),
    }
}

/// For the eyes of people.
pub(super) fn shown(address: &str, utf8: bool) -> String {
    match address.is_ascii() || utf8 {
        true => clean(address),
        false => printable(&unitext(address, true)),
    }
}

/// For a header field.
pub(super) fn header(address: &str) -> String {
    let is_plain = |c: char| !c.is_control() && (!c.is_ascii() || c.is_ascii_graphic() && !"<>()\"\\,;:".contains(c));
    match !address.is_ascii() && address.len() <= ADDRESS_MAX && address.chars().all(is_plain) {
        true => address.into(),
        false => mailbox(address),
    }
}

/// Printable ASCII, at most as much as is kept of a reply.
pub(super) fn printable(text: &str) -> String {
    text.chars().take(smtp::SAID_MAX).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

/// As it is, without control characters.
fn clean(text: &str) -> String {
    text.chars().take(smtp::SAID_MAX).map(|c| if c.is_control() { '?' } else { c }).collect()
}

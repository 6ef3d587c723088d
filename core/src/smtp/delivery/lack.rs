//! What a message needs and a server does not have.

use super::{Envelope, Recipient, Said};
use crate::smtp::extensions::Extensions;
use crate::smtp::params::{BodyType, ByMode, RrvsAction};
use crate::smtp::reply::Enhanced;

/// What follows from it.
pub(super) enum Lack {
    /// The message cannot go there as it is.
    Refuse {
        why: Said,
        /// Another host of the domain may have it.
        here_only: bool,
    },
    /// It can if it is re-encoded to this.
    Convert(BodyType),
}

/// What the server lacks for all recipients; `verified` if the connection is TLS, and the
/// server's certificate was checked.
pub(super) fn lack(envelope: &Envelope, offers: &Extensions, verified: bool) -> Option<Lack> {
    let refuse = |status, text| Some(Lack::Refuse { why: Said::ours(status, text), here_only: true });
    if envelope.requires_tls() {
        // RFC 8689 section 4.2.1, with its codes.
        if !verified {
            return refuse(Enhanced(5, 7, 10), "the message requires verified TLS, and the connection is none");
        }
        if !offers.require_tls {
            return refuse(Enhanced(5, 7, 30), "the message requires TLS, and the server offers no REQUIRETLS");
        }
    }
    if !offers.smtp_utf8 {
        // RFC 6531 section 3.2.
        if !envelope.sender.is_ascii() {
            return refuse(Enhanced(5, 6, 7), "the sender's address is UTF-8, and the server offers no SMTPUTF8");
        }
        if envelope.smtp_utf8 {
            return refuse(Enhanced(5, 6, 9), "the header is UTF-8, and the server offers no SMTPUTF8");
        }
    }
    if let Some(by) = envelope.by.filter(|by| by.mode == ByMode::Return) {
        // RFC 2852 section 4: what must come back if it is late goes to nobody who will not
        // send it back.
        match offers.deliver_by {
            None => return refuse(Enhanced(5, 3, 3), "the message has BY with R, and the server offers no DELIVERBY"),
            Some(least) if i64::from(by.seconds) < i64::from(least) => {
                return refuse(Enhanced(5, 3, 3), "the server promises no delivery in the time that is left");
            }
            Some(_) => {}
        }
    }
    let most = match () {
        () if offers.binary_mime => BodyType::BinaryMime,
        () if offers.eight_bit_mime => BodyType::EightBitMime,
        () => BodyType::SevenBit,
    };
    if rank(envelope.body) > rank(most) {
        return Some(Lack::Convert(most));
    }
    if offers.size.is_some_and(|most| most > 0 && envelope.size > most) {
        let why = Said::ours(Enhanced(5, 3, 4), "the message is over the server's size limit");
        return Some(Lack::Refuse { why, here_only: false });
    }
    None
}

/// What the server lacks for this one.
pub(super) fn lack_for(recipient: &Recipient, offers: &Extensions) -> Option<Said> {
    if recipient.rrvs.is_some_and(|rrvs| rrvs.action == RrvsAction::Reject) && !offers.rrvs {
        // RFC 7293 section 5.2.
        return Some(Said::ours(Enhanced(5, 7, 19), "RRVS is to be kept or refused, and the server does not offer it"));
    }
    if !recipient.address.is_ascii() && !offers.smtp_utf8 {
        return Some(Said::ours(Enhanced(5, 6, 7), "the address is UTF-8, and the server offers no SMTPUTF8"));
    }
    None
}

fn rank(body: BodyType) -> u8 {
    match body {
        BodyType::SevenBit => 0,
        BodyType::EightBitMime => 1,
        BodyType::BinaryMime => 2,
    }
}

//! What a header says of a body: Content-Transfer-Encoding and Content-Type (RFC 2045 sections 5
//! and 6), as far as re-encoding asks.

use crate::digest::media::{MediaType, token_field};

/// Content-Transfer-Encoding (RFC 2045 section 6.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    SevenBit,
    EightBit,
    Binary,
    /// Another: the octets mean others.
    Other,
}

/// What matters of a Content-Type.
#[derive(Debug)]
pub(super) enum Media {
    Text,
    Octets,
    Multipart { boundary: Vec<u8>, digest: bool, signed: bool },
    Rfc822,
    Message,
}

impl Media {
    pub(super) fn of(value: &[u8]) -> Self {
        let media = MediaType::parse(value).unwrap_or(MediaType::TEXT);
        if media.is("multipart") {
            let boundary = media.parameter("boundary").unwrap_or_default().trim_ascii_end().to_vec();
            return Self::Multipart {
                boundary,
                digest: media.is_subtype("digest"),
                signed: media.is_subtype("signed"),
            };
        }
        if !media.is("message") {
            return if media.is("text") { Self::Text } else { Self::Octets };
        }
        // RFC 6532 section 3.7 and RFC 6533 section 4: those may be encoded.
        let global = media.subtype.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"global"));
        match media.is_subtype("rfc822") {
            true => Self::Rfc822,
            false if global => Self::Octets,
            false => Self::Message,
        }
    }
}

impl Encoding {
    pub(super) fn of(value: &[u8]) -> Self {
        let (token, _) = token_field(value);
        let is = |of: &str| token.eq_ignore_ascii_case(of.as_bytes());
        match () {
            () if is("7bit") => Self::SevenBit,
            () if is("8bit") => Self::EightBit,
            () if is("binary") => Self::Binary,
            () => Self::Other,
        }
    }
}

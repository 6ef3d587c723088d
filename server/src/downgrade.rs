//! Re-encoding of messages for hosts that do not take them as they are (RFC 6152 section 3,
//! RFC 3030 section 3, RFC 2045 section 6).
//!
//! To a host without 8BITMIME, or without BINARYMIME, a part that holds what the host does not
//! take becomes quoted-printable, if it is text, or base64; what it is in is said to be `7bit`
//! or `8bit`, and all else keeps its octets. Messages come and go in pieces cut anywhere, and
//! memory is bounded, whatever their size.
//!
//! ```
//! use postkern_server::downgrade::{Downgrade, Rules, Survey};
//!
//! let message = b"Subject: menu\r\n\r\ncaf\xe9\r\n";
//! let mut survey = Survey::new(Rules::default());
//! survey.feed(message);
//! let plan = survey.finish()?;
//! assert!(plan.is_needed());
//! let (mut downgrade, mut out) = (Downgrade::new(plan), Vec::new());
//! downgrade.feed(message, &mut out)?;
//! downgrade.finish(&mut out)?;
//! assert_eq!(
//!     String::from_utf8_lossy(&out),
//!     "Subject: menu\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n\
//!      Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9\r\n"
//! );
//! # Ok::<(), postkern_server::downgrade::Cannot>(())
//! ```
//!
//! A header stands before its body, so that whether a part without a label needs another is
//! known too late in one pass. Hence two: a [`Survey`] makes a [`Plan`], a [`Downgrade`]
//! follows it. Where the message can be had once only, as while it is being received, a
//! downgrade goes [by the labels](Downgrade::by_labels). How large the result is, is known at
//! its end: to announce a size, run a downgrade into a buffer that is cleared after each piece,
//! and count.
//!
//! # What is done
//! - Text becomes quoted-printable, other parts base64, if their Content-Transfer-Encoding is
//!   one under which octets mean themselves: `7bit`, `8bit`, `binary` or none.
//! - Without MIME-Version a message gets it; without Content-Type, `text/plain` in a charset
//!   that is unknown (RFC 1428 section 3).
//! - Lines longer than 998 octets, NUL, and CR or LF alone are no more taken than 8-bit octets
//!   are, and re-encoded too.
//! - In text before the first part and behind the last, which readers ignore (RFC 2046 section
//!   5.1.1), such octets become question marks.
//!
//! # What is not
//! - A header that is not ASCII: only SMTPUTF8 takes it (RFC 6531 section 3.2).
//! - Parts below `multipart/signed`: they must not be altered (RFC 1847 section 2.1), unless
//!   the rules say so.
//! - `message/partial`, `message/external-body` and other messages that are not taken apart,
//!   broken multiparts, parts nested deeper than [`NESTING_MAX`], parts past [`PARTS_MAX`]:
//!   RFC 2045 section 6.4 lets nobody encode them.
//! - Parts that are said to be encoded and are not ASCII all the same.
//!
//! Signatures of DKIM are over the body as it was (RFC 6376 section 5.3): who re-encodes it
//! breaks them, as every relay does that downgrades.

mod convert;
mod encode;
mod labels;
mod survey;
mod walk;

use core::fmt;

use postkern::smtp::Enhanced;

pub use self::convert::Downgrade;
pub use self::survey::Survey;
pub(crate) use encode::{Base64, QuotedPrintable};

/// Parts inside of one another that are taken apart, messages counted as parts.
pub const NESTING_MAX: usize = crate::digest::NESTING_MAX;
/// Parts of one message that are taken apart.
pub const PARTS_MAX: usize = crate::digest::PARTS_MAX;
/// Octets of a boundary; RFC 2046 section 5.1.1 allows 70.
pub const BOUNDARY_MAX: usize = 256;
/// Octets of a field that is held. A longer one passes; if it is Content-Type or
/// Content-Transfer-Encoding, its part is not taken apart.
pub const FIELD_MAX: usize = 16 * 1024;

/// What the next host takes, and what may be done for it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// What it takes.
    pub target: Target,
    /// Re-encode what a signature covers (RFC 1847), which then fails to verify.
    pub break_signatures: bool,
}

/// What a host takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Target {
    /// Lines of ASCII: no 8BITMIME.
    #[default]
    SevenBit,
    /// Lines of octets: 8BITMIME without BINARYMIME. Also how we keep messages.
    Lines,
}

/// What has to be done to a message.
#[derive(Clone, Debug)]
pub struct Plan {
    rules: Rules,
    /// Of each entity whether it is re-encoded, or something in it; none to go by labels.
    convert: Option<Vec<bool>>,
    needed: bool,
}

impl Plan {
    /// Whether anything has to be done. If not, the message can go as it is, and a
    /// [`Downgrade`] gives it as it is, but for a last line without CRLF, which gets one.
    pub fn is_needed(&self) -> bool {
        self.needed
    }
}

/// Why a message cannot be re-encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Cannot {
    /// A header holds octets that are not ASCII, or NUL, CR or LF alone.
    Header,
    /// A part that must not be encoded holds what needs it.
    Composite,
    /// A part that is encoded, it says, holds what needs it.
    Encoded,
    /// A signature covers what needs it.
    Signed,
    /// A part holds what needs it, and does not say so.
    Unlabelled,
}

impl Cannot {
    /// What a reply or a report of failure says: X.6.9, that the header needs SMTPUTF8 (RFC
    /// 6531 section 3.5); X.6.3, that it needs a conversion that is not to be had (RFC 3463
    /// section 3.7).
    pub const fn status(self) -> Enhanced {
        match self {
            Self::Header => Enhanced(5, 6, 9),
            Self::Composite | Self::Encoded | Self::Signed | Self::Unlabelled => Enhanced(5, 6, 3),
        }
    }

    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Header => "the header holds octets that are not ASCII text",
            Self::Composite => "a message or multipart inside cannot be re-encoded",
            Self::Encoded => "an encoded part holds octets that its encoding does not have",
            Self::Signed => "a signed part would have to be re-encoded",
            Self::Unlabelled => "a part holds octets that its Content-Transfer-Encoding does not allow",
        }
    }
}

impl fmt::Display for Cannot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Cannot {}

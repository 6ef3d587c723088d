//! What the server machine answers for the application.

use super::reply::{Enhanced, Reply};

pub(super) const SYNTAX: Reply<'static> = Reply::new(501, Enhanced(5, 5, 4), "syntax error in the command's arguments");
pub(super) const UNKNOWN: Reply<'static> = Reply::new(500, Enhanced(5, 5, 2), "unknown command");
pub(super) const BAD_LINE: Reply<'static> =
    Reply::new(500, Enhanced(5, 5, 2), "a line ends in CRLF and holds no other CR, LF or NUL");
pub(super) const ADDRESS: Reply<'static> = Reply::new(501, Enhanced(5, 1, 3), "that is no address");
pub(super) const SENDER: Reply<'static> = Reply::new(501, Enhanced(5, 1, 7), "that is no address");
pub(super) const PARAM: Reply<'static> = Reply::new(555, Enhanced(5, 5, 4), "unknown parameter");
pub(super) const HELLO_FIRST: Reply<'static> = Reply::new(503, Enhanced(5, 5, 1), "say EHLO first");
pub(super) const CHUNK: Reply<'static> =
    Reply::new(501, Enhanced(5, 5, 4), "BDAT takes a number of octets, and LAST: closing");
pub(super) const EARLY: Reply<'static> =
    Reply::new(554, Enhanced(5, 5, 0), "you spoke before it was your turn: closing");
pub(super) const REQUIRE_TLS: Reply<'static> =
    Reply::new(530, Enhanced(5, 7, 10), "REQUIRETLS needs encryption: STARTTLS first");
pub(super) const MAIL_UTF8: Reply<'static> =
    Reply::new(550, Enhanced(5, 6, 7), "an address beyond ASCII needs SMTPUTF8");
pub(super) const RCPT_UTF8: Reply<'static> =
    Reply::new(553, Enhanced(5, 6, 7), "an address beyond ASCII needs SMTPUTF8");
pub(super) const SEQUENCE: Reply<'static> = Reply::new(503, Enhanced(5, 5, 1), "bad sequence of commands");
pub(super) const NOT_HERE: Reply<'static> = Reply::new(502, Enhanced(5, 5, 1), "not offered here");
pub(super) const TOO_BIG: Reply<'static> = Reply::new(552, Enhanced(5, 3, 4), "the message is over the size limit");
pub(super) const STOPPING: Reply<'static> = Reply::new(421, Enhanced(4, 3, 2), "shutting down, try again later");
pub(super) const LACKING: Reply<'static> = Reply::new(451, Enhanced(4, 3, 0), "not decided");
pub(super) const ENCRYPT: Reply<'static> =
    Reply::new(538, Enhanced(5, 7, 11), "encryption is required: STARTTLS first");
pub(super) const MECHANISM: Reply<'static> = Reply::new(504, Enhanced(5, 5, 4), "unknown mechanism");
pub(super) const FAR: Reply<'static> = Reply::new(421, Enhanced(4, 7, 0), "line far too long");
pub(super) const DISCARDED: Reply<'static> =
    Reply::new(421, Enhanced(4, 7, 0), "too much was sent of what is refused: closing");
pub(super) const BARE_NEWLINE: Reply<'static> =
    Reply::new(550, Enhanced(5, 6, 11), "bare CR or LF in the message: lines end in CRLF");
pub(super) const NUL: Reply<'static> = Reply::new(550, Enhanced(5, 6, 0), "the message holds NUL");
pub(super) const CANCELLED: Reply<'static> = Reply::new(501, Enhanced(5, 7, 0), "authentication was cancelled");
pub(super) const NO_RECIPIENTS: Reply<'static> = Reply::new(554, Enhanced(5, 5, 1), "no valid recipients");

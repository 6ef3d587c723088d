//! Trace lines: Received and Return-Path (RFC 5321 section 4.4).

use core::net::IpAddr;

use crate::job::{QueueId, Timestamp};

/// What a Received line tells of how a message came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trace {
    /// What the client said in EHLO.
    pub hello: String,
    /// Where from.
    pub peer: Option<IpAddr>,
    /// Our host name.
    pub by: String,
    /// SMTP, ESMTP, ESMTPS, ESMTPSA, LMTP, ... (RFC 3848).
    pub with: &'static str,
    /// The recipient, if there is one only: more would tell one of another.
    pub recipient: Option<String>,
    /// Hide where a message that was submitted here came from.
    pub conceal_peer: bool,
}

/// The Received line, folded, with its CRLF.
pub fn received(trace: &Trace, id: QueueId, at: Timestamp) -> Vec<u8> {
    let _ = (trace, id, at);
    Vec::new()
}

/// What final delivery puts in front: Return-Path, Delivered-To (RFC 5321 section 4.4).
pub fn delivered(reverse_path: &str, recipient: &str) -> Vec<u8> {
    let _ = (reverse_path, recipient);
    Vec::new()
}

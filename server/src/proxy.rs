//! The header of the PROXY protocol, versions 1 and 2: who connects to the proxy in front of
//! us (haproxy's `doc/proxy-protocol.txt`).
//!
//! It is taken from configured proxies only, and they must send one: else anybody could say
//! to be anybody, or a mistake in the configuration would take the proxy for everybody.

mod stage;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::{self, FromStr};

pub use self::stage::{Admit, Proxied};

/// Octets of a header of version 1 with its CRLF (section 2.1 of the protocol).
pub const V1_MAX: usize = 107;
/// Octets behind the fixed part of a header of version 2: addresses, and what else proxies
/// tell there, which is not looked at. Section 2.2 expects a few hundred; certificates' names
/// may be among it.
pub const V2_MAX: usize = 4096;
/// Octets of a header that must be held to understand it.
pub const HELD_MAX: usize = V1_MAX;

/// The start of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The start of version 1.
const V1: &[u8] = b"PROXY ";
/// The fixed part of version 2.
const V2_FIXED: usize = 16;

/// What the octets of a header so far come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Header {
    /// At least one octet is missing, and so many may be read without reading past its end.
    More(usize),
    /// Who connects.
    Whole {
        /// None if the proxy speaks for itself (a health check), or does not know.
        source: Option<IpAddr>,
        /// Octets of the header that follow and say nothing to us.
        skip: usize,
    },
    /// It is none.
    Bad,
}

/// Reads a header from its start. `octets` are at most [`HELD_MAX`], if no more are read than
/// [`Header::More`] allows.
pub fn read(octets: &[u8]) -> Header {
    let start = &octets[..octets.len().min(SIGNATURE.len())];
    let is_v1 = start.starts_with(V1) || V1.starts_with(start);
    match (is_v1, SIGNATURE.starts_with(start)) {
        (false, false) => Header::Bad,
        // Both are longer.
        _ if octets.len() < SIGNATURE.len() => Header::More(SIGNATURE.len() - octets.len()),
        (true, _) => v1(octets),
        (false, true) => v2(octets),
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 25`
fn v1(octets: &[u8]) -> Header {
    let Some(line) = octets.strip_suffix(b"\r\n") else {
        // Not past the CRLF, which is two octets where no CR stands yet.
        let step = if octets.ends_with(b"\r") { 1 } else { 2 };
        return match V1_MAX.saturating_sub(octets.len()) {
            0 => Header::Bad,
            room => Header::More(step.min(room)),
        };
    };
    let Ok(line) = str::from_utf8(line) else { return Header::Bad };
    let mut words = line.split(' ').skip(1);
    let source = match words.next() {
        // What follows is to be ignored.
        Some("UNKNOWN") => return Header::Whole { source: None, skip: 0 },
        Some("TCP4") => addresses::<Ipv4Addr>(&mut words).map(IpAddr::from),
        Some("TCP6") => addresses::<Ipv6Addr>(&mut words).map(IpAddr::from),
        _ => None,
    };
    match (source, words.next()) {
        (Some(source), None) => Header::Whole { source: Some(source), skip: 0 },
        _ => Header::Bad,
    }
}

/// Source and destination, then their ports; all must be right.
fn addresses<'l, A: FromStr>(words: &mut impl Iterator<Item = &'l str>) -> Option<A> {
    let source = words.next()?.parse().ok()?;
    words.next()?.parse::<A>().ok()?;
    for _ in 0..2 {
        let port = words.next()?;
        let plain = port.bytes().all(|byte| byte.is_ascii_digit()) && (port == "0" || !port.starts_with('0'));
        port.parse::<u16>().ok().filter(|_| plain)?;
    }
    Some(source)
}

fn v2(octets: &[u8]) -> Header {
    let Some((fixed, rest)) = octets.split_at_checked(V2_FIXED) else {
        return Header::More(V2_FIXED - octets.len());
    };
    let len = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if len > V2_MAX {
        return Header::Bad;
    }
    // Octets of the addresses, by family and transport. UNSPEC and UNIX have none that says
    // anything of a client: the connection counts as the proxy's.
    let needed = match (fixed[12], fixed[13]) {
        // LOCAL: whatever follows.
        (0x20, _) => 0,
        (0x21, 0x11) => 12,
        (0x21, 0x21) => 36,
        (0x21, 0x00 | 0x31) => 0,
        _ => return Header::Bad,
    };
    if len < needed {
        return Header::Bad;
    }
    if rest.len() < needed {
        return Header::More(needed - rest.len());
    }
    let source = match needed {
        12 => rest.first_chunk().map(|octets: &[u8; 4]| IpAddr::from(*octets)),
        36 => rest.first_chunk().map(|octets: &[u8; 16]| IpAddr::from(*octets)),
        _ => None,
    };
    Header::Whole { source, skip: len - needed }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Result<(Option<&str>, usize), ()> = Err(());

    /// Feeds a header as it allows, in pieces of at most so many octets; the octets read.
    fn feed(octets: &[u8], piece: usize) -> (Header, usize) {
        let mut at = 0;
        loop {
            match read(&octets[..at]) {
                Header::More(most) if at < octets.len() => {
                    assert!(most > 0);
                    at += most.min(piece).min(octets.len() - at);
                    assert!(at <= HELD_MAX);
                }
                header => return (header, at),
            }
        }
    }

    fn check(octets: &[u8], is: Result<(Option<&str>, usize), ()>) {
        for piece in [1, 2, 7, usize::MAX] {
            let is = match is {
                Ok((source, skip)) => Header::Whole { source: source.map(|text| text.parse().unwrap()), skip },
                Err(()) => Header::Bad,
            };
            assert_eq!(feed(octets, piece).0, is, "{}", octets.escape_ascii());
        }
    }

    #[test]
    fn version_1() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MAX - 16));
        assert_eq!(long.len(), V1_MAX);
        let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MAX - 15));
        for (line, is) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n", Ok((Some("192.0.2.1"), 0))),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Ok((Some("255.255.255.255"), 0))),
            ("PROXY TCP4 1.1.1.1 1.1.1.1 0 1\r\n", Ok((Some("1.1.1.1"), 0))),
            ("PROXY TCP6 2001:db8::1 ::1 56324 25\r\n", Ok((Some("2001:db8::1"), 0))),
            (
                "PROXY TCP6 ffff:f00f:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                Ok((Some("ffff:f00f:ffff:ffff:ffff:ffff:ffff:ffff"), 0)),
            ),
            ("PROXY UNKNOWN\r\n", Ok((None, 0))),
            ("PROXY UNKNOWN what ever\r\n", Ok((None, 0))),
            (long.as_str(), Ok((None, 0))),
            (longer.as_str(), BAD),
            ("PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n", BAD),
            ("PROXY TCP4 192.0.2.1 198.51.100.7 56324 25 1\r\n", BAD),
            ("PROXY TCP4  192.0.2.1 198.51.100.7 56324 25\r\n", BAD),
            ("PROXY TCP4 192.0.2.1 198.51.100.7 56324 65536\r\n", BAD),
            ("PROXY TCP4 192.0.2.1 198.51.100.7 056324 25\r\n", BAD),
            ("PROXY TCP4 192.0.2.1 198.51.100.7 +1 25\r\n", BAD),
            ("PROXY TCP4 2001:db8::1 ::1 56324 25\r\n", BAD),
            ("PROXY TCP6 192.0.2.1 192.0.2.2 56324 25\r\n", BAD),
            ("PROXY UDP4 192.0.2.1 192.0.2.2 56324 25\r\n", BAD),
            ("PROXY \r\n\r\n\r\n\r\n", BAD),
            ("PROXX TCP4 ", BAD),
            ("EHLO client.example\r\n", BAD),
            ("proxy TCP4 192.0.2.1 198.51.100.7 56324 25\r\n", BAD),
        ] {
            check(line.as_bytes(), is);
        }
    }

    #[test]
    fn nothing_behind_a_header_is_read() {
        let lines = ["PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n", "PROXY UNKNOWN\r\n", "PROXY UNKNOWN x\r\n"];
        for line in lines {
            let more = format!("{line}EHLO x\r\n");
            for piece in [1, 2, 3, usize::MAX] {
                assert_eq!(feed(more.as_bytes(), piece).1, line.len(), "{line}");
            }
        }
        let header = [v2_header(0x21, 0x11, 12, &[192, 0, 2, 1, 1, 1, 1, 1, 0, 1, 0, 2]), vec![0x16, 3, 1]].concat();
        assert_eq!(feed(&header, usize::MAX).1, header.len() - 3);
    }

    fn v2_header(command: u8, family: u8, len: u16, rest: &[u8]) -> Vec<u8> {
        [&SIGNATURE[..], &[command, family], &len.to_be_bytes(), rest].concat()
    }

    #[test]
    fn version_2() {
        let four = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 4, 0, 25];
        let six = ["2001:db8::1", "::1"].map(|text| text.parse::<Ipv6Addr>().unwrap().octets()).concat();
        let six = [six, vec![0xdc, 4, 0, 25]].concat();
        for (header, is) in [
            (v2_header(0x21, 0x11, 12, &four), Ok((Some("192.0.2.1"), 0))),
            (v2_header(0x21, 0x11, 12 + 30, &four), Ok((Some("192.0.2.1"), 30))),
            (v2_header(0x21, 0x11, V2_MAX as u16, &four), Ok((Some("192.0.2.1"), V2_MAX - 12))),
            (v2_header(0x21, 0x21, 36, &six), Ok((Some("2001:db8::1"), 0))),
            (v2_header(0x20, 0x00, 0, &[]), Ok((None, 0))),
            (v2_header(0x20, 0x11, 12, &[]), Ok((None, 12))),
            (v2_header(0x21, 0x00, 5, &[]), Ok((None, 5))),
            (v2_header(0x21, 0x31, 216, &[]), Ok((None, 216))),
            (v2_header(0x21, 0x11, V2_MAX as u16 + 1, &four), BAD),
            (v2_header(0x21, 0x11, 11, &four), BAD),
            (v2_header(0x21, 0x21, 12, &four), BAD),
            (v2_header(0x21, 0x12, 12, &four), BAD),
            (v2_header(0x22, 0x11, 12, &four), BAD),
            (v2_header(0x11, 0x11, 12, &four), BAD),
            (v2_header(0x31, 0x11, 12, &four), BAD),
        ] {
            check(&header, is);
        }
        check(b"\r\n\r\n\0\r\nQUIX\n", BAD);
    }
}

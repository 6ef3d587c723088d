//! Values as people write them: sizes, durations, names, addresses.
//!
//! Each reader gives what is meant, or words that follow the value in an error: what is wrong
//! with it, and what would be right.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use postkern::smtp;

use crate::idn;

/// Octets of a domain name in text (RFC 1035 section 2.3.4: 255 in its other form).
const DOMAIN_MAX: usize = 253;

/// What a value is, or what is wrong with it.
pub(super) type Read<T> = Result<T, String>;

/// A domain name, put into lower case.
pub(super) fn domain(text: &str) -> Read<String> {
    if !text.is_ascii() {
        return Err("is not ASCII: write the A-labels (RFC 5890), as in \"xn--bcher-kva.example\"".into());
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err("is an address, and must be a domain name, as in \"mail.example.org\"".into());
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if !plain || !smtp::is_domain(text) || text.len() > DOMAIN_MAX {
        return Err("is no domain name: labels of letters, digits and hyphens, as in \"mail.example.org\"".into());
    }
    Ok(text.to_ascii_lowercase())
}

/// A mailbox, `local-part@domain`, as it is: perhaps beyond ASCII (RFC 6531 section 3.3).
pub(super) fn mailbox(text: &str) -> Read<&str> {
    let is_right = smtp::is_mailbox_utf8(text) && idn::with_ascii_domain(text).is_some();
    match is_right {
        true => Ok(text),
        false => Err("is no address: write local part, @ and domain, as in \"postmaster@example.org\"".into()),
    }
}

/// An address and a port.
pub(super) fn socket(text: &str) -> Read<SocketAddr> {
    text.parse().map_err(|_| "is no address with a port, as in \"0.0.0.0:25\" or \"[::]:25\"".into())
}

/// An address, with a port or without.
pub(super) fn server(text: &str, port: u16) -> Read<SocketAddr> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => text.parse().ok(),
    };
    address
        .map(|address| SocketAddr::new(address, port))
        .or_else(|| text.parse().ok().filter(|server: &SocketAddr| server.port() != 0))
        .ok_or_else(|| "is no address, as in \"192.0.2.53\" or \"[2001:db8::53]:53\"".into())
}

/// The name or address of a host to connect to; an address without brackets.
pub(super) fn host(text: &str) -> Read<String> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match inner.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => domain(text).map_err(|why| format!("{why}; or an address, as in \"192.0.2.25\"")),
    }
}

/// `15m`, `1h30m`, `5d`: whole numbers with the units s, m, h and d, one behind the other.
pub(super) fn duration(text: &str) -> Read<Duration> {
    let read = || {
        let (mut seconds, mut rest) = (0_u64, text);
        while !rest.is_empty() {
            let digits = rest.find(|character: char| !character.is_ascii_digit())?;
            let number: u64 = rest[..digits].parse().ok()?;
            let unit = match rest.as_bytes()[digits] {
                b's' => 1,
                b'm' => 60,
                b'h' => 60 * 60,
                b'd' => 24 * 60 * 60,
                _ => return None,
            };
            seconds = seconds.checked_add(number.checked_mul(unit)?)?;
            rest = &rest[digits + 1..];
        }
        (!text.is_empty()).then_some(Duration::from_secs(seconds))
    };
    read().ok_or_else(|| "is no time: write seconds as a number, or \"30s\", \"15m\", \"1h\", \"5d\"".into())
}

/// `50MB` is fifty million octets, `50MiB` fifty times 1024 times 1024.
pub(super) fn size(text: &str) -> Read<u64> {
    let read = || {
        let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().ok()?;
        let unit: u64 = match text[digits..].trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1000,
            "mb" => 1000 * 1000,
            "gb" => 1000 * 1000 * 1000,
            "kib" => 1024,
            "mib" => 1024 * 1024,
            "gib" => 1024 * 1024 * 1024,
            _ => return None,
        };
        number.checked_mul(unit)
    };
    read().ok_or_else(|| "is no size: write octets as a number, or \"50MB\", \"50MiB\"".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, is) in [
            ("0", Some(0)),
            ("1000", Some(1000)),
            ("50MB", Some(50_000_000)),
            ("50 MB", Some(50_000_000)),
            ("50MiB", Some(52_428_800)),
            ("3kb", Some(3000)),
            ("2GiB", Some(2 << 30)),
            ("", None),
            ("MB", None),
            ("-1", None),
            ("+1", None),
            ("1.5MB", None),
            ("1M", None),
            ("99999999999999999999", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(size(text).ok(), is, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, is) in [
            ("30s", Some(30)),
            ("15m", Some(900)),
            ("1h", Some(3600)),
            ("1h30m", Some(5400)),
            ("5d", Some(432_000)),
            ("0s", Some(0)),
            ("", None),
            ("15", None),
            ("m", None),
            ("15 m", None),
            ("15min", None),
            ("-1s", None),
            ("1ä", None),
            ("99999999999999999999s", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(duration(text).ok().map(|time| time.as_secs()), is, "{text}");
        }
    }

    #[test]
    fn names_and_addresses() {
        let long = ["a".repeat(60).as_str(); 5].join(".");
        for (text, is) in [
            ("Mail.Example.ORG", Some("mail.example.org")),
            ("localhost", Some("localhost")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("bücher.example", None),
            ("192.0.2.1", None),
            ("::1", None),
            ("[192.0.2.1]", None),
            ("a_b.example", None),
            ("example.org.", None),
            ("-a.example", None),
            ("a b", None),
            ("", None),
            (&long, None),
        ] {
            assert_eq!(domain(text).ok().as_deref(), is, "{text}");
        }
        for (text, is) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("192.0.2.53:5353", Some("192.0.2.53:5353")),
            ("::1", Some("[::1]:53")),
            ("[::1]", Some("[::1]:53")),
            ("[::1]:5353", Some("[::1]:5353")),
            ("192.0.2.53:0", None),
            ("[192.0.2.53]", None),
            ("dns.example", None),
        ] {
            assert_eq!(server(text, 53).ok().map(|server| server.to_string()).as_deref(), is, "{text}");
        }
        for (text, is) in [
            ("Relay.example", Some("relay.example")),
            ("192.0.2.25", Some("192.0.2.25")),
            ("[192.0.2.25]", Some("192.0.2.25")),
            ("[::1]", Some("::1")),
            ("::1", Some("::1")),
            ("192.0.2.25:25", None),
            ("a b", None),
        ] {
            assert_eq!(host(text).ok().as_deref(), is, "{text}");
        }
    }
}

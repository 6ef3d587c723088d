//! Domains beyond ASCII (RFC 5890): what a client writes as U-labels is kept and compared as
//! A-labels, as it stands in DNS and in the configuration.

use std::borrow::Cow;

use idna::AsciiDenyList;
use postkern::smtp;

/// A domain as A-labels: itself if it is ASCII already; none if it has no such form.
///
/// By UTS 46 without transitional processing, as IDNA2008 for all that is registered.
pub fn to_ascii(domain: &str) -> Option<Cow<'_, str>> {
    if domain.is_ascii() {
        return Some(Cow::Borrowed(domain));
    }
    // Characters that mean nothing are dropped, so that a label may have none left.
    idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::URL).ok().filter(|ascii| smtp::is_domain(ascii))
}

/// An address with its domain as A-labels; none if that has no such form. The local part is
/// as it was: what UTF-8 means in it is its host's to say (RFC 6531 section 3.2).
pub fn with_ascii_domain(address: &str) -> Option<Cow<'_, str>> {
    let Some((local, domain)) = address.rsplit_once('@').filter(|(_, domain)| !domain.is_ascii()) else {
        return Some(Cow::Borrowed(address));
    };
    Some(Cow::Owned(format!("{local}@{}", to_ascii(domain)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_have_one_form() {
        for (address, is) in [
            ("a@b.test", Some("a@b.test")),
            ("A@B.Test", Some("A@B.Test")),
            ("a@b\u{fc}cher.example", Some("a@xn--bcher-kva.example")),
            ("a@B\u{dc}CHER.Example", Some("a@xn--bcher-kva.example")),
            ("a@bu\u{308}cher.example", Some("a@xn--bcher-kva.example")),
            ("\u{e4}@b.test", Some("\u{e4}@b.test")),
            ("\u{e4}@\u{4f8b}\u{5b50}.example", Some("\u{e4}@xn--fsqu00a.example")),
            ("a@fa\u{df}.example", Some("a@xn--fa-hia.example")),
            ("a@\u{200b}.example", None),
            ("a@x\u{202e}y.example", None),
            ("postmaster", Some("postmaster")),
            ("", Some("")),
        ] {
            assert_eq!(with_ascii_domain(address).as_deref(), is, "{address}");
        }
    }
}

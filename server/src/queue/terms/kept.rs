//! Terms as a store keeps them: words parted by spaces, in ASCII but for what of ORCPT is not.
//!
//! What is asked for nothing is no word, so that most messages keep an empty text. A word that
//! is not known was written by a newer version, which the store's own version keeps out; it is
//! passed over.

use postkern::smtp::{ByMode, DeliverBy, Hold, Notify, Priority, Ret, RrvsAction, ValidSince};

use super::{RecipientTerms, Terms};

impl Terms {
    /// For the store; [`from_text`](Self::from_text) reads it.
    pub fn to_text(&self) -> String {
        let mut words = Vec::new();
        for (is, word) in [
            (self.smtp_utf8, "utf8"),
            (self.binary, "binary"),
            (self.require_tls, "requiretls"),
            (self.tls_optional, "tlsoptional"),
            (self.ret == Some(Ret::Full), "ret=full"),
            (self.ret == Some(Ret::Headers), "ret=hdrs"),
        ] {
            if is {
                words.push(word.to_owned());
            }
        }
        words.extend(self.envid.as_ref().map(|envid| format!("envid={envid}")));
        words.extend(self.hold.map(|hold| match hold {
            Hold::For(seconds) => format!("holdfor={seconds}"),
            Hold::Until(until) => format!("holduntil={until}"),
        }));
        words.extend(self.by.map(|by| {
            let mode = if by.mode == ByMode::Return { "R" } else { "N" };
            format!("by={};{mode}{}", by.seconds, if by.trace { "T" } else { "" })
        }));
        words.extend(self.priority.map(|priority| format!("priority={}", priority.get())));
        words.join(" ")
    }

    /// What [`to_text`](Self::to_text) wrote.
    pub fn from_text(text: &str) -> Self {
        let mut terms = Self::default();
        for (name, value) in words(text) {
            match name {
                "utf8" => terms.smtp_utf8 = true,
                "binary" => terms.binary = true,
                "requiretls" => terms.require_tls = true,
                "tlsoptional" => terms.tls_optional = true,
                "ret" => terms.ret = Some(if value == "full" { Ret::Full } else { Ret::Headers }),
                "envid" => terms.envid = Some(value.into()),
                "holdfor" => terms.hold = value.parse().ok().map(Hold::For),
                "holduntil" => terms.hold = value.parse().ok().map(Hold::Until),
                "by" => terms.by = by(value),
                "priority" => terms.priority = value.parse().ok().and_then(Priority::new),
                _ => {}
            }
        }
        terms
    }
}

impl RecipientTerms {
    /// For the store; [`from_text`](Self::from_text) reads it.
    pub fn to_text(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.notify.map(|notify| {
            let letter = |is, letter| if is { letter } else { "" };
            let (success, failure) = (letter(notify.success(), "s"), letter(notify.failure(), "f"));
            format!("notify={success}{failure}{}", letter(notify.delay(), "d"))
        }));
        words.extend(self.orcpt.as_ref().map(|orcpt| format!("orcpt={orcpt}")));
        words.extend(self.rrvs.map(|rrvs| {
            let action = if rrvs.action == RrvsAction::Reject { "R" } else { "C" };
            format!("rrvs={};{action}", rrvs.since)
        }));
        words.join(" ")
    }

    /// What [`to_text`](Self::to_text) wrote.
    pub fn from_text(text: &str) -> Self {
        let mut terms = Self::default();
        for (name, value) in words(text) {
            match name {
                "notify" => {
                    let has = |letter| value.contains(letter);
                    terms.notify = Some(Notify::of(has('s'), has('f'), has('d')));
                }
                "orcpt" => terms.orcpt = Some(value.into()),
                "rrvs" => {
                    let action = if value.ends_with('R') { RrvsAction::Reject } else { RrvsAction::Continue };
                    let since = value.split_once(';').and_then(|(since, _)| since.parse().ok());
                    terms.rrvs = since.map(|since| ValidSince { since, action });
                }
                _ => {}
            }
        }
        terms
    }
}

fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(' ').map(|word| word.split_once('=').unwrap_or((word, "")))
}

fn by(value: &str) -> Option<DeliverBy> {
    let (seconds, mode) = value.split_once(';')?;
    let by = if mode.starts_with('R') { ByMode::Return } else { ByMode::Notify };
    Some(DeliverBy { seconds: seconds.parse().ok()?, mode: by, trace: mode.ends_with('T') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_as_they_were_written() {
        let by = |seconds, mode, trace| DeliverBy { seconds, mode, trace };
        for (terms, is) in [
            (Terms::default(), ""),
            (Terms { smtp_utf8: true, binary: true, ..Terms::default() }, "utf8 binary"),
            (Terms { require_tls: true, tls_optional: true, ..Terms::default() }, "requiretls tlsoptional"),
            (Terms { ret: Some(Ret::Full), ..Terms::default() }, "ret=full"),
            (
                Terms { ret: Some(Ret::Headers), envid: Some("a=b+20c".into()), ..Terms::default() },
                "ret=hdrs envid=a=b+20c",
            ),
            (Terms { hold: Some(Hold::For(60)), ..Terms::default() }, "holdfor=60"),
            (Terms { hold: Some(Hold::Until(u32::MAX)), ..Terms::default() }, "holduntil=4294967295"),
            (Terms { by: Some(by(-5, ByMode::Notify, true)), ..Terms::default() }, "by=-5;NT"),
            (Terms { by: Some(by(999, ByMode::Return, false)), ..Terms::default() }, "by=999;R"),
            (Terms { priority: Priority::new(-9), ..Terms::default() }, "priority=-9"),
        ] {
            assert_eq!(terms.to_text(), is);
            assert_eq!(Terms::from_text(is), terms);
        }
        assert_eq!(Terms::from_text("of=tomorrow by= by=x;R holdfor=-1 priority=99"), Terms::default());
    }

    #[test]
    fn terms_of_recipients_are_read_as_they_were_written() {
        let rrvs = |since, action| Some(ValidSince { since, action });
        for (terms, is) in [
            (RecipientTerms::default(), ""),
            (RecipientTerms { notify: Some(Notify::NEVER), ..RecipientTerms::default() }, "notify="),
            (RecipientTerms { notify: Some(Notify::of(true, true, true)), ..RecipientTerms::default() }, "notify=sfd"),
            (
                RecipientTerms {
                    notify: Some(Notify::of(false, true, false)),
                    orcpt: Some("rfc822;a+3Db@c".into()),
                    rrvs: rrvs(-1, RrvsAction::Reject),
                },
                "notify=f orcpt=rfc822;a+3Db@c rrvs=-1;R",
            ),
            (
                RecipientTerms { orcpt: Some("utf-8;jös=é@ö.test".into()), ..RecipientTerms::default() },
                "orcpt=utf-8;jös=é@ö.test",
            ),
            (
                RecipientTerms { rrvs: rrvs(1_700_000_000, RrvsAction::Continue), ..RecipientTerms::default() },
                "rrvs=1700000000;C",
            ),
        ] {
            assert_eq!(terms.to_text(), is);
            assert_eq!(RecipientTerms::from_text(is), terms);
        }
    }
}

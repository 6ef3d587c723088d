//! How a host is met, and what it is told: what the configuration, the route and the sender ask
//! for, together.

use postkern::Instant;
use postkern::smtp::{BodyType, DeliverBy, Envelope, Options, Recipient, TlsPolicy};

use crate::config::{Config, RelayTls};
use crate::queue::{Attempt, Diagnostic, Remote};
use crate::route::Host;

/// TLS with a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Manner {
    pub(super) tls: RelayTls,
    /// From the start.
    pub(super) implicit: bool,
    pub(super) lmtp: bool,
}

impl Manner {
    /// Of an attempt with a host.
    ///
    /// A message that requires TLS (RFC 8689 section 4.2.1) goes to hosts of routes alone: of
    /// those that DNS names we cannot know whether they are the right ones, without DNSSEC and
    /// MTA-STS. One that does without (RFC 8689 section 4.2.2) has TLS where it can be had,
    /// whatever else we ask for; only a password is never sent without.
    ///
    /// # Errors
    /// It must not go there: why.
    pub(super) fn of(attempt: &Attempt, host: &Host, config: &Config) -> Result<Self, Diagnostic> {
        let route = host.route.as_deref();
        let configured = route.and_then(|route| route.tls).unwrap_or(config.relay.tls);
        let implicit = route.is_some_and(|route| route.implicit_tls);
        let lmtp = route.is_some_and(|route| route.lmtp);
        // RFC 8689 section 5: a report goes out all the same.
        let required = attempt.terms.require_tls && !attempt.sender.is_empty();
        if required && route.is_none() {
            let text = "the message requires TLS (RFC 8689), and nothing vouches for the names of the domain's \
                        mail servers: DNS does not, and no route is configured";
            return Err(Diagnostic::ours(Diagnostic::REQUIRE_TLS, text));
        }
        let keeps = implicit || route.is_some_and(|route| route.login.is_some());
        let tls = match configured {
            _ if required => RelayTls::Verified,
            RelayTls::Required | RelayTls::Verified if attempt.terms.tls_optional && !keeps => RelayTls::Opportunistic,
            configured => configured,
        };
        Ok(Self { tls, implicit, lmtp })
    }

    /// Whether the host's certificate must be of its name and trusted.
    pub(super) fn verifies(self) -> bool {
        self.tls == RelayTls::Verified
    }

    /// For the machine; `in_clear` where the handshake has failed, and that is no reason to stop.
    pub(super) fn options(self, hello: &str, in_clear: bool) -> Options {
        let tls = match self.tls {
            _ if self.implicit || in_clear => TlsPolicy::None,
            RelayTls::None => TlsPolicy::None,
            RelayTls::Opportunistic => TlsPolicy::Opportunistic,
            RelayTls::Required | RelayTls::Verified => TlsPolicy::Required,
        };
        Options { lmtp: self.lmtp, tls, verifies: self.verifies(), ..Options::new(hello) }
    }
}

/// The envelope of an attempt for these of its recipients; `began` is when its first connection
/// was made.
pub(super) fn envelope<'a>(
    attempt: &Attempt,
    recipients: impl Iterator<Item = &'a Remote>,
    began: Option<Instant>,
    now: Option<Instant>,
) -> Envelope {
    let terms = &attempt.terms;
    let recipient = |Remote { address, terms }: &Remote| Recipient {
        address: address.clone(),
        notify: terms.notify,
        orcpt: terms.orcpt.clone(),
        rrvs: terms.rrvs,
    };
    let body = match () {
        () if terms.binary => BodyType::BinaryMime,
        () if attempt.eight_bit => BodyType::EightBitMime,
        () => BodyType::SevenBit,
    };
    // RFC 2852 section 4.1.4: the time that it has spent here is gone.
    let here = began.zip(now).map_or(0, |(began, now)| now.since(began).as_secs() as i64);
    let spent = attempt.leased.0.saturating_sub(attempt.queued.0).max(0).saturating_add(here);
    let left = |by: DeliverBy| {
        let seconds = i64::from(by.seconds).saturating_sub(spent).clamp(-999_999_999, 999_999_999);
        DeliverBy { seconds: seconds as i32, ..by }
    };
    Envelope {
        recipients: recipients.map(recipient).collect(),
        body,
        smtp_utf8: terms.smtp_utf8,
        require_tls: terms.require_tls,
        ret: terms.ret,
        envid: terms.envid.clone(),
        by: terms.by.map(left),
        priority: terms.priority,
        ..Envelope::new(attempt.sender.clone(), attempt.size)
    }
}

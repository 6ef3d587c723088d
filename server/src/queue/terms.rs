//! What a sender asked for a message and for each of its recipients, as the queue keeps it.

mod kept;

use postkern::smtp::{
    BodyType, DeliverBy, Hold, MailParams, Notify, OriginalRecipient, Priority, RcptParams, Ret, ValidSince,
};

use crate::job::Timestamp;

/// What the sender asked for the message as a whole: the parameters of MAIL that outlive its
/// transaction, and what the header asks of relays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// SMTPUTF8: an address or the header is not ASCII (RFC 6531).
    pub smtp_utf8: bool,
    /// BODY=BINARYMIME (RFC 3030 section 3), until its parts that are so have become base64 or
    /// quoted-printable: what is kept is lines.
    pub binary: bool,
    /// REQUIRETLS (RFC 8689 section 2).
    pub require_tls: bool,
    /// The header field `TLS-Required: No` (RFC 8689 section 5). Of no effect beside
    /// `require_tls`.
    pub tls_optional: bool,
    /// RET.
    pub ret: Option<Ret>,
    /// ENVID: the xtext as it stood on the line.
    pub envid: Option<String>,
    /// HOLDFOR, counted from the acceptance, or HOLDUNTIL.
    pub hold: Option<Hold>,
    /// BY, its seconds counted from the acceptance.
    pub by: Option<DeliverBy>,
    /// MT-PRIORITY.
    pub priority: Option<Priority>,
}

impl Terms {
    /// What MAIL asked for. The header has not been seen yet.
    pub fn of(params: &MailParams<'_>) -> Self {
        Self {
            smtp_utf8: params.smtp_utf8,
            binary: params.body == Some(BodyType::BinaryMime),
            require_tls: params.require_tls,
            tls_optional: false,
            ret: params.ret,
            envid: params.envid.map(|envid| envid.as_str().into()),
            hold: params.hold,
            by: params.by,
            priority: params.priority,
        }
    }

    /// When a message accepted then may first be sent on (RFC 4865 section 4).
    pub fn held_until(&self, accepted: Timestamp) -> Timestamp {
        match self.hold {
            None => accepted,
            Some(Hold::For(seconds)) => accepted.after(i64::from(seconds)),
            Some(Hold::Until(until)) => accepted.max(Timestamp(until.into())),
        }
    }

    /// When a message accepted then is late (RFC 2852 section 4).
    pub fn late_at(&self, accepted: Timestamp) -> Option<Timestamp> {
        self.by.map(|by| accepted.after(by.seconds.into()))
    }
}

/// What the sender asked for one recipient.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecipientTerms {
    /// NOTIFY.
    pub notify: Option<Notify>,
    /// ORCPT, as `type;address`: both as they stood on the line.
    pub orcpt: Option<String>,
    /// RRVS.
    pub rrvs: Option<ValidSince>,
}

impl RecipientTerms {
    /// What RCPT asked for.
    pub fn of(params: &RcptParams<'_>) -> Self {
        let text = |of: OriginalRecipient<'_>| format!("{};{}", of.address_type(), of.address());
        Self { notify: params.notify, orcpt: params.orcpt.map(text), rrvs: params.rrvs }
    }

    /// What is asked for each of `count` addresses that stand for this recipient; and the
    /// recipient, if the sender is to be told that it stood for several.
    ///
    /// One address takes all along (RFC 3461 section 5.2.7.2). Of several none reports
    /// success, which the report about the alias does (RFC 3461 section 5.2.7.3 (c)).
    pub fn handed_on(self, recipient: &str, count: usize) -> (Self, Option<Remote>) {
        let Some(notify) = self.notify.filter(|notify| count > 1 && notify.success()) else {
            return (self, None);
        };
        let alias = Remote { address: recipient.into(), terms: self.clone() };
        let notify = Notify::of(false, notify.failure(), notify.delay());
        (Self { notify: Some(notify), ..self }, Some(alias))
    }

    /// Of what the sender is told (RFC 3461 section 4.1): without NOTIFY, of failures and of
    /// delays.
    pub fn wants(&self) -> Notify {
        self.notify.unwrap_or(Notify::of(false, true, true))
    }
}

/// A recipient elsewhere.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Remote {
    /// The forward-path without brackets, its domain in ASCII unless the message is of
    /// SMTPUTF8.
    pub address: String,
    /// What the sender asked for it.
    pub terms: RecipientTerms,
}

impl Remote {
    /// A recipient for which nothing was asked.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), terms: RecipientTerms::default() }
    }
}

//! The parameters of MAIL and RCPT, the same values on both sides: what a client writes is
//! what a server reads.

/// What a message's body may hold.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyType {
    /// Octets below 128, in lines.
    SevenBit,
    /// All octets, in lines (RFC 6152).
    EightBitMime,
    /// All octets, in lines or not: by BDAT only (RFC 3030 section 3).
    BinaryMime,
}

/// The parameters of MAIL, checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MailParams<'i> {
    /// Octets that the client means to send (RFC 1870).
    pub size: Option<u64>,
    /// BODY (RFC 6152, RFC 3030).
    pub body: Option<BodyType>,
    /// SMTPUTF8: addresses or header hold UTF-8 (RFC 6531).
    pub smtp_utf8: bool,
    /// AUTH: who submitted it first (RFC 4954 section 5); `<>` if that is not known.
    pub auth: Option<Xtext<'i>>,
    /// RET: how much of the message a failure report returns (RFC 3461 section 4.3).
    pub ret: Option<Ret>,
    /// ENVID: the sender's name for this transaction (RFC 3461 section 4.4).
    pub envid: Option<Xtext<'i>>,
    /// REQUIRETLS: on no hop without verified TLS (RFC 8689).
    pub require_tls: bool,
    /// HOLDFOR, HOLDUNTIL: not to be sent on before (RFC 4865).
    pub hold: Option<Hold>,
    /// BY: the time that delivery may take (RFC 2852).
    pub by: Option<DeliverBy>,
    /// MT-PRIORITY: -9 to 9, what is above 0 before the rest (RFC 6710).
    pub priority: Option<Priority>,
}

/// The parameters of RCPT, checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RcptParams<'i> {
    /// NOTIFY: of what the sender wants reports (RFC 3461 section 4.1).
    pub notify: Option<Notify>,
    /// ORCPT: the address that the sender gave first (RFC 3461 section 4.2).
    pub orcpt: Option<OriginalRecipient<'i>>,
    /// RRVS: only if the mailbox has had the same owner since (RFC 7293).
    pub rrvs: Option<ValidSince>,
}

/// Text with `+` and its octets beyond printable ASCII written as `+XX` (RFC 3461 section 4),
/// as it stands on the line.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Xtext<'i>(pub(super) &'i str);

impl<'i> Xtext<'i> {
    /// As it stands on the line.
    pub const fn as_str(self) -> &'i str {
        self.0
    }
}

/// RET.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ret {
    /// FULL.
    Full,
    /// HDRS.
    Headers,
}

/// NOTIFY: never, or at least one of three.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Notify(pub(super) u8);

/// ORCPT: an address type and an address.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct OriginalRecipient<'i> {
    /// `rfc822`, `utf-8`, or another of the registered types.
    pub address_type: &'i str,
    /// The address as it stands on the line: xtext, or for `utf-8` what RFC 6533 section 3
    /// has.
    pub address: &'i str,
}

/// HOLDFOR or HOLDUNTIL.
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hold {
    /// So many seconds.
    For(u32),
    /// Until so many seconds after 1970-01-01T00:00:00Z.
    Until(u32),
}

/// BY.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeliverBy {
    /// Seconds that are left: -999999999 to 999999999.
    pub seconds: i32,
    /// What is to happen when they are over.
    pub mode: ByMode,
    /// Whether the sender wants to hear of relaying (`T`).
    pub trace: bool,
}

/// What happens to a message that is late (RFC 2852 section 4).
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ByMode {
    /// `N`: the sender is told, and delivery goes on.
    Notify,
    /// `R`: it is returned.
    Return,
}

/// MT-PRIORITY: -9 to 9.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Priority(pub(super) i8);

/// RRVS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ValidSince {
    /// Seconds after 1970-01-01T00:00:00Z.
    pub since: i64,
    /// What a server does that hands on to one without RRVS (RFC 7293 section 5.2).
    pub action: RrvsAction,
}

/// The last letter of RRVS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RrvsAction {
    /// `C`, or none: go on without it.
    #[default]
    Continue,
    /// `R`: reject.
    Reject,
}

impl Notify {
    /// NEVER.
    pub const NEVER: Self = Self(0);
    /// SUCCESS alone.
    pub const SUCCESS: Self = Self(1);
    /// FAILURE alone.
    pub const FAILURE: Self = Self(2);
    /// DELAY alone.
    pub const DELAY: Self = Self(4);

    /// These events, and those of another.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all events of another are among these.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These events but for those of another; NEVER if none is left.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl Priority {
    /// If it is one.
    pub const fn new(priority: i8) -> Option<Self> {
        if priority < -9 || priority > 9 { None } else { Some(Self(priority)) }
    }

    /// -9 to 9.
    pub const fn get(self) -> i8 {
        self.0
    }
}

//! What a server said that it can do (RFC 3501 section 7.2.1).

use super::command::Words;

/// The capabilities that this client makes use of. All false until the server has said them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Any were said since the connection, the layer or the login changed.
    pub known: bool,
    /// IMAP4rev1
    pub imap4rev1: bool,
    /// STARTTLS
    pub starttls: bool,
    /// LOGINDISABLED: LOGIN is not to be said.
    pub login_disabled: bool,
    /// AUTH=PLAIN
    pub auth_plain: bool,
    /// AUTH=LOGIN
    pub auth_login: bool,
    /// SASL-IR (RFC 4959)
    pub sasl_ir: bool,
    /// LITERAL+ (RFC 7888)
    pub literal_plus: bool,
    /// LITERAL- (RFC 7888)
    pub literal_minus: bool,
    /// IDLE (RFC 2177)
    pub idle: bool,
    /// NAMESPACE (RFC 2342)
    pub namespace: bool,
    /// ID (RFC 2971)
    pub id: bool,
    /// UNSELECT (RFC 3691)
    pub unselect: bool,
    /// UIDPLUS (RFC 4315)
    pub uidplus: bool,
    /// ENABLE (RFC 5161)
    pub enable: bool,
    /// SPECIAL-USE (RFC 6154)
    pub special_use: bool,
    /// MOVE (RFC 6851)
    pub moves: bool,
}

impl Capabilities {
    /// Of the words of a CAPABILITY response or code, each of any case.
    pub fn of(words: Words<'_>) -> Self {
        let mut known = Self { known: true, ..Self::default() };
        words.iter().for_each(|word| known.learn(word));
        known
    }

    /// Whether short literals may be said without waiting for the server.
    pub(super) fn unasked_literals(self) -> bool {
        self.literal_plus || self.literal_minus
    }

    fn learn(&mut self, word: &str) {
        for (name, has) in [
            ("IMAP4rev1", &mut self.imap4rev1),
            ("STARTTLS", &mut self.starttls),
            ("LOGINDISABLED", &mut self.login_disabled),
            ("AUTH=PLAIN", &mut self.auth_plain),
            ("AUTH=LOGIN", &mut self.auth_login),
            ("SASL-IR", &mut self.sasl_ir),
            ("LITERAL+", &mut self.literal_plus),
            ("LITERAL-", &mut self.literal_minus),
            ("IDLE", &mut self.idle),
            ("NAMESPACE", &mut self.namespace),
            ("ID", &mut self.id),
            ("UNSELECT", &mut self.unselect),
            ("UIDPLUS", &mut self.uidplus),
            ("ENABLE", &mut self.enable),
            ("SPECIAL-USE", &mut self.special_use),
            ("MOVE", &mut self.moves),
        ] {
            *has |= word.eq_ignore_ascii_case(name);
        }
    }
}

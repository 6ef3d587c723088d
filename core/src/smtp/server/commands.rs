//! Which commands are in sequence, and what is asked of the application.

use alloc::vec::Vec;

use super::chunks::Chunking;
use super::{Event, Hello, Server, State, say};
use crate::line::strict;
use crate::smtp::command::{self, Bad, Knows, Line, Verb};
use crate::smtp::config::Protocol;
use crate::smtp::params::{BodyType, MailParams};
use crate::smtp::path::Path;
use crate::smtp::reply::{Enhanced, Reply};

impl Server {
    /// Which commands are in sequence (RFC 5321 section 4.1.4).
    pub(super) fn command<'i>(&mut self, line: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        let Some(line) = strict(line) else {
            self.ends_group(true);
            // Its size may be there to be read, but not so as to be sure of it.
            return match command::is_bdat(line) {
                true => self.bad_chunk(out),
                false => self.refuse(&say::BAD_LINE, out),
            };
        };
        let knows = Knows { offers: self.config.offers, auth: !self.config.auth.is_empty() };
        let parsed = command::parse(line, &knows);
        self.ends_group(match &parsed {
            Ok((Line::Bdat(..), _)) => false,
            _ if self.hello != Hello::Ehlo => true,
            _ => !command::may_be_followed(line),
        });
        if self.refusing && !matches!(parsed, Ok((Line::Quit, _))) {
            return self.refuse(&say::SEQUENCE, out);
        }
        let line = match parsed {
            Ok((line, loose)) => {
                self.note(loose);
                line
            }
            Err(bad) => {
                let reply = match bad {
                    Bad::Unknown => say::UNKNOWN,
                    Bad::Syntax => say::SYNTAX,
                    Bad::Address => say::ADDRESS,
                    Bad::Sender => say::SENDER,
                    Bad::Param => say::PARAM,
                    Bad::Chunk => return self.bad_chunk(out),
                };
                return self.refuse(&reply, out);
            }
        };
        let lmtp = self.config.protocol == Protocol::Lmtp;
        match line {
            Line::Ehlo(_) | Line::Helo(_) if lmtp => self.refuse(&say::UNKNOWN, out),
            Line::Lhlo(_) if !lmtp => self.refuse(&say::UNKNOWN, out),
            Line::Ehlo(name) | Line::Lhlo(name) => {
                Event::Hello { name, extended: true, ticket: self.ticket(Verb::Ehlo) }
            }
            Line::Helo(name) => Event::Hello { name, extended: false, ticket: self.ticket(Verb::Helo) },
            Line::Noop => Event::Noop { ticket: self.ticket(Verb::Other) },
            Line::Vrfy(argument, utf8) => Event::Vrfy { argument, utf8, ticket: self.ticket(Verb::Other) },
            Line::Expn(argument, utf8) => Event::Expn { argument, utf8, ticket: self.ticket(Verb::Other) },
            Line::Help(topic) => Event::Help { topic, ticket: self.ticket(Verb::Other) },
            Line::Rset => Event::Rset { ticket: self.ticket(Verb::Rset) },
            Line::Quit => Event::Quit { ticket: self.ticket(Verb::Quit) },
            Line::StartTls if self.secure || !self.config.tls => self.refuse(&say::NOT_HERE, out),
            Line::StartTls if self.mail => self.refuse(&say::SEQUENCE, out),
            Line::StartTls => Event::StartTls { ticket: self.ticket(Verb::StartTls) },
            Line::Bdat(size, last) => self.bdat(size, last),
            Line::Etrn(_) if !self.config.offers.etrn => self.refuse(&say::NOT_HERE, out),
            Line::Xclient(_) if !self.config.offers.xclient => self.refuse(&say::NOT_HERE, out),
            Line::Mail(..) | Line::Rcpt(..) | Line::Data | Line::Auth(..) | Line::Etrn(_) | Line::Xclient(_)
                if self.hello == Hello::None =>
            {
                self.refuse(&say::HELLO_FIRST, out)
            }
            Line::Etrn(_) | Line::Xclient(_) if self.mail => self.refuse(&say::SEQUENCE, out),
            Line::Etrn(argument) => Event::Etrn { argument, ticket: self.ticket(Verb::Other) },
            Line::Xclient(attributes) => Event::Xclient { attributes, ticket: self.ticket(Verb::Xclient) },
            Line::Mail(from, params) => self.mail_from(from, params, out),
            Line::Rcpt(..) | Line::Data if !self.mail || self.chunking != Chunking::None => {
                // RFC 3030 section 2: DATA and BDAT cannot be used in one transaction.
                self.refuse(&say::SEQUENCE, out)
            }
            // RFC 6531 section 3.5.
            Line::Rcpt(to, _) if !self.utf8 && !to.is_ascii() => self.refuse(&say::RCPT_UTF8, out),
            Line::Rcpt(..) if self.recipients >= self.config.limits.recipients => {
                // RFC 5321 section 4.5.3.1.10: the client sends the rest in another message.
                Reply::new(452, Enhanced(4, 5, 3), "too many recipients").write(self.hello == Hello::Ehlo, true, out);
                Event::Refused { code: 452 }
            }
            Line::Rcpt(to, params) => Event::Rcpt { to, params, ticket: self.ticket(Verb::Rcpt) },
            // RFC 3030 section 3: BINARYMIME cannot be used with DATA.
            Line::Data if self.binary => self.refuse(&say::SEQUENCE, out),
            // RFC 2033 section 4.2: 503 to DATA without a recipient.
            Line::Data if self.recipients == 0 && lmtp => self.refuse(&say::SEQUENCE, out),
            Line::Data if self.recipients == 0 => self.refuse(&say::NO_RECIPIENTS, out),
            Line::Data => Event::Data { chunked: false, ticket: self.ticket(Verb::Data) },
            Line::Auth(mechanism, initial) => self.auth(mechanism, initial, out),
        }
    }

    fn mail_from<'i>(&mut self, from: Path<'i>, params: MailParams<'i>, out: &mut Vec<u8>) -> Event<'i> {
        if self.chunking == Chunking::Failed {
            // The client was told, and begins anew without RSET.
            self.clear();
        }
        let limits = &self.config.limits;
        match () {
            () if self.mail => self.refuse(&say::SEQUENCE, out),
            () if limits.messages.is_some_and(|most| self.messages >= most) => {
                // RFC 9422 section 4.1: the client was told, or connects again.
                Reply::new(452, Enhanced(4, 5, 3), "too many messages").write(self.hello == Hello::Ehlo, true, out);
                Event::Refused { code: 452 }
            }
            // RFC 8689 section 2: it is not offered before STARTTLS.
            () if params.require_tls && !self.secure => self.refuse(&say::REQUIRE_TLS, out),
            // RFC 6531 section 3.5.
            () if !params.smtp_utf8 && !from.is_ascii() => self.refuse(&say::MAIL_UTF8, out),
            () if params.size.is_some_and(|size| size > limits.message) => self.refuse(&say::TOO_BIG, out),
            () => {
                (self.utf8, self.binary) = (params.smtp_utf8, params.body == Some(BodyType::BinaryMime));
                Event::Mail { from, params, ticket: self.ticket(Verb::Mail) }
            }
        }
    }

    fn auth<'i>(&mut self, mechanism: &'i str, initial: Option<&'i [u8]>, out: &mut Vec<u8>) -> Event<'i> {
        let offered = self.config.auth.has(mechanism);
        match () {
            () if self.config.auth.is_empty() => self.refuse(&say::NOT_HERE, out),
            // RFC 4954 section 4: once a session, not within a transaction, after EHLO.
            () if self.authenticated || self.mail || self.hello != Hello::Ehlo => self.refuse(&say::SEQUENCE, out),
            () if !self.secure && !self.config.auth_in_clear => self.refuse(&say::ENCRYPT, out),
            () if !offered => self.refuse(&say::MECHANISM, out),
            () => Event::Auth { mechanism, initial, ticket: self.ticket(Verb::Auth) },
        }
    }

    pub(super) fn response<'i>(&mut self, line: &'i [u8], out: &mut Vec<u8>) -> Event<'i> {
        self.state = State::Commands;
        match strict(line) {
            None => self.refuse(&say::BAD_LINE, out),
            // RFC 4954 section 4: a lone "*" cancels.
            Some(b"*") => self.refuse(&say::CANCELLED, out),
            Some(response) => Event::Response { response, ticket: self.ticket(Verb::Auth) },
        }
    }
}

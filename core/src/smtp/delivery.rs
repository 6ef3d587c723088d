//! One message to one server: an envelope in, a verdict for each recipient out.
//!
//! A pure machine above [`Client`], fed with its notices. It says EHLO (and HELO where that
//! is not known), secures the connection as its policy asks, logs in, sends the envelope in as
//! few round trips as PIPELINING allows, asks for the message's octets, and knows at any moment
//! what is decided: a connection that breaks leaves the rest undecided, and nothing is
//! called delivered that the server did not take.
//!
//! # One connection, several transactions
//! A server may take fewer recipients at once than there are: it says so beforehand (RFC 9422)
//! or with 452 behind the first it took (RFC 5321 section 4.5.3.1.10). The rest then go in
//! another transaction over the same connection, and the message is asked for again, from its
//! start ([`Delivery::written`] is where it is). Whom the limits leave for another connection is
//! [`Verdict::Postponed`].
//!
//! # What the server lacks
//! Nothing that a message needs is left away in silence. Where re-encoding helps (octets over 127
//! without 8BITMIME, binary without BINARYMIME) the owner is asked to ([`Progress::Convert`]).
//! What else is needed and not offered fails before MAIL is said: REQUIRETLS (5.7.30, and
//! 5.7.10 without verified TLS), SMTPUTF8 (5.6.7 for addresses, 5.6.9 for the header), BY with R
//! (5.3.3), the size (5.3.4), and for one recipient RRVS with R (5.7.19). DSN, MT-PRIORITY,
//! BY with N and AUTH= are left away where they are not offered, as their RFCs have it.

mod content;
mod envelope;
mod lack;
mod transaction;
mod verdict;

pub use self::content::CHUNK;
pub use self::envelope::{Envelope, Options, Recipient, TlsPolicy};
pub use self::transaction::TRANSACTIONS_MAX;
pub use self::verdict::{SAID_MAX, Said, Verdict};

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use self::content::Content;
use self::lack::{Lack, lack};
use self::transaction::Transaction;
use super::client::{Client, Notice};
use super::command::Verb;
use super::params::BodyType;
use super::reply::{Enhanced, ReplyLines};
use super::request::{Command, SendError};
use crate::sasl::Authenticate;

/// What a delivery wants of its owner.
#[must_use]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Nothing: it waits for the server.
    Go,
    /// The message: [`Delivery::write`] its octets, from the start if none of this transaction
    /// are [`written`](Delivery::written), then [`Delivery::end`]. To keep memory bounded look at
    /// [`Delivery::progress`] behind each piece: while it says [`Go`](Self::Go) the server is
    /// behind.
    Message,
    /// The server takes no more than this: re-encode the message, then [`Delivery::convert`], or
    /// [`Delivery::refuse`].
    Convert(BodyType),
    /// Nothing more: all verdicts are in. QUIT is said, or is as soon as nothing is unanswered;
    /// the connection may be driven to its end or dropped.
    Finished,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Greeting,
    Hello {
        helo: bool,
    },
    StartTls,
    Auth,
    /// The owner is to re-encode the message.
    Convert(BodyType),
    Transaction,
    Finished,
}

/// See the module.
#[derive(Debug)]
pub struct Delivery {
    envelope: Envelope,
    options: Options,
    login: Login,
    stage: Stage,
    secured: bool,
    /// The message was re-encoded.
    converted: bool,
    verdicts: Vec<Option<Verdict>>,
    transaction: Transaction,
    /// MAILs sent.
    mails: u32,
    /// A recipient of each domain that a RCPT has named, where the server limits them.
    domains: Vec<usize>,
    refused_us: bool,
    /// QUIT is due.
    leaves: bool,
}

/// Who logs in; shows no secret.
#[derive(Default)]
struct Login {
    exchange: Option<Box<dyn Authenticate + Send>>,
    /// The initial response, where AUTH had no room for it.
    initial: Option<String>,
    is_done: bool,
}

/// Octets of the line of AUTH with its CRLF: an initial response that makes it longer waits
/// for an empty challenge (RFC 4954 section 4, RFC 5321 section 4.5.3.1.4).
const AUTH_LINE_MAX: usize = 512;

impl core::fmt::Debug for Login {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.exchange.is_some() { "Login(..)" } else { "None" })
    }
}

impl Delivery {
    /// A delivery over a connection just made. `secured` if TLS is in place already.
    pub fn new(envelope: Envelope, options: Options, secured: bool) -> Self {
        let verdicts = alloc::vec![None; envelope.recipients.len()];
        Self {
            envelope,
            options,
            login: Login::default(),
            stage: Stage::Greeting,
            secured,
            converted: false,
            verdicts,
            transaction: Transaction::default(),
            mails: 0,
            domains: Vec::new(),
            refused_us: false,
            leaves: false,
        }
    }

    /// Logs in, once secured as the policy asks: never in plaintext unless
    /// [`TlsPolicy::None`] has it so. It may be given as late as with [`Notice::Secured`], which
    /// is when channel bindings are known.
    pub fn log_in(&mut self, exchange: Box<dyn Authenticate + Send>) {
        self.login = Login { exchange: Some(exchange), ..Login::default() };
    }

    /// Takes what the client machine noticed, and says what follows from it.
    pub fn on(&mut self, notice: Notice<'_>, client: &mut Client, out: &mut Vec<u8>) -> Progress {
        match notice {
            Notice::Reply { verb, reply, .. } => self.reply(verb, reply, client, out),
            Notice::Proceed { body } => self.proceed(body, client, out),
            Notice::Secured => {
                self.secured = true;
                self.hello(false, client, out);
            }
            Notice::Challenge { challenge } => self.challenged(challenge, client, out),
            Notice::Closing { reply } => self.refuse_all(&Said::of(reply), false),
        }
        if self.leaves && client.is_settled() {
            self.quit(client, out);
        }
        self.progress()
    }

    /// Appends a piece of the message.
    pub fn write(&mut self, piece: &[u8], client: &mut Client, out: &mut Vec<u8>) {
        match &mut self.transaction.content {
            Content::Stuffed(body) => client.write(body, piece, out),
            Content::Chunked(chunked) => chunked.write(piece),
            _ => return,
        }
        self.transaction.written += piece.len() as u64;
        self.flush(client, out);
    }

    /// Ends the message.
    pub fn end(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        self.transaction.content = match core::mem::take(&mut self.transaction.content) {
            Content::Stuffed(body) => {
                client.end(body, out);
                Content::Ended
            }
            Content::Chunked(mut chunked) => {
                chunked.end();
                chunked.flush(client, out)
            }
            other => other,
        };
    }

    /// The message was re-encoded: it has now so many octets, and they are of this kind. From
    /// here on this is the message.
    pub fn convert(&mut self, size: u64, body: BodyType, client: &mut Client, out: &mut Vec<u8>) {
        if let Stage::Convert(_) = self.stage {
            (self.envelope.size, self.envelope.body, self.converted) = (size, body, true);
            self.ready(client, out);
        }
    }

    /// The message cannot be re-encoded: it fails with 5.6.3.
    pub fn refuse(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        if let Stage::Convert(most) = self.stage {
            let text = match most {
                BodyType::SevenBit => "the message has 8-bit octets, and the server offers no 8BITMIME",
                _ => "the message is binary, and the server offers no BINARYMIME",
            };
            self.refused_us = true;
            self.refuse_all(&Said::ours(Enhanced(5, 6, 3), text), true);
            self.quit(client, out);
        }
    }

    /// Gives up: the message cannot be read, or time is up. What is undecided is deferred.
    pub fn abandon(&mut self, why: &str, client: &mut Client) {
        match core::mem::take(&mut self.transaction.content) {
            Content::Stuffed(body) => client.abandon(body),
            Content::Chunked(_) => client.shut_down_now(),
            _ => {}
        }
        self.closed(why);
    }

    /// The connection is over. What is undecided is deferred.
    pub fn closed(&mut self, why: &str) {
        self.refuse_all(&Said::ours(Enhanced(4, 4, 2), why), false);
    }

    /// What is wanted now.
    pub fn progress(&self) -> Progress {
        match (self.stage, &self.transaction.content) {
            (Stage::Finished, _) => Progress::Finished,
            (Stage::Convert(most), _) => Progress::Convert(most),
            (Stage::Transaction, Content::Stuffed(_)) => Progress::Message,
            (Stage::Transaction, Content::Chunked(chunked)) if chunked.has_room() => Progress::Message,
            _ => Progress::Go,
        }
    }

    /// Octets of the message written in this transaction: where it goes on.
    pub fn written(&self) -> u64 {
        self.transaction.written
    }

    /// The verdict for each recipient of the envelope, in its order; none while undecided.
    pub fn verdicts(&self) -> &[Option<Verdict>] {
        &self.verdicts
    }

    /// Whether the server refused us and not the message (its greeting, its answer to EHLO, HELO,
    /// LHLO or AUTH was negative), or lacks what the message needs. A [`Verdict::Failed`] then
    /// holds for this host alone, and another host of the domain may take the message (RFC 5321
    /// section 5.1: each is tried in order); it is final where no other host is left.
    pub fn refused_us(&self) -> bool {
        self.refused_us
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// All changes of stage that a reply makes.
    fn reply(&mut self, verb: Verb, reply: ReplyLines<'_>, client: &mut Client, out: &mut Vec<u8>) {
        let positive = reply.is_positive();
        match (verb, self.stage) {
            (Verb::Quit, _) | (_, Stage::Finished) => {}
            (Verb::Connect, Stage::Greeting) if positive => self.hello(false, client, out),
            (Verb::Ehlo | Verb::Helo, Stage::Hello { .. }) if positive => self.greeted(client, out),
            // RFC 5321 section 3.2: a server of old knows HELO only.
            (Verb::Ehlo, Stage::Hello { helo: false }) if reply.code / 100 == 5 && !self.options.lmtp => {
                self.hello(true, client, out);
            }
            // The layer follows; then Secured. RFC 3207 section 4: 220 and no other.
            (Verb::StartTls, Stage::StartTls) if reply.code == 220 => {}
            // RFC 8689 section 4.2.1: TLS that the message itself requires is not waited for.
            (Verb::StartTls, Stage::StartTls) if self.envelope.requires_tls() && reply.code != 421 => {
                self.ready(client, out);
            }
            (Verb::StartTls, Stage::StartTls) if self.options.tls == TlsPolicy::Opportunistic => {
                self.log_in_now(client, out);
            }
            (Verb::StartTls, Stage::StartTls) => {
                // Required: a refusal today may be a fault that is mended tomorrow.
                self.refuse_all(&Said { status: Enhanced(4, 7, 10), ..Said::of(reply) }, false);
                self.quit(client, out);
            }
            (Verb::Auth, Stage::Auth) if positive => self.logged_in(client, out),
            (Verb::Rset, Stage::Transaction) if positive => self.send_more(client, out),
            (Verb::Mail, Stage::Transaction) if positive => self.mailed(client, out),
            (Verb::Rcpt, Stage::Transaction) => self.recipient(reply, client, out),
            (Verb::Bdat, Stage::Transaction) => self.chunked(reply, client, out),
            (Verb::Message, Stage::Transaction) => self.message(reply, client, out),
            (Verb::Data, Stage::Transaction) if reply.code != 421 && matches!(reply.code / 100, 4 | 5) => {
                self.unwanted(reply, client, out);
            }
            (Verb::Mail | Verb::Rset, Stage::Transaction) if self.mails > 1 || verb == Verb::Rset => {
                // Those who are left were never asked about, and the sender was taken before.
                let said = Said::of(reply);
                let Enhanced(_, subject, detail) = said.status;
                self.refuse_all(&Said { status: Enhanced(4, subject, detail), ..said }, false);
                self.quit(client, out);
            }
            _ => {
                // Greeting, EHLO, AUTH or the first MAIL was refused, or the server closes: that
                // is the verdict for all who have none.
                self.refused_us = matches!(self.stage, Stage::Greeting | Stage::Hello { .. } | Stage::Auth);
                self.refuse_all(&Said::of(reply), reply.code / 100 == 5);
                self.quit(client, out);
            }
        }
    }

    fn hello(&mut self, helo: bool, client: &mut Client, out: &mut Vec<u8>) {
        self.stage = Stage::Hello { helo };
        let name = self.options.hello.as_str();
        let command = match (self.options.lmtp, helo) {
            (true, _) => Command::Lhlo(name),
            (false, true) => Command::Helo(name),
            (false, false) => Command::Ehlo(name),
        };
        let sent = client.send(command, out);
        self.check(sent, "our host name is no domain", client, out);
    }

    /// EHLO was answered: secure the connection first, if that is the policy.
    fn greeted(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        let offered = client.extensions().start_tls;
        match self.options.tls {
            _ if self.secured => self.log_in_now(client, out),
            TlsPolicy::None => self.log_in_now(client, out),
            TlsPolicy::Opportunistic if !offered => self.log_in_now(client, out),
            // As where it is refused: what the server lacks is told of there.
            TlsPolicy::Opportunistic | TlsPolicy::Required if !offered && self.envelope.requires_tls() => {
                self.ready(client, out);
            }
            TlsPolicy::Required if !offered => {
                let why = "the server offers no STARTTLS, and TLS is required";
                self.refuse_all(&Said::ours(Enhanced(4, 7, 10), why), false);
                self.quit(client, out);
            }
            TlsPolicy::Opportunistic | TlsPolicy::Required => {
                self.stage = Stage::StartTls;
                let sent = client.send(Command::StartTls, out);
                self.check(sent, "STARTTLS could not be sent", client, out);
            }
        }
    }

    /// The connection is as secure as it gets.
    fn log_in_now(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        let Some(exchange) = &mut self.login.exchange else { return self.ready(client, out) };
        if !self.secured && self.options.tls != TlsPolicy::None {
            let why = "the server offers no TLS, and we log in under TLS only";
            self.refuse_all(&Said::ours(Enhanced(4, 7, 11), why), false);
            return self.quit(client, out);
        }
        let Some((mechanism, initial)) = exchange.begin(client.extensions().auth, self.secured) else {
            let why = "the server offers no mechanism that we may log in with";
            self.refuse_all(&Said::ours(Enhanced(4, 7, 0), why), false);
            return self.quit(client, out);
        };
        self.stage = Stage::Auth;
        let line = |initial: &String| "AUTH  \r\n".len() + mechanism.name().len() + initial.len();
        let (now, later) = match initial {
            Some(initial) if line(&initial) > AUTH_LINE_MAX => (None, Some(initial)),
            initial => (initial, None),
        };
        self.login.initial = later;
        let auth = Command::Auth { mechanism: mechanism.name(), initial: now.as_deref() };
        let sent = client.send(auth, out);
        self.check(sent, "AUTH could not be sent", client, out);
    }

    fn challenged(&mut self, challenge: &[u8], client: &mut Client, out: &mut Vec<u8>) {
        let response = match (self.login.initial.take(), &mut self.login.exchange) {
            // RFC 4954 section 4: what was left out is asked for with an empty challenge.
            (Some(initial), _) => Some(initial).filter(|_| challenge.is_empty()),
            (None, exchange) => exchange.as_mut().and_then(|exchange| exchange.respond(challenge)),
        };
        if response.is_some() && client.respond(response.as_deref(), out).is_ok() {
            return;
        }
        // The exchange is cancelled; the server's answer to that is no news.
        let cancelled = client.respond(None, out);
        debug_assert!(cancelled.is_ok(), "a challenge was open");
        self.refuse_all(&Said::ours(Enhanced(4, 7, 0), "the server's challenge is none of the mechanism"), false);
        self.quit(client, out);
    }

    fn logged_in(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        // An initial response that was never asked for is a login without a password.
        let asked = self.login.initial.take().is_none();
        if asked && self.login.exchange.as_mut().is_some_and(|exchange| exchange.finish(None)) {
            self.login.is_done = true;
            return self.ready(client, out);
        }
        self.refuse_all(&Said::ours(Enhanced(4, 7, 0), "the server has not proven that it knows us"), false);
        self.quit(client, out);
    }

    /// Begins the envelope, unless the server cannot take the message.
    fn ready(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        let verified = self.secured && self.options.verifies;
        match lack(&self.envelope, &client.extensions(), verified) {
            None => self.begin(false, client, out),
            Some(Lack::Convert(most)) => {
                self.stage = Stage::Convert(most);
                if self.converted {
                    self.refuse(client, out);
                }
            }
            Some(Lack::Refuse { why, here_only }) => {
                self.refused_us = here_only;
                self.refuse_all(&why, true);
                self.quit(client, out);
            }
        }
    }

    fn quit(&mut self, client: &mut Client, out: &mut Vec<u8>) {
        self.stage = Stage::Finished;
        self.transaction.content.abandon_chunks(client);
        // With answers still out it may not be sent: then it is once they have come.
        self.leaves = client.send(Command::Quit, out).is_err();
    }

    /// Decides whatever is undecided.
    fn refuse_all(&mut self, said: &Said, forever: bool) {
        for verdict in self.verdicts.iter_mut().filter(|verdict| verdict.is_none()) {
            *verdict = Some(Verdict::refused(said.clone(), forever));
        }
        self.stage = Stage::Finished;
    }

    fn check<T>(&mut self, sent: Result<T, SendError>, why: &str, client: &mut Client, out: &mut Vec<u8>) {
        if sent.is_err() {
            self.refuse_all(&Said::ours(Enhanced(4, 3, 5), why), false);
            self.quit(client, out);
        }
    }
}

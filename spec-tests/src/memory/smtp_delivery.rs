//! A delivery above a client: it says all of itself, so a dialogue with it has `C=` lines only.
//!
//! | key | is |
//! | --- | --- |
//! | `from= to=A,B` | the envelope; `a@client.example` and `bob@mx.example` without |
//! | `message=OCTETS` | with escapes; `x\r\n` without |
//! | `body= utf8=yes require_tls=yes ret= envid= by= priority= auth=` | what is to be said of it |
//! | `notify= orcpt= rrvs=` | what is to be said of each recipient |
//! | `lmtp=yes secure=yes verifies=yes tls=opportunistic` or `required` | how to speak |
//! | `login=NAME:PASSWORD` | logs in by PLAIN or LOGIN |
//! | `convert=OCTETS` | what the owner makes of the message when it is asked to re-encode it |
//!
//! Events: `message`, `convert BODY`, and once decided `delivered ADDRESS CODE STATUS TEXT`
//! (`delivered-dsn` if the server takes over the reports), `deferred ..`, `failed ..`,
//! `postponed ADDRESS`; `elsewhere` if another host may have what this one lacks.

use postkern::sasl::{ClientExchange, Identity, Mechanism, Mechanisms};
use postkern::smtp::{
    BodyType, Client, Delivery, Envelope, Notice, Notify, Options, Priority, Progress, Recipient, Said, TlsPolicy,
    Verdict,
};

use super::bench::{App, Bench};
use super::smtp_client;
use crate::play::Subject;
use crate::transcript::{Header, unescape};

/// A delivery as a header describes it.
pub(super) fn delivery(header: &Header) -> Result<Box<dyn Subject>, String> {
    header.only(&[
        "from",
        "to",
        "message",
        "body",
        "utf8",
        "require_tls",
        "ret",
        "envid",
        "by",
        "priority",
        "auth",
        "notify",
        "orcpt",
        "rrvs",
        "lmtp",
        "secure",
        "verifies",
        "tls",
        "login",
        "convert",
    ])?;
    header.only_lines(&[])?;
    let bad = |key: &str| format!("{key}= has no such value");
    let message = unescape(header.key("message").unwrap_or("x\\r\\n"))?;
    let mut envelope = Envelope::new(text(header, "from", "a@client.example")?, message.len() as u64);
    if let Some(body) = header.key("body") {
        envelope.body = smtp_client::body(body).ok_or_else(|| bad("body"))?;
    }
    envelope.smtp_utf8 = header.is("utf8");
    envelope.require_tls = header.is("require_tls");
    envelope.ret = header.key("ret").map(|ret| smtp_client::ret(ret).ok_or_else(|| bad("ret"))).transpose()?;
    envelope.envid = header.key("envid").map(Into::into);
    envelope.by = header.key("by").map(|by| smtp_client::by(by).ok_or_else(|| bad("by"))).transpose()?;
    envelope.priority = header.key("priority").and_then(|value| Priority::new(value.parse().ok()?));
    envelope.auth = header.key("auth").map(Into::into);
    for address in text(header, "to", "bob@mx.example")?.split(',') {
        envelope.recipients.push(Recipient {
            address: address.into(),
            notify: header.key("notify").map(|value| Notify::parse(value).ok_or_else(|| bad("notify"))).transpose()?,
            orcpt: header.key("orcpt").map(Into::into),
            rrvs: header.key("rrvs").map(|rrvs| smtp_client::rrvs(rrvs).ok_or_else(|| bad("rrvs"))).transpose()?,
        });
    }
    let tls = match header.key("tls") {
        None => TlsPolicy::None,
        Some("opportunistic") => TlsPolicy::Opportunistic,
        Some("required") => TlsPolicy::Required,
        Some(_) => return Err(bad("tls")),
    };
    let options =
        Options { lmtp: header.is("lmtp"), tls, verifies: header.is("verifies"), ..Options::new("client.example") };
    let mut delivery = Delivery::new(envelope, options, header.is("secure"));
    if let Some((login, password)) = header.key("login").and_then(|login| login.split_once(':')) {
        let identity = Identity::Password { login: login.into(), password: password.into() };
        let passwords = Mechanisms::of(&[Mechanism::Plain, Mechanism::Login]);
        delivery.log_in(Box::new(ClientExchange::new(identity).only(passwords).in_clear()));
    }
    let convert = header.key("convert").map(unescape).transpose()?;
    let told = vec![false; delivery.verdicts().len()];
    Ok(Box::new(Bench::new(Client::new(), Owner { delivery, message, convert, told, log: Vec::new() })))
}

fn text(header: &Header, key: &str, usual: &str) -> Result<String, String> {
    String::from_utf8(unescape(header.key(key).unwrap_or(usual))?).map_err(|_| format!("{key}= is no text"))
}

struct Owner {
    delivery: Delivery,
    message: Vec<u8>,
    convert: Option<Vec<u8>>,
    /// Whose verdict is in the log.
    told: Vec<bool>,
    log: Vec<String>,
}

impl Owner {
    fn pump(&mut self, client: &mut Client, out: &mut Vec<u8>) -> bool {
        let mut moved = false;
        loop {
            match self.delivery.progress() {
                Progress::Message => {
                    let written = self.delivery.written() as usize;
                    if written == 0 {
                        self.log.push("message".to_owned());
                    }
                    self.delivery.write(&self.message[written..], client, out);
                    self.delivery.end(client, out);
                }
                Progress::Convert(most) => {
                    self.log.push(format!("convert {}", name(most)));
                    match &self.convert {
                        Some(message) => {
                            self.message = message.clone();
                            self.delivery.convert(self.message.len() as u64, most, client, out);
                        }
                        None => self.delivery.refuse(client, out),
                    }
                }
                Progress::Go | Progress::Finished => break,
            }
            moved = true;
        }
        self.tell();
        moved
    }

    fn tell(&mut self) {
        let recipients = &self.delivery.envelope().recipients;
        for ((verdict, recipient), told) in self.delivery.verdicts().iter().zip(recipients).zip(&mut self.told) {
            let Some(verdict) = verdict.as_ref().filter(|_| !std::mem::replace(told, *told || verdict.is_some()))
            else {
                continue;
            };
            let said = |word: &str, said: &Said| {
                format!("{word} {} {} {} {}", recipient.address, said.code, said.status, said.text)
            };
            self.log.push(match verdict {
                Verdict::Delivered { said: text, dsn: true, .. } => said("delivered-dsn", text),
                Verdict::Delivered { said: text, dsn: false, .. } => said("delivered", text),
                Verdict::Deferred(text) => said("deferred", text),
                Verdict::Failed(text) => said("failed", text),
                Verdict::Postponed => format!("postponed {}", recipient.address),
            });
            if self.delivery.refused_us() {
                self.log.push("elsewhere".to_owned());
            }
        }
    }
}

fn name(body: BodyType) -> &'static str {
    match body {
        BodyType::SevenBit => "7BIT",
        BodyType::EightBitMime => "8BITMIME",
        BodyType::BinaryMime => "BINARYMIME",
    }
}

impl App<Client> for Owner {
    fn on(&mut self, event: Notice<'_>, client: &mut Client, out: &mut Vec<u8>) {
        let _ = self.delivery.on(event, client, out);
        self.pump(client, out);
    }

    fn advance(&mut self, client: &mut Client, out: &mut Vec<u8>) -> bool {
        self.pump(client, out)
    }

    fn act(&mut self, words: &str, _: &mut Client, _: &mut Vec<u8>) -> Result<(), String> {
        Err(format!("A: a delivery knows no {words}"))
    }

    fn log(&self) -> &[String] {
        &self.log
    }
}

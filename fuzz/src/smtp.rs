//! The SMTP machines.

use postkern::Conn;
use postkern::deflate::Deflate;
use postkern::sasl::{ClientExchange, Exchange, Identity, Mechanism, Mechanisms, Step};
use postkern::smtp::{
    BareNewline, BodyType, ByMode, Client, DeliverBy, Delivery, Enhanced, Envelope, Event, Notice, Notify, Offers,
    Options, Priority, Progress, Protocol, Recipient, Reply, Ret, RrvsAction, Server, ServerConfig, Ticket, TlsPolicy,
    ValidSince,
};

use crate::drive::{App, Input, Log, any_cut, any_cut_in_layer};

/// A server of SMTP or LMTP. Variant: 0 LMTP, 1 in TLS, 2 AUTH in clear and bare
/// newlines mended, 3 small limits. All extensions are offered.
pub fn smtp_server(data: &[u8]) {
    let input = Input::new(data);
    let config = config(&input);
    any_cut(&input, |late| (Conn::new(Server::new(config, input.has(1))), Application { late, ..Default::default() }));
}

/// The same below DEFLATE: what a peer's compressed octets can do.
pub fn smtp_deflate(data: &[u8]) {
    let input = Input::new(data);
    let config = config(&input);
    any_cut_in_layer(&input, |late| {
        let conn = Conn::with_tls(Server::new(config, true), Box::new(Deflate::default()));
        (conn, Application { late, ..Default::default() })
    });
}

fn config(input: &Input<'_>) -> ServerConfig {
    let mut config = ServerConfig::default();
    config.protocol = if input.has(0) { Protocol::Lmtp } else { Protocol::Smtp };
    config.tls = !input.has(1);
    config.auth = Mechanisms::PASSWORD;
    config.auth_in_clear = input.has(2);
    config.offers = Offers::ALL;
    config.bare_newline = if input.has(2) { BareNewline::Normalise } else { BareNewline::Refuse };
    if input.has(3) {
        config.limits.line = 64;
        config.limits.auth_line = 96;
        config.limits.excess = 128;
        config.limits.message = 128;
        config.limits.recipients = 2;
        config.limits.messages = Some(3);
        config.limits.mistakes = (3, 5);
        config.limits.refusals = 4;
    }
    config
}

#[derive(Default)]
struct Application {
    late: bool,
    held: Option<(Ticket, Said)>,
    sasl: Option<Exchange>,
}

struct Said {
    code: u16,
    enhanced: Option<Enhanced>,
    text: String,
}

impl Said {
    fn new(code: u16, enhanced: Option<Enhanced>, text: &str) -> Self {
        Self { code, enhanced, text: text.to_owned() }
    }

    fn of(reply: Reply<'_>) -> Self {
        Self::new(reply.code, reply.enhanced, reply.text)
    }
}

impl Application {
    fn step(&mut self, (exchange, step): (Exchange, Step)) -> Said {
        match step {
            Step::Challenge(challenge) => {
                self.sasl = Some(exchange);
                Said::new(334, None, &challenge)
            }
            Step::Claimed(claim) if claim.login == "bob" => Said::new(235, Some(Enhanced(2, 7, 0)), "welcome"),
            Step::Claimed(_) => Said::new(535, Some(Enhanced(5, 7, 8)), "wrong"),
            _ => Said::new(501, Some(Enhanced(5, 5, 2)), "no such message"),
        }
    }
}

impl App<Server> for Application {
    fn on(&mut self, event: Event<'_>, server: &mut Server, out: &mut Vec<u8>, log: &mut Log) {
        match &event {
            Event::Chunk(octets) => log.octets(octets),
            Event::Dropped(_) => {}
            Event::Rejected { .. } => {
                log.forget_octets();
                log.event(&event);
            }
            other => log.event(other),
        }
        let no = |code| Said::new(code, Some(Enhanced((code / 100) as u8, 1, 1)), "no");
        let (ticket, said) = match event {
            Event::Chunk(_) | Event::Dropped(_) | Event::Rejected { .. } | Event::Refused { .. } => return,
            Event::Connect { ticket } => (ticket, Said::new(220, None, "mx.example")),
            Event::Hello { ticket, name: "refused", .. } => (ticket, no(550)),
            Event::Hello { ticket, .. } => (ticket, Said::new(250, None, "mx.example")),
            Event::Mail { ticket, from, .. } => {
                assert_eq!(from.is_null(), from.as_str().is_empty());
                assert!(from.is_null() || from.domain().is_some());
                (ticket, if from.local_part() == "no" { no(550) } else { Said::of(Reply::OK) })
            }
            Event::Rcpt { ticket, to, .. } => {
                assert!(!to.is_null());
                (ticket, if to.local_part() == "no" { no(451) } else { Said::of(Reply::OK) })
            }
            Event::Data { ticket, .. } => {
                (ticket, if server.recipients() == 2 { no(452) } else { Said::of(Reply::START) })
            }
            Event::Message { ticket, .. } | Event::Rset { ticket } | Event::Noop { ticket } => {
                (ticket, Said::of(Reply::OK))
            }
            Event::Auth { mechanism, initial, ticket } => match Mechanism::parse(mechanism) {
                Some(mechanism) => {
                    let step = Exchange::begin(mechanism, initial);
                    (ticket, self.step(step))
                }
                None => (ticket, no(504)),
            },
            Event::Response { response, ticket } => match self.sasl.take() {
                Some(mut exchange) => {
                    let step = exchange.respond(response);
                    (ticket, self.step((exchange, step)))
                }
                None => (ticket, no(501)),
            },
            Event::StartTls { ticket } => (ticket, Said::of(Reply::START_TLS)),
            Event::Vrfy { ticket, .. } | Event::Expn { ticket, .. } => (ticket, no(550)),
            Event::Etrn { ticket, .. } => (ticket, no(459)),
            Event::Xclient { ticket, attributes } => {
                assert!(attributes.attributes().count() > 0);
                (ticket, if attributes.address().is_some() { Said::new(220, None, "mx.example") } else { no(550) })
            }
            Event::Help { ticket, .. } => (ticket, Said::new(214, Some(Enhanced(2, 0, 0)), "see\nthe RFC")),
            Event::Quit { ticket } => (ticket, Said::of(Reply::BYE)),
        };
        self.held = Some((ticket, said));
        if !self.late {
            self.advance(server, out);
        }
    }

    fn advance(&mut self, server: &mut Server, out: &mut Vec<u8>) -> bool {
        let Some((ticket, said)) = self.held.take() else { return false };
        let reply = Reply { code: said.code, enhanced: said.enhanced, text: &said.text };
        server.reply(ticket, &reply, out);
        // Behind BDAT nothing is said yet.
        assert!(out.is_empty() || out.ends_with(b"\r\n"));
        true
    }

    fn end(&mut self, log: &mut Log) {
        log.forget_octets();
    }
}

/// A client with a delivery above it, and a server that says anything. Variant: 0 LMTP, 1
/// STARTTLS, 2 AUTH, 3 an 8-bit message, 4 a binary one, 5 all that a sender may ask for, 6 UTF-8,
/// 7 what is not taken is re-encoded.
pub fn smtp_client(data: &[u8]) {
    let input = Input::new(data);
    let (lmtp, tls, auth) = (input.has(0), input.has(1), input.has(2));
    let all = input.has(5);
    any_cut(&input, |_| {
        let mut envelope = Envelope::new("alice@client.example", 12).to("bob@mx.example").to("carol@mx.test");
        envelope.recipients.push(Recipient {
            address: "postmaster".into(),
            notify: all.then_some(Notify::of(true, true, false)),
            orcpt: all.then(|| "rfc822;dave@mx.example".into()),
            rrvs: all.then_some(ValidSince { since: 0, action: RrvsAction::Reject }),
        });
        envelope.body = match (input.has(3), input.has(4)) {
            (_, true) => BodyType::BinaryMime,
            (true, _) => BodyType::EightBitMime,
            _ => BodyType::SevenBit,
        };
        (envelope.require_tls, envelope.smtp_utf8) = (all && input.has(6), input.has(6));
        envelope.ret = all.then_some(Ret::Full);
        envelope.envid = all.then(|| "QQ+2B".into());
        envelope.by = all.then_some(DeliverBy { seconds: 100, mode: ByMode::Return, trace: true });
        envelope.priority = Priority::new(4);
        envelope.auth = all.then(|| "<>".into());
        let policy = if tls { TlsPolicy::Opportunistic } else { TlsPolicy::None };
        let options = Options { lmtp, tls: policy, verifies: true, ..Options::new("client.example") };
        let mut delivery = Delivery::new(envelope, options, all);
        if auth {
            let identity = Identity::Password { login: "bob".into(), password: b"pw".to_vec() };
            delivery.log_in(Box::new(ClientExchange::new(identity).in_clear()));
        }
        (Conn::new(Client::new()), Deliverer { delivery, converts: input.has(7) })
    });
}

struct Deliverer {
    delivery: Delivery,
    converts: bool,
}

impl App<Client> for Deliverer {
    fn on(&mut self, notice: Notice<'_>, client: &mut Client, out: &mut Vec<u8>, log: &mut Log) {
        if let Notice::Reply { reply, .. } | Notice::Closing { reply } = &notice {
            assert_eq!(reply.lines().next(), Some(reply.text()));
            log.event(&reply.enhanced());
        }
        log.event(&notice);
        let delivery = &mut self.delivery;
        let mut progress = delivery.on(notice, client, out);
        if let Progress::Convert(most) = progress {
            if self.converts {
                delivery.convert(9, most, client, out)
            } else {
                delivery.refuse(client, out)
            }
            progress = delivery.progress();
            assert!(!matches!(progress, Progress::Convert(_)), "converted, and not taken");
        }
        if progress == Progress::Message {
            assert_eq!(delivery.written(), 0);
            delivery.write(b"Hi.\r\n.\r\n", client, out);
            delivery.write(b"bye\r", client, out);
            delivery.end(client, out);
        }
    }

    fn end(&mut self, log: &mut Log) {
        log.event(&self.delivery.verdicts());
        self.delivery.closed("the connection broke");
        assert!(self.delivery.verdicts().iter().all(Option::is_some), "a recipient without a verdict");
    }
}

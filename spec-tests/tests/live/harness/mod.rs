//! What the tests stand on: servers in this process, a DNS server, clients, messages.

mod certificate;
mod clock;
mod dns;
mod hop;
mod imap;
mod mailer;
mod messages;
mod pop3;
mod runtimes;
mod server;
mod smtp;
mod talk;
mod wire;

pub(crate) use clock::eventually;
pub(crate) use dns::{Answer, Dns, Record};
pub(crate) use hop::Hop;
pub(crate) use imap::{Imap, session};
pub(crate) use mailer::{mailer, submit};
pub(crate) use messages::{arrived, same, samples, text, without_trace};
pub(crate) use pop3::Pop3;
pub(crate) use runtimes::{RUNTIMES, on_both};
pub(crate) use server::{ALICE, BOB, CAROL, PASSWORD, Server};
pub(crate) use smtp::{Smtp, base64, plain, stuffed};
pub(crate) use talk::Talk;

//! ETRN (RFC 1985): a host that is seldom connected has us send what waits for it.

use postkern::smtp::{self, Enhanced, Reply, Server, Ticket};

use super::{Pending, Smtp};
use crate::job::{Done, Job};
use crate::service::Step;

/// RFC 1985 section 5.1. Its words say no more than the client has said itself.
const NOT_ALLOWED: Reply<'static> = Reply::new(459, Enhanced(4, 7, 1), "not allowed for that node");
const UNABLE: Reply<'static> = Reply::new(458, Enhanced(4, 3, 0), "unable to queue messages for that node");
const NOTHING: Reply<'static> = Reply::new(251, Enhanced(2, 0, 0), "ok, no messages are waiting for that node");
const SYNTAX: Reply<'static> = Reply::new(501, Enhanced(5, 5, 4), "that is no node: write a domain, or @ and a domain");

impl Smtp {
    /// Starts the queue of a domain that we hand mail on to, or with `@` of its subdomains too
    /// (RFC 1985 section 5.3). Queues have no other names here, so that `#` is not taken.
    pub(super) fn etrn(&mut self, argument: &str, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let (subdomains, node) = match argument.strip_prefix('@') {
            Some(node) => (true, node),
            None => (false, argument),
        };
        let reply = match () {
            () if argument.starts_with('#') => UNABLE,
            () if !smtp::is_domain(node) => SYNTAX,
            // Who has the queue worked on can be a burden (RFC 1985 section 6).
            () if !self.may_relay() || !self.config.is_relayed(node) => NOT_ALLOWED,
            () => {
                self.pending = Pending::Turn(ticket);
                return Step::Job(Job::Flush { domain: node.to_ascii_lowercase(), subdomains });
            }
        };
        machine.reply(ticket, &reply, out);
        Step::Go
    }

    pub(super) fn turned(&self, ticket: Ticket, done: &Done, machine: &mut Server, out: &mut Vec<u8>) {
        match done {
            Done::Flushed(0) => machine.reply(ticket, &NOTHING, out),
            Done::Flushed(count) => {
                let text = format!("ok, {count} pending messages for that node started");
                machine.reply(ticket, &Reply::new(253, Enhanced(2, 0, 0), &text), out);
            }
            _ => machine.reply(ticket, &UNABLE, out),
        }
    }
}

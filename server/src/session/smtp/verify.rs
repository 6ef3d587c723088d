//! VRFY (RFC 5321 section 3.5): whether an address is somebody's here.

use postkern::smtp::{self, Enhanced, Reply, Server, Ticket};

use super::{BROKEN, Pending, Smtp, refusal};
use crate::job::{Done, Job};
use crate::resolve::Resolution;
use crate::service::Step;

/// RFC 5321 section 3.5.3: neither confirms nor denies.
const PERHAPS: Reply<'static> = Reply::new(252, Enhanced(2, 5, 0), "send some mail, and we will see");
const UNKNOWN: Reply<'static> = Reply::new(550, Enhanced(5, 1, 1), "no such mailbox here");

/// An address under way.
pub(super) struct Verify {
    ticket: Ticket,
    address: String,
    resolution: Resolution,
}

impl Smtp {
    /// VRFY: who may relay is told, if the configuration wants it so; nobody else is.
    pub(super) fn vrfy(&mut self, argument: &str, ticket: Ticket, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        let inner = argument.strip_prefix('<').and_then(|argument| argument.strip_suffix('>')).unwrap_or(argument);
        let domain = inner.rsplit_once('@').map_or("", |(_, domain)| domain);
        let tells = self.config.inbound.vrfy && self.may_relay();
        if !(tells && inner.is_ascii() && smtp::is_mailbox(inner) && self.config.is_local(domain)) {
            machine.reply(ticket, &PERHAPS, out);
            return Step::Go;
        }
        let resolution = Resolution::new(&self.config, inner);
        self.verify(Verify { ticket, address: inner.into(), resolution }, machine, out)
    }

    pub(super) fn vrfy_done(
        &mut self,
        mut verify: Verify,
        done: Done,
        machine: &mut Server,
        out: &mut Vec<u8>,
    ) -> Step {
        let reply = match done {
            Done::Found(found) => {
                verify.resolution.answered(&self.config, &found);
                return self.verify(verify, machine, out);
            }
            Done::Failed(failure) => refusal(&failure),
            _ => BROKEN,
        };
        machine.reply(verify.ticket, &reply, out);
        Step::Go
    }

    fn verify(&mut self, verify: Verify, machine: &mut Server, out: &mut Vec<u8>) -> Step {
        if let Some(addresses) = verify.resolution.ask() {
            self.pending = Pending::Verify(Box::new(verify));
            return Step::Job(Job::Lookup { addresses });
        }
        let Verify { ticket, address, resolution } = verify;
        let text = format!("<{address}>");
        let found = Reply::new(250, Enhanced(2, 1, 5), &text);
        machine.reply(ticket, if resolution.is_nobody() { &UNKNOWN } else { &found }, out);
        Step::Go
    }
}

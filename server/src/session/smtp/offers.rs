//! What each listener offers, and what its clients may cost.

use core::net::IpAddr;

use postkern::smtp::{BareNewline, FutureRelease, Offers, Protocol, ServerConfig};

use super::{Smtp, is_submission};
use crate::config::{Config, Listener, Newline};
use crate::job::Timestamp;

impl Smtp {
    /// How the machine for this listener and this client is to be made. Without the time,
    /// FUTURERELEASE is not offered: its EHLO line has a date.
    pub fn machine(config: &Config, listener: Listener, peer: IpAddr, at: Option<Timestamp>) -> ServerConfig {
        let mut machine = ServerConfig::default();
        machine.protocol = if listener == Listener::Lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        machine.tls = config.tls.is_some();
        machine.auth_in_clear = config.plaintext_login;
        machine.offers = offers(config, listener, peer, at);
        machine.bare_newline = match config.inbound.bare_newline {
            Newline::Refuse => BareNewline::Refuse,
            Newline::Normalise => BareNewline::Normalise,
        };
        // Mail programs and our own relay behave; what else talks to these is ours to mend.
        machine.forbid_early_pipelining =
            listener == Listener::Smtp && !config.inbound.allow_pipelining && !config.may_relay(peer);
        machine.limits.mistakes = (config.limits.mistakes_before_login, config.limits.mistakes);
        machine.limits.refusals = config.limits.refusals;
        machine.limits.messages = Some(config.limits.messages_per_connection).filter(|&messages| messages > 0);
        machine.limits.line = config.limits.smtp_line;
        machine.limits.excess = config.limits.excess;
        machine.limits.command = config.limits.smtp_idle;
        machine.limits.data_rate = config.limits.data_rate;
        machine.limits.message = config.limits.message;
        machine.limits.recipients = config.limits.recipients;
        if is_submission(listener) {
            machine.auth = config.auth.offers(None);
            machine.limits.login = Some(config.limits.login_time);
            machine.limits.message = config.submission.message.unwrap_or(machine.limits.message);
            machine.limits.recipients = config.submission.recipients.unwrap_or(machine.limits.recipients);
        }
        if listener == Listener::Lmtp {
            // Our own relay speaks it, for whole mailing lists.
            machine.limits.refusals = u16::MAX;
        }
        machine
    }
}

fn offers(config: &Config, listener: Listener, peer: IpAddr, at: Option<Timestamp>) -> Offers {
    let hold = config.submission.hold.as_secs();
    let future_release = at.filter(|_| is_submission(listener) && hold > 0).map(|at| {
        let seconds = u32::try_from(hold).unwrap_or(u32::MAX);
        let until = u32::try_from(at.after(seconds.into()).0).unwrap_or(u32::MAX);
        FutureRelease { seconds, until }
    });
    Offers {
        smtp_utf8: true,
        chunking: true,
        binary_mime: true,
        dsn: true,
        require_tls: true,
        future_release,
        deliver_by: Some(0),
        mt_priority: true,
        // RFC 1985 section 4: who can have the queue's work done can be a burden.
        etrn: listener == Listener::Smtp && config.may_relay(peer),
        rrvs: true,
        xclient: config.may_xclient(peer),
        limits: true,
    }
}

//! A courier while it is connected: driven as any other connection.

use postkern::{Close, Instant, Layer, Upgrade};

use super::{ATTEMPT_MAX, Courier, FAREWELL};
use crate::job::{Done, MailboxId};
use crate::service::{Endpoint, Pause};

/// While connected; otherwise there is nothing to drive, and it says so.
impl Endpoint for Courier {
    fn run(&mut self, now: Instant) -> Pause {
        self.now = Some(now);
        let late = now >= *self.began.get_or_insert(now) + ATTEMPT_MAX;
        let Some(service) = &mut self.service else { return Pause::Closed(Close::Done) };
        if late {
            // A host that answers just in time, again and again: others are waiting.
            self.hosts.clear();
            self.addresses.clear();
            return Pause::Closed(Close::Timeout);
        }
        let pause = service.run(now);
        if service.session().is_finished() {
            let since = *self.finished.get_or_insert(now);
            if now >= since + FAREWELL && matches!(pause, Pause::Read) {
                return Pause::Closed(Close::Done);
            }
        }
        pause
    }

    fn done(&mut self, done: Done) {
        if let Some(service) = &mut self.service {
            service.done(done);
        }
    }

    fn nudge(&mut self) {}

    fn shut_down(&mut self) {
        if let Some(service) = &mut self.service {
            service.shut_down();
        }
    }

    fn fail(&mut self) {
        if let Some(service) = &mut self.service {
            service.fail();
        }
    }

    fn watching(&self) -> Option<MailboxId> {
        None
    }

    fn upgrade(&mut self, upgrade: Upgrade, layer: Box<dyn Layer>) {
        if let Some(service) = &mut self.service {
            service.upgrade(upgrade, layer);
        }
    }

    fn io(&mut self) -> (&mut [u8], &[u8]) {
        match &mut self.service {
            Some(service) => service.io(),
            None => (&mut [], &[]),
        }
    }

    fn filled(&mut self, len: usize) {
        if let Some(service) = &mut self.service {
            service.filled(len);
        }
    }

    fn sent(&mut self, len: usize) {
        if let Some(service) = &mut self.service {
            service.sent(len);
        }
    }

    fn unsendable(&mut self) {
        if let Some(service) = &mut self.service {
            service.unsendable();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let farewell = self.finished.map(|since| since + FAREWELL);
        let end = self.began.map(|began| began + ATTEMPT_MAX);
        self.service.as_ref().and_then(Endpoint::deadline).into_iter().chain(farewell).chain(end).min()
    }

    fn shrink(&mut self) {}
}

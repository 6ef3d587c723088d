//! File descriptors: as many as the system lets a process have.

use postkern_server::config::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the server needs besides connections: listeners, the store with the files of messages
/// on their way, the log, name servers.
const RESERVE: usize = 256;
/// What a connection may need: its socket, the file of a message under way, and where a thread
/// waits for it, two to hear of its mailbox in IDLE. Not all do at once.
const EACH: usize = 3;

/// Raises the limit of this process to the highest it may choose (many systems begin with
/// 1024 for the sake of select(2), which nothing here uses). Tells of connections that could
/// not be served even so, in words for a warning.
pub(super) fn raise(limits: &Limits) -> Option<String> {
    let limit = getrlimit(Resource::Nofile);
    // A refusal leaves it as it is, and is told of below.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    lack(limits, getrlimit(Resource::Nofile).current)
}

fn lack(limits: &Limits, most: Option<u64>) -> Option<String> {
    let needed = u64::try_from(EACH * limits.connections + limits.relays + RESERVE).unwrap_or(u64::MAX);
    let most = most.filter(|&most| most < needed)?;
    Some(format!(
        "limits.connections = {} needs {needed} open files, and this process may have {most}: raise the limit \
         (LimitNOFILE= in a unit of systemd, ulimit -n), or lower limits.connections",
        limits.connections
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_descriptors_are_told_of() {
        let limits = Limits { connections: 1000, relays: 20, ..Limits::default() };
        assert_eq!(lack(&limits, None), None);
        assert_eq!(lack(&limits, Some(4096)), None);
        assert!(lack(&limits, Some(1024)).unwrap().contains("3276 open files, and this process may have 1024"));
    }
}

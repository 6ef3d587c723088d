//! A message that is accepted, and who is to have it.

use super::{AccountId, Spool};
use crate::config::Config;
use crate::queue::{RecipientTerms, Remote, Terms};
use crate::trace::Trace;

/// A message accepted, and who is to have it.
#[derive(Debug)]
pub struct Commit {
    /// What the Received line tells; the backend adds the id and the date. None for a
    /// message that was made here.
    pub trace: Option<Trace>,
    /// The reverse-path without brackets; empty for null.
    pub reverse_path: String,
    /// What the sender asked for the message.
    pub terms: Terms,
    /// Deliveries to mailboxes here. An account that stands twice gets one copy.
    pub local: Vec<Local>,
    /// Recipients elsewhere. One that stands twice gets one copy.
    pub remote: Vec<Remote>,
    /// Recipients here that stood for several addresses, which are among `local` and `remote`:
    /// those whose sender is to be told so (RFC 3461 section 5.2.7.3).
    pub expanded: Vec<Remote>,
    /// Who tells the sender that a recipient has the message, where that was asked for.
    pub reporter: Reporter,
    /// The message as received.
    pub message: Spool,
}

impl Commit {
    /// A message that was made here: its reverse-path is null, and nothing is asked for it.
    pub fn ours(local: Vec<Local>, remote: Vec<Remote>, message: Spool) -> Self {
        Self {
            trace: None,
            reverse_path: String::new(),
            terms: Terms::default(),
            local,
            remote,
            expanded: Vec::new(),
            reporter: Reporter::default(),
            message,
        }
    }
}

/// Who writes reports about a message, and who gets them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reporter {
    /// Our host name.
    pub hostname: String,
    /// Whom the sender's address stands for here: accounts that get the report. Names that are
    /// none are passed over.
    pub local: Vec<String>,
    /// And elsewhere: the report is queued for them.
    pub remote: Vec<String>,
    /// Who gets it if all these names are none: the catch-all of the sender's domain.
    pub otherwise: Option<Box<Self>>,
    /// Octets up to which a message is returned whole, where the sender wants that.
    pub whole: u64,
}

impl Reporter {
    /// Ourselves. An alias may be the sender: whoever it stands for is told (RFC 5321 section
    /// 6.1); nobody, if the reverse-path is null.
    pub fn of(config: &Config, sender: &str) -> Self {
        if sender.is_empty() {
            return Self::to(config, Vec::new());
        }
        let catch_all = config.catch_all_of(sender);
        let otherwise = (!catch_all.is_empty()).then(|| Box::new(Self::to(config, catch_all)));
        Self { otherwise, ..Self::to(config, config.stands_for([sender])) }
    }

    fn to(config: &Config, names: Vec<String>) -> Self {
        let (local, remote) = names.into_iter().partition(|name| {
            let domain = name.rsplit_once('@').map_or("", |(_, domain)| domain);
            config.is_local(domain)
        });
        let (hostname, whole) = (config.hostname.clone(), config.relay.return_whole);
        Self { hostname, local, remote, otherwise: None, whole }
    }
}

/// One delivery to an account here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Local {
    /// To whose INBOX.
    pub account: AccountId,
    /// The address that was asked for, for the trace.
    pub recipient: String,
    /// What the sender asked for it.
    pub terms: RecipientTerms,
}

impl Local {
    /// A delivery for which nothing was asked.
    pub fn new(account: AccountId, recipient: impl Into<String>) -> Self {
        Self { account, recipient: recipient.into(), terms: RecipientTerms::default() }
    }
}

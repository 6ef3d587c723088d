//! A message read over IMAP.
use postkern::Tap;

use super::client::{ClientError, Peer};

/// Reads.
pub(super) fn fetch(_: &Peer, _: &str, _: &str, _: Box<dyn Tap>) -> Result<Vec<u8>, ClientError> {
    Err(ClientError::Stuck)
}

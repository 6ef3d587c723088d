//! Framing: where a command ends, however it comes.

use std::hint::black_box;

use postkern::{imap, smtp as postkern_smtp};
use smtp_proto::request::receiver::RequestReceiver;

use super::{Run, Work, drive, drive_by, imap as imap_work, line_scan, smtp};

pub(crate) fn works() -> Vec<Work> {
    vec![
        Work::plain("framing/noop", || noops(usize::MAX)),
        Work::plain("framing/noop-octet-by-octet", || noops(1)),
        Work::peer("framing/noop", "smtp-proto", noops_peer),
        Work::limit("framing/noop", "memchr", || line_scan("NOOP\r\n".repeat(NOOPS).into_bytes())),
        Work::plain("framing/long-line-octet-by-octet", long_line),
        Work::plain("framing/imap-literals", literals),
    ]
}

/// Commands of a run.
const NOOPS: usize = 100;

fn noops(read: usize) -> Run {
    let input = "NOOP\r\n".repeat(NOOPS);
    let mut out = Vec::new();
    let mut server = smtp::server(&mut out);
    Run::new(NOOPS, input.len(), move || {
        out.clear();
        let taken = drive_by(read.min(input.len()), &mut server, black_box(input.as_bytes()), &mut out, smtp::answer);
        assert_eq!(taken, input.len());
    })
}

fn noops_peer() -> Run {
    let input = "NOOP\r\n".repeat(NOOPS);
    let mut receiver = RequestReceiver::default();
    Run::new(NOOPS, input.len(), move || {
        let mut rest = black_box(input.as_bytes()).iter();
        while !rest.as_slice().is_empty() {
            black_box(receiver.ingest(&mut rest).expect("the input is of its grammar"));
        }
    })
}

/// A line as long as it may be, octet by octet: what is quadratic shows here.
fn long_line() -> Run {
    let input = format!("NOOP {}\r\n", "x".repeat(2000));
    let mut out = Vec::new();
    let mut server: postkern_smtp::Server = smtp::server(&mut out);
    Run::new(1, input.len(), move || {
        out.clear();
        assert_eq!(drive_by(1, &mut server, black_box(input.as_bytes()), &mut out, smtp::answer), input.len());
    })
}

/// A command of three literals, as some clients write every argument.
fn literals() -> Run {
    let input = "a1 UID SEARCH FROM {5+}\r\nalice SUBJECT {7+}\r\norchard TO {3+}\r\nbob\r\n";
    let mut out = Vec::new();
    let mut server: imap::Server = imap_work::server(&mut out);
    Run::new(1, input.len(), move || {
        out.clear();
        assert_eq!(drive(&mut server, black_box(input.as_bytes()), &mut out, imap_work::answer), input.len());
    })
}

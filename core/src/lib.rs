//! SMTP, POP3 and IMAP as pure state machines, client and server, without IO.
//!
//! A machine takes octets and the time, and gives back events, octets to send and the next
//! deadline. It opens no socket, reads no clock, starts no thread and never waits: it works
//! under threads, in any async runtime, in an event loop, and in a test, where a whole mail
//! system runs in memory.
//!
//! # The loop
//!
//! All six machines are driven alike, by [`Conn`]: the machine, its buffers and the layers
//! (TLS, DEFLATE) between it and the wire. A driver repeats:
//!
//! 1. [`Conn::poll`] with the time, and do what it [`Want`]s:
//! 2. [`Want::Event`]: take the event, and answer it, now or later;
//! 3. [`Want::App`]: the machine waits for an answer, or for more of a message;
//! 4. [`Want::Flush`]: send some of the output, then poll again;
//! 5. [`Want::Read`]: send all output; then read, until the [deadline](Conn::deadline) at
//!    most;
//! 6. [`Want::Upgrade`]: put the layer in place;
//! 7. [`Want::Close`]: send what is left, then close.
//!
//! There is no error among these: a machine that cannot go on says so to the peer, and
//! closes. Here the wire is a string; a socket would stand in the same places.
//!
//! ```
//! use postkern::smtp::{Enhanced, Event, Reply, Server, ServerConfig};
//! use postkern::{Close, Conn, Instant, Want};
//!
//! let mut wire = &b"EHLO client.example\r\nMAIL FROM:<a@client.example>\r\n\
//!     RCPT TO:<bob@mx.example>\r\nDATA\r\nHello.\r\n.\r\nQUIT\r\n"[..];
//! let (mut sent, mut message) = (Vec::new(), Vec::new());
//! let mut conn = Conn::new(Server::new(ServerConfig::default(), false));
//!
//! let close = loop {
//!     match conn.poll(Instant::from_millis(0)) {                                // 1
//!         Want::Event(frame) => {                                               // 2
//!             // The event borrows from the input only: it can be answered while it lives.
//!             let (event, smtp, out) = conn.event(frame);
//!             let (code, ticket) = match event {
//!                 Event::Connect { ticket } => (220, ticket),
//!                 Event::Rcpt { to, ticket, .. } if !to.as_str().ends_with("@mx.example") => (550, ticket),
//!                 Event::Hello { ticket, .. }
//!                 | Event::Mail { ticket, .. }
//!                 | Event::Rcpt { ticket, .. }
//!                 | Event::Message { ticket, .. } => (250, ticket),
//!                 Event::Data { ticket, .. } => (354, ticket),
//!                 Event::Quit { ticket } => (221, ticket),
//!                 Event::Chunk(octets) => {
//!                     message.extend_from_slice(octets);
//!                     continue;
//!                 }
//!                 other => panic!("{other:?}"),
//!             };
//!             // The answer decides: 250 to RCPT is what adds the recipient.
//!             smtp.reply(ticket, &Reply::new(code, Enhanced(2, 0, 0), "ok"), out);
//!         }
//!         Want::App => unreachable!("all is answered at once here"),             // 3
//!         want @ (Want::Flush | Want::Read | Want::Close(_)) => {
//!             sent.extend_from_slice(conn.output());                            // 4
//!             conn.sent(conn.output().len());
//!             match want {
//!                 Want::Close(close) => break close,                            // 7
//!                 Want::Read => {                                               // 5
//!                     let space = conn.space();
//!                     let len = space.len().min(wire.len()).min(10);
//!                     space[..len].copy_from_slice(&wire[..len]);
//!                     wire = &wire[len..];
//!                     conn.filled(len); // 0 is the end of the stream
//!                 }
//!                 _ => {}
//!             }
//!         }
//!         Want::Upgrade(_) => unreachable!("STARTTLS is not offered"),           // 6
//!     }
//! };
//! assert_eq!(close, Close::Done);
//! assert_eq!(message, b"Hello.\r\n");
//! assert!(sent.starts_with(b"220 ok\r\n250-ok\r\n"));
//! ```
//!
//! # What does not compile
//!
//! An event that needs an answer carries a ticket: the right and the duty to answer, spent
//! by the method that does. To answer twice is no program:
//!
//! ```compile_fail,E0382
//! use postkern::smtp::{Reply, Server, Ticket};
//! fn twice(smtp: &mut Server, ticket: Ticket, out: &mut Vec<u8>) {
//!     smtp.reply(ticket, &Reply::OK, out);
//!     smtp.reply(ticket, &Reply::OK, out);
//! }
//! ```
//!
//! Nor is it to go on with a message that is ended, on any side:
//!
//! ```compile_fail,E0382
//! use postkern::imap::{Client, MessageLiteral};
//! fn late(imap: &mut Client, mut message: MessageLiteral, out: &mut Vec<u8>) {
//!     imap.write(&mut message, b"Hello", out);
//!     imap.end(message, out);
//!     imap.write(&mut message, b"again", out);
//! }
//! ```
//!
//! Nor to keep an event over the next poll, which consumes the octets that it borrows:
//!
//! ```compile_fail,E0499
//! use postkern::{Conn, Frame, Instant, smtp::Server};
//! fn keep(conn: &mut Conn<Server>, frame: Frame) {
//!     let (event, _, _) = conn.event(frame);
//!     let _ = conn.poll(Instant::from_millis(0));
//!     drop(event);
//! }
//! ```
//!
//! # The modules
//!
//! | module | is |
//! | --- | --- |
//! | [`smtp`] | SMTP, submission and LMTP; and delivery of one envelope, above the client |
//! | [`pop3`] | POP3 |
//! | [`imap`] | IMAP4rev1 and its extensions |
//! | [`sasl`] | the names of mechanisms; with a feature their messages, and base64 |
#![cfg_attr(feature = "rustls", doc = "| [`tls`] | TLS as a [`Layer`], by rustls |")]
#![cfg_attr(not(feature = "rustls"), doc = "| `tls` | TLS as a [`Layer`], by rustls; a feature |")]
#![cfg_attr(feature = "deflate", doc = "| [`deflate`] | DEFLATE as a [`Layer`], by flate2 |")]
#![cfg_attr(not(feature = "deflate"), doc = "| `deflate` | DEFLATE as a [`Layer`], by flate2; a feature |")]
//!
//! At the root stands what they share: [`Machine`] is the contract, [`Conn`] keeps it,
//! [`Layer`] and [`Tap`] are what may be put below and beside it.
//!
//! # Features
//!
//! All are off by default, and then the crate is `no_std` with `alloc` and depends on memchr
//! alone.
//!
//! | feature | adds |
//! | --- | --- |
//! | `rustls` | the module `tls`, which needs std |
//! | `deflate` | the module `deflate` |
//! | `sasl` | the exchanges of the module `sasl` |
//! | `scram` | SCRAM among them, with its hashes |
//! | `arbitrary` | `Arbitrary` for commands and other plain values that fuzzers make; needs std |
//!
//! # Promises
//!
//! - The same octets, cut anywhere, make the same events and the same answers.
//! - Work is linear in the octets, and memory is bounded by limits that have names: one
//!   frame and one read of input, [`OUTPUT_HIGH`] and one answer of output.
//! - An octet that a machine hands out is a slice of the buffer that it was read into.
//! - No unsafe code.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
// Of the code that the derive of Arbitrary makes.
#[cfg(feature = "arbitrary")]
extern crate std;

mod buf;
mod conn;
#[cfg(feature = "deflate")]
pub mod deflate;
mod dot;
mod line;
mod machine;
mod text;
#[cfg(feature = "rustls")]
pub mod tls;

pub mod imap;
pub mod pop3;
pub mod sasl;
pub mod smtp;

pub use buf::Buf;
pub use conn::{Conn, Layer, LayerFailed, OUTPUT_HIGH, Tap};
pub use dot::Body;
pub use machine::{Close, Frame, Instant, Machine, Upgrade, Violation, Want};

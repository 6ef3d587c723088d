//! Mail protocols without IO.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

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
#[cfg(feature = "sasl")]
pub mod sasl;
pub mod smtp;

pub use buf::Buf;
pub use conn::{Conn, Layer, LayerFailed, OUTPUT_HIGH, Tap};
pub use dot::Body;
pub use machine::{Close, Frame, Instant, Machine, Upgrade, Violation, Want};

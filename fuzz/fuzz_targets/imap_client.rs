//! See `postkern_fuzz::imap_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postkern_fuzz::imap_client(data));

//! See `postkern_fuzz::imap_fetch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postkern_fuzz::imap_fetch(data));

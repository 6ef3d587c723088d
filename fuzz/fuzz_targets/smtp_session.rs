//! See `postkern_fuzz::smtp_session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postkern_fuzz::smtp_session(data));

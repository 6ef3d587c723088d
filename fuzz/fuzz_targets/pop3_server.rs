//! See `postkern_fuzz::pop3_server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postkern_fuzz::pop3_server(data));

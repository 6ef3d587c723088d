//! See `postkern_fuzz::values`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postkern_fuzz::values(data));

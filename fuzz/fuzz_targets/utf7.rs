//! See `postkern_fuzz::utf7`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postkern_fuzz::utf7(data));

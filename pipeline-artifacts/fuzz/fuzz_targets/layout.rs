#![no_main]
#![allow(dead_code, reason = "each binary runs one target")]

#[path = "../../tests/it/fuzz/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::layout::run(data));

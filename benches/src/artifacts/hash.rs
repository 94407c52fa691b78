use std::hint::black_box;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::Failure;
use crate::measure::Settings;
use crate::report::{Figure, Sink};
use crate::threads::time;

/// Which instructions the hash finds, and how fast that is here. The crate asks the processor when it runs.
pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    for (name, found) in instructions() {
        sink.figure(Figure::told(
            format!("hash: {name}"),
            f64::from(u8::from(found)),
            "found",
        ))?;
    }
    let bytes = vec![7; 16 << 20];
    let mut best = f64::INFINITY;
    for _ in 0..settings.size(10).max(2) {
        let (taken, _) = time(|| Ok(black_box(Sha256::digest(black_box(&bytes)))))?;
        best = best.min(taken.as_secs_f64());
    }
    sink.figure(Figure::told(
        "hash: SHA-256, one thread",
        bytes.len() as f64 / best / 1e6,
        "MB/s",
    ))?;
    let speed = Command::new("openssl")
        .args(["speed", "-mr", "-seconds", "1", "-bytes", "16384", "sha256"])
        .output();
    let Ok(output) = speed else {
        sink.figure(Figure::absent("openssl: not installed, not compared"))?;
        return Ok(());
    };
    // `+F:22:sha256:1425000000.00`
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text
        .lines()
        .filter(|line| line.starts_with("+F"))
        .find_map(|line| line.rsplit(':').next()?.parse::<f64>().ok());
    sink.figure(match rate {
        Some(rate) => Figure::told("hash: openssl, one thread", rate / 1e6, "MB/s"),
        None => Figure::absent("hash: openssl did not say"),
    })?;
    Ok(())
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn instructions() -> Vec<(&'static str, bool)> {
    vec![
        (
            "SHA instructions (SHA-NI)",
            std::arch::is_x86_feature_detected!("sha"),
        ),
        ("AVX2", std::arch::is_x86_feature_detected!("avx2")),
    ]
}

#[cfg(target_arch = "aarch64")]
fn instructions() -> Vec<(&'static str, bool)> {
    vec![(
        "SHA instructions",
        std::arch::is_aarch64_feature_detected!("sha2"),
    )]
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn instructions() -> Vec<(&'static str, bool)> {
    vec![("SHA instructions that we know of", false)]
}

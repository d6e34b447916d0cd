//! The release of ONNX Runtime that planish obtains by itself, pinned for each platform.

/// The release.
pub(super) const VERSION: &str = "1.31.1";

/// The wheel of one platform and the library inside it.
#[derive(Debug)]
pub(super) struct Pin {
    /// The name of the platform, and of its folder in the cache.
    pub(super) platform: &'static str,
    /// The platform tag of the wheel.
    pub(super) tag: &'static str,
    /// SHA-256 of the wheel, in hex.
    pub(super) wheel: &'static str,
    /// The name of the library in the wheel's folder `onnxruntime/capi` and in the cache.
    pub(super) library: &'static str,
    /// SHA-256 of the library, in hex.
    pub(super) sha256: &'static str,
    /// Bytes of the library.
    pub(super) size: u64,
}

/// Every platform with a pinned wheel (`onnxruntime` 1.31.1 for Python 3.11).
const PINS: [Pin; 3] = [
    Pin {
        platform: "linux-x86_64",
        tag: "manylinux_2_28_x86_64",
        wheel: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        library: "libonnxruntime.so.1.31.1",
        sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
        size: 29_352_200,
    },
    Pin {
        platform: "linux-aarch64",
        tag: "manylinux_2_28_aarch64",
        wheel: "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        library: "libonnxruntime.so.1.31.1",
        sha256: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        size: 25_265_040,
    },
    Pin {
        platform: "macos-aarch64",
        tag: "macosx_14_0_arm64",
        wheel: "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
        library: "libonnxruntime.1.31.1.dylib",
        sha256: "f8b06155feece624e55e49124340eea279da812529ae6fbc46a9f2be9c9cad2e",
        size: 33_037_336,
    },
];

/// The pin of the platform that planish was built for.
pub(super) fn pin() -> Option<&'static Pin> {
    // A wheel for glibc can't be loaded by a program on another C library.
    if cfg!(target_os = "linux") && !cfg!(target_env = "gnu") {
        return None;
    }
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    PINS.iter().find(|pin| pin.platform == platform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_lowercase_hex_and_names_carry_the_version() {
        for pin in &PINS {
            for digest in [pin.wheel, pin.sha256] {
                assert_eq!(digest.len(), 64, "{}", pin.platform);
                assert!(digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{}", pin.platform);
            }
            assert!(pin.library.contains(VERSION), "{}", pin.platform);
        }
    }
}

//! Facts about this machine and this moment, for provenance and scheduling.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `moment` in UTC as RFC 3339, to the millisecond, such as `2026-11-23T01:47:00.250Z`: always as long, so that texts sort as
/// times do.
#[must_use]
pub(super) fn rfc3339(moment: SystemTime) -> String {
    let t = OffsetDateTime::from(moment);
    let (year, month, day) = t.to_calendar_date();
    let (hour, minute, second, milli) = t.to_hms_milli();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", u8::from(month))
}

/// The moment that `text` names as RFC 3339 does, as written in records, in seconds since 1970; `None` for another text.
#[must_use]
pub fn seconds_since_1970(text: &str) -> Option<f64> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(moment.unix_timestamp_nanos() as f64 / 1e9)
}

/// A name for a run that began at `moment`: sorts by time, and differs between processes.
#[must_use]
pub(super) fn run_id(moment: SystemTime) -> String {
    let t = OffsetDateTime::from(moment);
    let (year, month, day) = t.to_calendar_date();
    let (hour, minute, second, milli) = t.to_hms_milli();
    format!("{year:04}{:02}{day:02}-{hour:02}{minute:02}{second:02}-{milli:03}-{}", u8::from(month), std::process::id())
}

/// How many processors this process may use.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The machine's memory in bytes, where the system tells.
#[must_use]
pub fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The NVIDIA GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them: those that it names, or all that have device files.
#[must_use]
pub fn gpus() -> Vec<String> {
    if let Some(visible) = std::env::var_os("CUDA_VISIBLE_DEVICES") {
        return named_gpus(&visible.to_string_lossy());
    }
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_prefix("nvidia")?.parse::<u16>().ok();
    let mut numbers: Vec<u16> = entries.filter_map(number).collect();
    numbers.sort_unstable();
    numbers.iter().map(u16::to_string).collect()
}

/// What a value of `CUDA_VISIBLE_DEVICES` names; CUDA reads no further than the first name that means nothing.
fn named_gpus(visible: &str) -> Vec<String> {
    let names = visible.split(',').map(str::trim);
    names.take_while(|name| !name.is_empty() && !name.starts_with('-')).map(str::to_owned).collect()
}

/// The machine's name.
#[must_use]
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The processor's vector level, on which floating-point results may depend: `x86-64-v3` and the like.
#[must_use]
pub fn cpu_features() -> String {
    #[cfg(target_arch = "x86_64")]
    let level = if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512bw") {
        "x86-64-v4"
    } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        "x86-64-v3"
    } else if std::arch::is_x86_feature_detected!("sse4.2") {
        "x86-64-v2"
    } else {
        "x86-64"
    };
    #[cfg(not(target_arch = "x86_64"))]
    let level = std::env::consts::ARCH;
    level.to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        assert_eq!(rfc3339(moment), "2023-11-14T22:13:20.250Z");
        assert!(seconds_since_1970(&rfc3339(moment)).is_some_and(|seconds| (seconds - 1_700_000_000.25).abs() < 1e-6));
        assert_eq!(seconds_since_1970("yesterday"), None);
    }

    #[test]
    fn run_ids_sort_by_time() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        assert!(run_id(moment).starts_with("20231114-221320-250-"));
        assert!(run_id(moment) < run_id(moment + Duration::from_millis(1)));
    }

    #[test]
    fn gpus_are_those_that_are_visible() {
        assert_eq!(named_gpus("2, 0"), ["2", "0"]);
        assert_eq!(named_gpus("GPU-8932f937,-1,3"), ["GPU-8932f937"]);
        assert!(named_gpus("").is_empty() && named_gpus("-1").is_empty());
    }

    #[test]
    fn this_machine_has_a_processor_a_name_and_memory() {
        assert!(processors() >= 1);
        assert!(!host().is_empty());
        assert!(memory().is_none_or(|bytes| bytes > 1 << 20));
    }
}

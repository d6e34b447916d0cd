//! Where tensors live.

use std::borrow::Cow;
use std::str::FromStr;

use planish_contract::Failure;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A place where tensors live and are computed on; burn's run-time device.
pub type Device = burn::tensor::Device;

/// A device as TOML and the command line name it: `"auto"`, `"cpu"`, `"cuda"` or `"cuda:0"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceName {
    /// The best device this build can use.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The CUDA device of this index.
    Cuda(usize),
}

impl std::fmt::Display for DeviceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DeviceName::Auto => f.write_str("auto"),
            DeviceName::Cpu => f.write_str("cpu"),
            DeviceName::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(DeviceName::Auto),
            "cpu" => Ok(DeviceName::Cpu),
            "cuda" => Ok(DeviceName::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(DeviceName::Cuda)
                .ok_or_else(|| format!("`{other}` is not a device; use \"auto\", \"cpu\" or \"cuda:0\"")),
        }
    }
}

impl Serialize for DeviceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for DeviceName {
    fn schema_name() -> Cow<'static, str> {
        "DeviceName".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::DeviceName").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A device: auto, cpu, cuda or cuda:0.", "type": "string", "pattern": "^(auto|cpu|cuda(:[0-9]+)?)$" })
    }
}

/// The device of that name, without autodiff.
///
/// # Errors
/// [`Failure::Input`] when this build can't use it.
pub fn open(name: &DeviceName) -> Result<Device, Failure> {
    match name {
        DeviceName::Auto | DeviceName::Cpu => Ok(Device::flex()),
        DeviceName::Cuda(_) => Err(Failure::input_hint(
            format!("device `{name}` can't be used: this planish was built without CUDA"),
            "write device = \"cpu\" or \"auto\"",
        )),
    }
}

/// Sets how many threads tensor computations use in this process. Call it once, before the first
/// computation: the pool can't be resized. No result depends on the number.
///
/// Returns the number of threads in use.
#[expect(clippy::must_use_candidate, reason = "it is called for its effect")]
pub fn set_threads(threads: usize) -> usize {
    // The only error is that the pool exists already: then its size stands.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global();
    rayon::current_num_threads()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for text in ["auto", "cpu", "cuda:3"] {
            assert_eq!(text.parse::<DeviceName>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse::<DeviceName>().unwrap(), DeviceName::Cuda(0));
        assert!("gpu".parse::<DeviceName>().unwrap_err().contains("cuda:0"));
    }

    #[test]
    fn cuda_is_refused_with_a_hint() {
        let failure = open(&DeviceName::Cuda(0)).unwrap_err();
        assert!(failure.to_string().contains("cuda:0"));
        assert!(failure.hint().unwrap().contains("cpu"));
    }
}

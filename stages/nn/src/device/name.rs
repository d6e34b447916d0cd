//! How TOML and the command line name devices.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A device as TOML and the command line name it: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:0"`, `"cuda:all"`, and the same with `wgpu`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceName {
    /// The best device that this build finds: the first NVIDIA GPU, then the first other GPU, then the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// NVIDIA GPUs, in the order of CUDA.
    Cuda(Which),
    /// What wgpu reaches (Metal, Vulkan, DirectX 12), graphics cards first.
    Wgpu(Which),
}

/// Which of several devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// That of this index, from 0.
    Index(usize),
    /// All of them.
    All,
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Which::Index(index) => write!(f, "{index}"),
            Which::All => f.write_str("all"),
        }
    }
}

impl Which {
    /// What follows the name of an interface: nothing, `:2` or `:all`.
    fn parse(rest: &str) -> Option<Self> {
        match rest.strip_prefix(':') {
            None => rest.is_empty().then_some(Which::Index(0)),
            Some("all") => Some(Which::All),
            Some(index) => index.parse().ok().map(Which::Index),
        }
    }
}

impl std::fmt::Display for DeviceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DeviceName::Auto => f.write_str("auto"),
            DeviceName::Cpu => f.write_str("cpu"),
            DeviceName::Cuda(which) => write!(f, "cuda:{which}"),
            DeviceName::Wgpu(which) => write!(f, "wgpu:{which}"),
        }
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of = |interface: &str| text.strip_prefix(interface).and_then(Which::parse);
        match text {
            "auto" => Some(DeviceName::Auto),
            "cpu" => Some(DeviceName::Cpu),
            _ => of("cuda").map(DeviceName::Cuda).or_else(|| of("wgpu").map(DeviceName::Wgpu)),
        }
        .ok_or_else(|| format!("`{text}` is not a device; use \"auto\", \"cpu\", \"cuda:0\" or \"cuda:all\", \"wgpu:0\" or \"wgpu:all\""))
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
        json_schema!({
            "description": "A device: auto, cpu, cuda, cuda:0, cuda:all, and the same with wgpu.",
            "type": "string",
            "pattern": "^(auto|cpu|(cuda|wgpu)(:([0-9]+|all))?)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for text in ["auto", "cpu", "cuda:3", "cuda:all", "wgpu:0", "wgpu:all"] {
            assert_eq!(text.parse::<DeviceName>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse::<DeviceName>().unwrap(), DeviceName::Cuda(Which::Index(0)));
        for wrong in ["gpu", "cuda0", "cuda:", "cuda:-1", "wgpu:first", ""] {
            assert!(wrong.parse::<DeviceName>().unwrap_err().contains("cuda:0"), "{wrong}");
        }
    }
}

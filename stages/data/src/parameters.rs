//! What the stage can be asked for.

use std::borrow::Cow;
use std::path::PathBuf;

use planish_contract::Invalid;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer, value::MapDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::dataset::Sizes;
use crate::datasets::AnyDataset;

/// Which data set, and how much of it.
///
/// In TOML `dataset = "cifar10"` and `dataset.cifar10 = {}` are the same. `train` and `test` are numbers of
/// images or `"all"`; what is left out is the data set's default. Validation images are taken out of the official training split.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
pub struct Parameters {
    /// The data set.
    pub dataset: AnyDataset,
    /// How many training images.
    pub train: usize,
    /// How many validation images.
    pub validation: usize,
    /// How many test images.
    pub test: usize,
}

impl Parameters {
    /// The numbers of images.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes { train: self.train, validation: self.validation, test: self.test }
    }

    /// Checks the numbers against the data set.
    ///
    /// # Errors
    /// A selection that is empty or larger than the official splits.
    pub fn check(&self) -> Result<(), Invalid> {
        let facts = self.dataset.facts();
        let official = facts.official;
        let too_many = |path: &str, wanted: String, split: &str, size: usize| {
            let message = format!("{wanted}, but the official {split} split of {} has {size}", facts.name);
            Err(Invalid::at(path, message))
        };
        if self.train.saturating_add(self.validation) > official.train {
            let wanted = format!("{} training and {} validation images", self.train, self.validation);
            return too_many("train", wanted, "training", official.train)
                .map_err(|invalid| invalid.hint("validation images come out of the training split; `train = \"all\"` takes the rest"));
        }
        if self.test > official.test {
            return too_many("test", format!("{} test images", self.test), "test", official.test);
        }
        if self.train + self.validation + self.test == 0 {
            return Err(Invalid::at("train", "a data set without images"));
        }
        Ok(())
    }
}

/// The parameters as TOML has them, before defaults are filled in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Parameters")]
struct Written {
    #[serde(deserialize_with = "name_or_table")]
    dataset: AnyDataset,
    train: Option<Size>,
    validation: Option<usize>,
    test: Option<Size>,
}

impl From<Written> for Parameters {
    fn from(written: Written) -> Self {
        let facts = written.dataset.facts();
        let validation = written.validation.unwrap_or(facts.defaults.validation);
        let resolve = |size: Option<Size>, default, all| match size {
            None => default,
            Some(Size::All) => all,
            Some(Size::Images(images)) => images,
        };
        Parameters {
            train: resolve(written.train, facts.defaults.train, facts.official.train.saturating_sub(validation)),
            validation,
            test: resolve(written.test, facts.defaults.test, facts.official.test),
            dataset: written.dataset,
        }
    }
}

/// A number of images, or everything there is.
enum Size {
    Images(usize),
    All,
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Size;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a number of images or \"all\"")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Size, E> {
                usize::try_from(value).map(Size::Images).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Size, E> {
                usize::try_from(value).map(Size::Images).map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Size, E> {
                if value == "all" { Ok(Size::All) } else { Err(E::invalid_value(de::Unexpected::Str(value), &self)) }
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Size").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A number of images, or all there are.", "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "all" }] })
    }
}

/// Reads `"cifar10"` like `{ cifar10 = {} }`.
fn name_or_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AnyDataset, D::Error> {
    struct Written;
    impl<'de> Visitor<'de> for Written {
        type Value = AnyDataset;

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("the name of a data set")
        }
        fn visit_str<E: de::Error>(self, name: &str) -> Result<AnyDataset, E> {
            let empty = MapDeserializer::new(std::iter::empty::<((), ())>());
            AnyDataset::deserialize(MapAccessDeserializer::new(MapDeserializer::new([(name, Table(empty))].into_iter())))
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyDataset, A::Error> {
            let dataset = AnyDataset::deserialize(MapAccessDeserializer::new(&mut map))?;
            match map.next_key::<String>()? {
                Some(second) => Err(de::Error::custom(format_args!("one data set is expected, but `{second}` is a second one"))),
                None => Ok(dataset),
            }
        }
    }
    deserializer.deserialize_any(Written)
}

/// A table that stands where a value of a table is expected.
struct Table<T>(T);

impl<'de, E: de::Error, T: Deserializer<'de, Error = E>> de::IntoDeserializer<'de, E> for Table<T> {
    type Deserializer = T;

    fn into_deserializer(self) -> T {
        self.0
    }
}

/// Where the data set comes from. None of it changes the result: every file is checked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Execution {
    /// A folder with copies of data sets. Without it, the environment variable `PLANISH_DATA` names one.
    pub data_dir: Option<PathBuf>,
    /// Whether a data set that is not on disk may be downloaded.
    pub download: bool,
}

impl Default for Execution {
    fn default() -> Self {
        Execution { data_dir: None, download: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Value, String> {
        let parameters: Parameters = serde_json::from_value(value).map_err(|e| e.to_string())?;
        serde_json::to_value(&parameters).map_err(|e| e.to_string())
    }

    #[test]
    fn a_name_and_an_empty_table_are_the_same_and_defaults_are_filled_in() {
        let expected = json!({ "dataset": { "fashion-mnist": {} }, "train": 10_000, "validation": 1_000, "test": 1_000 });
        assert_eq!(read(json!({ "dataset": "fashion-mnist" })).unwrap(), expected);
        assert_eq!(read(json!({ "dataset": { "fashion-mnist": {} } })).unwrap(), expected);
        assert_eq!(read(expected.clone()).unwrap(), expected);
    }

    #[test]
    fn all_is_what_validation_leaves() {
        let read = read(json!({ "dataset": "cifar10", "train": "all", "validation": 5_000, "test": "all" })).unwrap();
        assert_eq!((&read["train"], &read["test"]), (&json!(45_000), &json!(10_000)));
    }

    #[test]
    fn mistakes_are_named() {
        let message = |value| read(value).unwrap_err();
        assert!(message(json!({ "dataset": "cifar" })).contains("unknown variant `cifar`, expected one of `fashion-mnist`"));
        assert!(message(json!({ "dataset": { "mnist": { "size": 1 } } })).contains("unknown field `size`"));
        assert!(message(json!({ "dataset": { "cifar10": {}, "mnist": {} } })).contains("`mnist` is a second one"));
        assert!(message(json!({ "dataset": 3 })).contains("expected the name of a data set"));
        assert!(message(json!({ "dataset": "mnist", "train": "some" })).contains("expected a number of images or \"all\""));
        assert!(message(json!({ "dataset": "mnist", "train": -1 })).contains("expected a number of images"));
        assert!(message(json!({ "dataset": "mnist", "trian": 1 })).contains("unknown field `trian`"));
        assert!(message(json!({})).contains("missing field `dataset`"));
    }

    #[test]
    fn more_than_there_is_is_refused() {
        let check = |value| serde_json::from_value::<Parameters>(value).unwrap().check().unwrap_err();
        let invalid = check(json!({ "dataset": "mnist", "train": 60_000 }));
        assert_eq!(invalid.path, ["train"]);
        assert_eq!(invalid.message, "60000 training and 1000 validation images, but the official training split of mnist has 60000");
        assert_eq!(check(json!({ "dataset": "mnist", "test": 10_001 })).path, ["test"]);
        assert_eq!(check(json!({ "dataset": "mnist", "train": u64::MAX })).path, ["train"]);
        let empty = check(json!({ "dataset": "mnist", "train": 0, "validation": 0, "test": 0 }));
        assert_eq!(empty.message, "a data set without images");
    }
}

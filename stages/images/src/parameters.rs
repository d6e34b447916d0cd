//! What the stage can be asked for.

use std::borrow::Cow;
use std::fmt;

use planish_contract::Invalid;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fit::Fit;

/// How one's own images are read and split.
///
/// The images come in as `files.source` (a folder, a `.safetensors` or an `.npz` file), or as `files.images` and `files.labels`
/// (two `.npy` files).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImagesParameters {
    /// The data set's name in tables; `images` unless given.
    pub name: Option<String>,
    /// The names of the classes in the order of the labels; folders carry them, arrays are numbered `0`, `1`, … unless given.
    pub classes: Option<Vec<String>>,
    /// Where the channels of an array are.
    pub layout: Layout,
    /// Height and width that image files are brought to (the shorter side resized, then the centre cut out); one number is both.
    /// Without it all images must have one size.
    pub size: Option<Size>,
    /// What the shorter side is resized to before the centre is cut out, in pixels: `resize = 256` and `size = 224` are torchvision's `Resize(256)` and
    /// `CenterCrop(224)`, with which most results on ImageNet are measured. Unless given, the image is made as small as covers `size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// How many training images.
    pub train: Option<Take>,
    /// How many validation images.
    pub validation: Option<Take>,
    /// How many test images; all that training and validation leave unless given.
    pub test: Option<Take>,
}

/// The order of an array's axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Channels are the axis of length 1 or 3, if only one is.
    #[default]
    Auto,
    /// `[n, c, h, w]`, as in PyTorch.
    Nchw,
    /// `[n, h, w, c]`, as in TensorFlow and most image files.
    Nhwc,
}

/// Height and width in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Height.
    pub height: usize,
    /// Width.
    pub width: usize,
}

/// A number of images, or what the other splits leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// So many.
    Images(usize),
    /// `"all"`: what the others leave.
    All,
}

impl ImagesParameters {
    /// Checks what types alone can't.
    ///
    /// # Errors
    /// The first parameter that can't be used.
    pub fn check(&self) -> Result<(), Invalid> {
        const MOST: usize = 8_192;
        match (self.resize, self.size) {
            (Some(_), None) => return Err(Invalid::at("resize", "images are resized, but not cut to one size").hint("give `size` too")),
            (Some(shorter), Some(size)) if shorter < size.height.max(size.width) || shorter > MOST => {
                let message = format!("the shorter side becomes {shorter} pixels, of which {} by {} are cut out", size.height, size.width);
                return Err(Invalid::at("resize", message).hint(format!("at least the longer side of `size`, and at most {MOST}")));
            }
            _ => {}
        }
        if let Some(size) = self.size
            && !((1..=MOST).contains(&size.height) && (1..=MOST).contains(&size.width))
        {
            return Err(Invalid::at("size", format!("images of {} by {} pixels", size.height, size.width)).hint("for example size = 224"));
        }
        if let Some(classes) = &self.classes {
            if classes.is_empty() {
                return Err(Invalid::at("classes", "the list of classes is empty"));
            }
            if let Some(twice) = classes.iter().enumerate().find(|(index, name)| classes.iter().take(*index).any(|other| other == *name)) {
                return Err(Invalid::at("classes", format!("two classes are named `{}`", twice.1)));
            }
        }
        if self.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(Invalid::at("name", "the name is empty"));
        }
        let nothing = [self.train, self.validation, self.test].iter().all(|take| *take == Some(Take::Images(0)));
        if nothing { Err(Invalid::at("test", "a data set without images")) } else { Ok(()) }
    }

    /// How image files are brought to one size, if they are.
    pub(crate) fn fit(&self) -> Option<Fit> {
        self.size.map(|size| Fit { size, resize: self.resize })
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.height, self.width].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number of pixels, or [height, width]")
            }
            fn visit_u64<E: de::Error>(self, side: u64) -> Result<Size, E> {
                let side = usize::try_from(side).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(side), &self))?;
                Ok(Size { height: side, width: side })
            }
            fn visit_i64<E: de::Error>(self, side: i64) -> Result<Size, E> {
                u64::try_from(side).map_err(|_| E::invalid_value(de::Unexpected::Signed(side), &self)).and_then(|side| self.visit_u64(side))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Size, A::Error> {
                let height = sequence.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let width = sequence.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
                match sequence.next_element::<usize>()? {
                    None => Ok(Size { height, width }),
                    Some(_) => Err(de::Error::invalid_length(3, &self)),
                }
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "ImageSize".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Size").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pixels = json_schema!({ "type": "integer", "minimum": 1 });
        json_schema!({ "description": "Pixels a side, or height and width.", "anyOf": [pixels, { "type": "array", "items": pixels, "minItems": 2, "maxItems": 2 }] })
    }
}

impl JsonSchema for Take {
    fn schema_name() -> Cow<'static, str> {
        "Take".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Take").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A number of images, or what the other splits leave.", "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "all" }] })
    }
}

impl Serialize for Take {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Take::Images(images) => images.serialize(serializer),
            Take::All => "all".serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Take {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Take;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number of images or \"all\"")
            }
            fn visit_u64<E: de::Error>(self, images: u64) -> Result<Take, E> {
                usize::try_from(images).map(Take::Images).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(images), &self))
            }
            fn visit_i64<E: de::Error>(self, images: i64) -> Result<Take, E> {
                let wrong = |_| E::invalid_value(de::Unexpected::Signed(images), &self);
                u64::try_from(images).map_err(wrong).and_then(|images| self.visit_u64(images))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Take, E> {
                if text == "all" { Ok(Take::All) } else { Err(E::invalid_value(de::Unexpected::Str(text), &self)) }
            }
        }
        deserializer.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<ImagesParameters, String> {
        serde_json::from_value(value).map_err(|e| e.to_string())
    }

    #[test]
    fn parameters_read_back() {
        let read = read(json!({ "size": 32, "train": "all", "test": 10, "layout": "nhwc" })).unwrap();
        assert_eq!(read.size, Some(Size { height: 32, width: 32 }));
        assert_eq!((read.train, read.validation, read.test), (Some(Take::All), None, Some(Take::Images(10))));
        let canonical = serde_json::to_value(&read).unwrap();
        assert_eq!(canonical["size"], json!([32, 32]));
        assert_eq!(serde_json::from_value::<ImagesParameters>(canonical).unwrap(), read);
    }

    #[test]
    fn mistakes_are_named() {
        for (wrong, message) in [
            (json!({ "size": "big" }), "a number of pixels"),
            (json!({ "size": [1] }), "a number of pixels"),
            (json!({ "test": "some" }), "a number of images or \"all\""),
            (json!({ "test": -1 }), "a number of images"),
            (json!({ "tset": 1 }), "unknown field `tset`"),
            (json!({ "layout": "hwc" }), "expected one of `auto`, `nchw`, `nhwc`"),
        ] {
            let found = read(wrong).unwrap_err();
            assert!(found.contains(message), "{found}");
        }
        let check = |value| read(value).unwrap().check().unwrap_err().path;
        assert_eq!(check(json!({ "size": 0 })), ["size"]);
        for wrong in [json!({ "resize": 256 }), json!({ "resize": 256, "size": [224, 257] }), json!({ "resize": 9000, "size": 224 })] {
            assert_eq!(check(wrong), ["resize"]);
        }
        assert_eq!(check(json!({ "classes": [] })), ["classes"]);
        assert_eq!(check(json!({ "classes": ["a", "b", "a"] })), ["classes"]);
        assert_eq!(check(json!({ "name": " " })), ["name"]);
        assert_eq!(check(json!({ "train": 0, "validation": 0, "test": 0 })), ["test"]);
    }
}

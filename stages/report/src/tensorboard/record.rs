//! The messages of event files (`event.proto`, `summary.proto` and `tensor.proto` of `TensorFlow`, what is used of them), and the framing of their
//! records (`record_writer.cc`): length, checksum of the length, data, checksum of the data, all little-endian.

use prost::Message;

/// Something at a moment and a step.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(super) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    pub(super) what: Option<What>,
}

/// What an [`Event`] tells.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum What {
    /// The head of every file.
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

/// Numbers and texts by tag.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(super) values: Vec<SummaryValue>,
}

/// One number or text.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryValue {
    #[prost(string, tag = "1")]
    pub(super) tag: String,
    #[prost(float, optional, tag = "2")]
    pub(super) simple_value: Option<f32>,
    #[prost(message, optional, tag = "8")]
    pub(super) tensor: Option<TextTensor>,
    #[prost(message, optional, tag = "9")]
    pub(super) metadata: Option<Metadata>,
}

/// A tensor of one string.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TextTensor {
    /// `DT_STRING` is 7.
    #[prost(int32, tag = "1")]
    pub(super) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<Shape>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub(super) values: Vec<Vec<u8>>,
}

/// A tensor's shape.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = "2")]
    pub(super) sides: Vec<Side>,
}

/// One side of a shape.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Side {
    #[prost(int64, tag = "1")]
    pub(super) size: i64,
}

/// Which plugin shows a value.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub(super) plugin: Option<Plugin>,
}

/// A plugin of `TensorBoard`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Plugin {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

impl SummaryValue {
    /// A number; curves hold 32 bits.
    pub(super) fn scalar(tag: &str, value: f64) -> Self {
        SummaryValue { tag: tag.to_owned(), simple_value: Some(value as f32), tensor: None, metadata: None }
    }

    /// A text.
    pub(super) fn text(tag: &str, text: &str) -> Self {
        const STRING: i32 = 7;
        let tensor =
            TextTensor { dtype: STRING, shape: Some(Shape { sides: vec![Side { size: 1 }] }), values: vec![text.as_bytes().to_vec()] };
        let metadata = Metadata { plugin: Some(Plugin { name: "text".to_owned() }) };
        SummaryValue { tag: tag.to_owned(), simple_value: None, tensor: Some(tensor), metadata: Some(metadata) }
    }
}

/// Appends `event` to the bytes of a file.
pub(super) fn append(bytes: &mut Vec<u8>, event: &Event) {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    bytes.extend(length);
    bytes.extend(masked_checksum(&length).to_le_bytes());
    bytes.extend(&data);
    bytes.extend(masked_checksum(&data).to_le_bytes());
}

/// CRC-32C, rotated and shifted as event files have it.
fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The Castagnoli checksum, bit by bit: the files are small.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 })
    })
}

/// The data of the records of a file whose checksums are right.
#[cfg(test)]
pub(super) fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let (checksum, rest) = rest.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_le_bytes(*checksum), masked_checksum(length));
        let (data, rest) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
        let (checksum, rest) = rest.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_le_bytes(*checksum), masked_checksum(data));
        records.push(data);
        bytes = rest;
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of RFC 3720, appendix B.4, and what `TensorBoard`'s own writer makes of the head of a file at moment 0.
    #[test]
    fn framing_is_that_of_event_files() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        let mut bytes = Vec::new();
        append(&mut bytes, &Event { wall_time: 0.0, step: 0, what: Some(What::FileVersion("brain.Event:2".to_owned())) });
        let golden: &[u8] = include_bytes!("head.tfevents");
        assert_eq!(bytes, golden);
    }
}

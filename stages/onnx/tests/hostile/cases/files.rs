//! Files that are no models, or damaged ones.

use std::fs::File;

use planish_onnx::proto::{GraphProto, ModelProto, NodeProto};
use prost::Message;

use crate::build::honest;
use crate::case::{Case, Expected, bytes, written};

use Expected::{Either, Refused};

const NO_MODEL: Expected = Refused(&["is not an ONNX model"]);

pub(crate) fn all() -> Vec<Case> {
    [other_formats(), damaged(), encodings()].into_iter().flatten().collect()
}

fn other_formats() -> Vec<Case> {
    vec![
        bytes("empty", Refused(&["is empty"]), vec![]),
        bytes("text", NO_MODEL, b"hello".to_vec()),
        bytes("web page", NO_MODEL, b"<!DOCTYPE html><html><head><title>404</title></head></html>\n".to_vec()),
        bytes("pointer of git-lfs", NO_MODEL, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n".to_vec()),
        bytes("png", NO_MODEL, [&b"\x89PNG\r\n\x1a\n"[..], &[0; 1000]].concat()),
        bytes("zip, as torch saves", NO_MODEL, [&b"PK\x03\x04"[..], &[0; 1000]].concat()),
        bytes("gzip", NO_MODEL, [&b"\x1f\x8b\x08\x00"[..], &[7; 1000]].concat()),
        bytes("pickle", NO_MODEL, b"\x80\x04\x95\x10\x00\x00\x00cos\nsystem\n(S'true'\ntR.".to_vec()),
        bytes(
            "safetensors",
            NO_MODEL,
            [&[64, 0, 0, 0, 0, 0, 0, 0][..], &br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#[..]].concat(),
        ),
        bytes("zeros", NO_MODEL, vec![0; 1 << 20]),
        bytes("noise", NO_MODEL, noise(1 << 16, 1)),
        written("3 GiB of nothing", Refused(&["is larger than 2048 MiB"]), |path| File::create(path).unwrap().set_len(3 << 30).unwrap()),
        written("folder", Refused(&["is not a regular file"]), |path| std::fs::create_dir(path).unwrap()),
        written("socket", Refused(&["is not a regular file"]), |path| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
        written("endless device", Refused(&["is not a regular file"]), |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap()),
    ]
}

fn damaged() -> Vec<Case> {
    let model = honest().encode_to_vec();
    let cut = |length: usize| model.get(..length).unwrap().to_vec();
    let mut cases = vec![
        bytes("first half", NO_MODEL, cut(model.len() / 2)),
        bytes("last byte missing", NO_MODEL, cut(model.len() - 1)),
        bytes("first byte only", NO_MODEL, cut(1)),
        bytes("twice in a row", Refused(&["imports ONNX's own operators 2 times"]), [model.clone(), model.clone()].concat()),
        bytes("text behind it", NO_MODEL, [&model[..], b"and more"].concat()),
    ];
    for seed in 0..12u64 {
        cases.push(bytes(&format!("flipped bits {seed}"), Either, flipped(&model, seed)));
    }
    cases
}

/// The model with a few bits flipped; in even seeds near its head, where the structure is.
fn flipped(model: &[u8], seed: u64) -> Vec<u8> {
    let mut bytes = model.to_vec();
    let range = if seed.is_multiple_of(2) { 300 } else { bytes.len() };
    for pair in noise(24, seed + 100).chunks(3) {
        let [high, low, bit] = *pair else { continue };
        let at = (usize::from(high) * 256 + usize::from(low)) % range;
        bytes[at] ^= 1 << (bit % 8);
    }
    bytes
}

fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Encodings that are small and would be large, or endless, when they are decoded.
fn encodings() -> Vec<Case> {
    let of_graph = |graph: GraphProto| ModelProto { graph: Some(graph), ..honest() }.encode_to_vec();
    let mut deep = vec![];
    for _ in 0..300 {
        // A graph in the attribute of a node of a graph.
        deep = delimited(6, deep);
        deep = delimited(5, deep);
        deep = delimited(1, deep);
    }
    vec![
        bytes(
            "three million empty nodes",
            Refused(&["nested messages"]),
            of_graph(GraphProto { node: vec![NodeProto::default(); 3 << 20], ..Default::default() }),
        ),
        bytes("ten million empty names", Refused(&["fields"]), {
            let node = NodeProto { input: vec![String::new(); 10 << 20], ..Default::default() };
            of_graph(GraphProto { node: vec![node], ..Default::default() })
        }),
        bytes("nine hundred levels", Refused(&["levels deep"]), delimited(7, deep)),
        bytes(
            "length beyond the file",
            Refused(&["18446744073709551615 bytes are announced"]),
            vec![0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ),
        bytes("endless number", Refused(&["longer than ten bytes"]), vec![0xff; 100]),
        bytes("groups", Refused(&["wire type 3"]), vec![0x0b; 100_000]),
        bytes("name that is no text", NO_MODEL, {
            let mut model = honest().encode_to_vec();
            let at = model.windows(4).position(|window| window == b"Relu").unwrap();
            model[at] = 0xff;
            model
        }),
    ]
}

/// A length-delimited field.
fn delimited(field: u8, content: Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(content);
    bytes
}

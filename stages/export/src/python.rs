//! What independent programs say of exported models.

use std::path::Path;

use planish_contract::Failure;
use planish_nn::Victim;
use prost::Message;

use crate::convert::convert;
use crate::testing::{self, TestNetwork};
use crate::variants::{self, Calibration, Precision};
use crate::{BatchNorm, parity};

/// Writes a model with images, the original's logits and the difference that is allowed beside it.
fn write(folder: &Path, name: &str, network: &TestNetwork, (model, most): (&planish_onnx::proto::ModelProto, f32)) {
    let images = network.images(2);
    let logits = parity::original(network.checkpoint()).logits(&images).unwrap();
    for (extension, values) in [("images", &images), ("logits", &logits), ("most", &vec![most])] {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(folder.join(format!("{name}.{extension}")), bytes).unwrap();
    }
    std::fs::write(folder.join(format!("{name}.onnx")), model.encode_to_vec()).unwrap();
}

/// Every network and activation, normalisation kept and folded, the oldest and newest operator set, every precision.
fn write_all(folder: &Path) -> Result<usize, Failure> {
    let mut count = 0;
    let mut add = |name: &str, network: &TestNetwork, model: (&planish_onnx::proto::ModelProto, f32)| {
        write(folder, name, network, model);
        count += 1;
    };
    for (name, network) in testing::every_network() {
        add(&name, &network, (&network.model(), 1e-4));
        let without_norms = convert(&network.source(), 17, BatchNorm::Fold)?;
        add(&format!("{name}-folded"), &network, (&without_norms, 1e-4));
        let images = network.images(16);
        for (precision, most) in [(Precision::Fp16, 0.05), (Precision::Int8, 0.5)] {
            let model = variants::make(&without_norms, precision, Calibration { images: &images, threads: 1 })?;
            add(&format!("{name}-{}", precision.as_str()), &network, (&model, most));
        }
    }
    for opset in [13, 21] {
        let network = testing::wide_resnet("silu");
        add(&format!("operators-{opset}"), &network, (&convert(&network.source(), opset, BatchNorm::Keep)?, 1e-4));
    }
    Ok(count)
}

/// Runs only where `PLANISH_TEST_PYTHON` names an interpreter that has the package `onnx`; what else it has of `onnxruntime` and
/// `onnx2torch` is asked as well. The models are left in the folder `PLANISH_KEEP_MODELS`, if that is set.
#[test]
fn independent_programs_accept_every_model_and_compute_the_same() {
    let Some(python) = std::env::var_os("PLANISH_TEST_PYTHON") else { return };
    let folder = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("PLANISH_KEEP_MODELS").map(std::path::PathBuf::from);
    let folder = kept.as_deref().unwrap_or(folder.path());
    let count = write_all(folder).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/onnx_check.py");
    let output = std::process::Command::new(python).arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), count);
}

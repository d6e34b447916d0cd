//! `planish attack`: one ONNX model, without a pipeline file.

use serde_json::Value;

use crate::bench::Bench;
use crate::schemas::agrees;

/// A small network that PyTorch exported: images `[n, 3, 16, 16]`, five classes, random weights.
const MODEL: &[u8] = include_bytes!("../golden/onnx_zoo/vgg-script.onnx");
const GOLDEN: &[u8] = include_bytes!("../golden/onnx_zoo/vgg.safetensors");

/// A folder with the model, and its golden images labelled as it classifies them.
fn bench() -> Bench {
    let bench = Bench::new("");
    std::fs::write(bench.path("model.onnx"), MODEL).unwrap();
    let header = usize::from_le_bytes(GOLDEN[..8].try_into().unwrap());
    let tensors: Value = serde_json::from_slice(&GOLDEN[8..8 + header]).unwrap();
    let floats = |name: &str| -> Vec<f32> {
        let range = &tensors[name]["data_offsets"];
        let at = |index: usize| 8 + header + usize::try_from(range[index].as_u64().unwrap()).unwrap();
        GOLDEN[at(0)..at(1)].as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let logits = floats("logits");
    let labels = logits.chunks(5).map(|row| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        i64::try_from(row.iter().position(|logit| logit.total_cmp(&largest).is_eq()).unwrap()).unwrap()
    });
    let labels: Vec<u8> = labels.flat_map(i64::to_le_bytes).collect();
    let images: Vec<u8> = floats("images").iter().map(|value| (value * 255.0).round() as u8).collect();
    let (n, end) = (labels.len() / 8, labels.len() + images.len());
    let text = format!(
        r#"{{"labels":{{"dtype":"I64","shape":[{n}],"data_offsets":[0,{}]}},"images":{{"dtype":"U8","shape":[{n},3,16,16],"data_offsets":[{},{end}]}}}}"#,
        labels.len(),
        labels.len()
    );
    let file = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &labels, &images].concat();
    std::fs::write(bench.path("images.safetensors"), file).unwrap();
    bench
}

fn attack<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["attack", "model.onnx", "--data", "images.safetensors", "--threat", "linf:8/255"], more].concat()
}

#[test]
fn mistakes_are_named_before_anything_is_attacked() {
    let bench = bench();
    let refused = bench.planish(&attack(&["--expect-accuracy", "0.1"]));
    refused.complains(1, &["of 3 clean images are classified correctly, not 10.0 % as expected"]);
    let one_class = bench.planish(&attack(&["--range", "0-255", "--expect-accuracy", "1.1"]));
    one_class.complains(2, &["not in [0,1]"]);
    for (wrong, message) in [
        (attack(&["--attack", "pdg"]), "did you mean `pgd`"),
        (attack(&["--attack", "pgd = {"]), "can't be read"),
        (attack(&["--mean", "0.1,0.2"]), "no value for each channel"),
        (attack(&["--labels", "none.npy"]), "files.labels"),
        (vec!["attack", "none.onnx", "--data", "images.safetensors", "--threat", "linf:8/255"], "files.model"),
        (vec!["attack", "model.onnx", "--data", "mnist", "--threat", "linf:8/255", "--labels", "y.npy"], "`--labels` says how"),
        (vec!["attack", "model.onnx", "--data", "mnist", "--threat", "linf:8/255", "--size", "28"], "`--size` says how"),
        (vec!["attack", "model.onnx", "--data", "mnist", "--threat", "linf:8/255", "--data-layout", "nhwc"], "`--data-layout` says how"),
        (vec!["attack", "model.onnx", "--data", "mnist", "--threat", "linf:8/255", "--classes", "a,b"], "`--classes` says how"),
        (attack(&["--provider", "gpu"]), "unknown choice `gpu`"),
        (attack(&["--print-pipeline", "--report", "page.html"]), "cannot be used with"),
        (attack(&["--print-pipeline", "--json"]), "cannot be used with"),
        (vec!["attack", "model.onnx", "--data", "cifar11", "--threat", "linf:8/255"], "did you mean `cifar10`"),
        (vec!["attack", "model.onnx", "--data", "images.safetensors", "--threat", "8/255"], "NORM:EPS"),
        (vec!["attack", "model.onnx", "--data", "images.safetensors", "--threat", "linf:8"], "8/255"),
    ] {
        bench.planish(&wrong).complains(2, &[message]);
    }
    let other = bench.planish(&["attack", "model.onnx", "--data", "fashion-mnist", "--images", "5", "--threat", "linf:8/255"]);
    other.complains(1, &["takes images of 3×16×16, the data set has 1×28×28"]);
}

/// Where CUDA is not built in, nothing else is used in its place.
#[cfg(not(feature = "onnx-cuda"))]
#[test]
fn a_provider_that_is_not_there_is_refused() {
    let bench = bench();
    let refused = bench.planish(&attack(&["--expect-accuracy", "1", "--attack", "pgd = { steps = 2 }", "--provider", "cuda"]));
    refused.complains(1, &["without CUDA", "--features onnx-cuda"]);
}

#[test]
fn the_pipeline_that_it_stands_for_can_be_kept() {
    let bench = bench();
    let printed = bench.ok(&attack(&["--print-pipeline", "--range=-1-1", "--attack", "pgd = { steps = 3 }", "--attack", "multi-targeted"]));
    let pipeline: toml::Table = printed.out.parse().unwrap();
    assert_eq!(pipeline["stages"]["attack"]["params"]["attack"].as_array().unwrap().len(), 2);
    assert_eq!(pipeline["stages"]["model"]["params"]["takes"]["range"].as_str(), Some("-1-1"));
    bench.pipeline(&printed.out);
    bench.ok(&["plan"]);
}

#[test]
fn a_model_is_attacked_and_the_result_is_kept() {
    let bench = bench();
    let command = attack(&["--expect-accuracy", "1", "--attack", "pgd = { steps = 5 }", "--report", "page.html"]);
    let first = bench.ok(&command);
    for word in ["model.onnx on images.safetensors, linf 8/255, 3 test images", "(none)", "pgd", "robust accuracy"] {
        assert!(first.out.contains(word), "no `{word}` in\n{}", first.out);
    }
    let page = bench.read("page.html");
    assert!(page.contains("model.onnx under attack") && page.contains("Masking") == first.out.contains("asking") && !page.contains("http"));
    let again = bench.ok(&[&command[..], &["--json"]].concat());
    assert!(!again.err.contains("running"), "{}", again.err);
    for part in ["interval", "check", "masking"] {
        agrees("attack", &again.out, part);
    }
    let answer = agrees("attack", &again.out, "evidence");
    assert_eq!((&answer["schema"], &answer["evidence"]["images"]), (&Value::from(1), &Value::from(3)));
    // Only the attack runs again under another one.
    let other = bench.ok(&attack(&["--expect-accuracy", "1", "--attack", "pgd = { steps = 6 }"]));
    assert!(other.err.contains("attack: running") && !other.err.contains("model: running"), "{}", other.err);
    // Three images decide nothing, and a strict judge says so.
    let strict = bench.planish(&[&command[..], &["--strict"]].concat());
    assert_eq!(strict.code, 6, "{}", strict.err);
    assert!(strict.out.contains("not decided, on 3 correctly classified images:"), "{}", strict.out);
}

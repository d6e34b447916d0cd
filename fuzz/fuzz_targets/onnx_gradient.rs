//! The differentiator: what passes the checks of model files is differentiated or refused, and each node of the graph that comes out reads
//! something that is there.
#![no_main]
#![allow(dead_code, unreachable_pub, unused_imports, reason = "parts of another crate")]

use std::collections::BTreeSet;

// The very files, without the crate around them: that one brings burn and ONNX Runtime, which take an hour to instrument.
#[path = "../../stages/onnx/src/differentiate/mod.rs"]
mod differentiate;
#[path = "../../stages/onnx/src/inspect/mod.rs"]
mod inspect;
#[path = "../../stages/onnx/src/proto/mod.rs"]
mod proto;

mod model_file {
    pub(crate) const LIMIT: u64 = (1 << 31) - 1;
}

use differentiate::{Objective, differentiate};
use planish_nn::Surrogate;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(mut model) = inspect::decode(data) else { return };
    if inspect::external::used(&model) {
        return;
    }
    let Ok((signature, _)) = inspect::inspect(&model, None) else { return };
    inspect::channels_first(&mut model, &signature);
    for objective in [Objective::Seed, Objective::Surrogate(Surrogate::TargetedDlr)] {
        let Ok(derived) = differentiate(model.clone(), &signature, objective) else { return };
        let graph = derived.model.graph.expect("a graph");
        let mut known: BTreeSet<&str> = graph.input.iter().map(|value| value.name()).collect();
        known.extend(graph.initializer.iter().map(|tensor| tensor.name()));
        for node in &graph.node {
            for input in node.input.iter().filter(|name| !name.is_empty()) {
                assert!(known.contains(input.as_str()), "{} reads {input}", node.op_type());
            }
            for output in node.output.iter().filter(|name| !name.is_empty()) {
                assert!(known.insert(output), "two values are named {output}");
            }
        }
        assert!(graph.output.iter().all(|value| known.contains(value.name())));
    }
});

//! `planish doctor`: what this machine can do.

mod disk;

use clap::Args;

use crate::exit::Exit;
use crate::run;
use crate::show::{self, DoctorView, Finding, Health, Screen};

use super::hooks::Hooks;
use super::open::PipelineArguments;

/// Say what this machine can do, and whether a run would work here
///
/// With `--device NAME` (cpu, cuda, cuda:0, cuda:all, wgpu) it also compares that device with the processor, and times training steps on it, a minute or so.
#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn doctor(arguments: &DoctorArguments, hooks: &Hooks<'_>, screen: Screen) -> Exit {
    let mut findings = machine();
    if let Some(name) = arguments.pipeline.device() {
        findings.extend(devices(name, hooks));
    }
    let root = arguments.pipeline.root();
    findings.extend(disk::findings(&root));
    for need in hooks.needs {
        findings.push(match (need.look)(arguments.pipeline.onnxruntime()) {
            Ok(Some(found)) => Finding::good(need.name, found),
            Ok(None) => Finding::fair(need.name, "not here", "the first run that needs it obtains it with pip"),
            Err(failure) => Finding::bad(need.name, failure.to_string(), failure.hint().unwrap_or("name another one")),
        });
    }
    findings.push(pipeline(arguments, hooks));
    let view = DoctorView { healthy: findings.iter().all(|finding| finding.health != Health::Bad), findings };
    screen.answer(&if arguments.json { show::json_answer("doctor", &view) } else { show::doctor(&view) });
    if view.healthy { Exit::Success } else { Exit::StageFailed }
}

fn machine() -> Vec<Finding> {
    let cores = run::processors();
    let memory = run::memory();
    let level = run::cpu_features();
    let gpus = run::gpus();
    let slow = ["x86-64", "x86-64-v2"].contains(&level.as_str());
    vec![
        Finding::good(
            "planish",
            format!("{} (build {})", env!("CARGO_PKG_VERSION"), crate::fingerprint::BUILD_ID.get(..12).unwrap_or_default()),
        ),
        Finding::good("processors", format!("{cores}, on {} {}", std::env::consts::OS, std::env::consts::ARCH)),
        if slow {
            Finding::fair("vector instructions", level, "training and attacks are several times faster with AVX2")
        } else {
            Finding::good("vector instructions", level)
        },
        match memory {
            None => Finding::fair("memory", "unknown", "stages that declare `memory` are not held back"),
            Some(bytes) if bytes < 2 << 30 => Finding::fair("memory", show::size(bytes), "the shipped pipeline needs about 2 GB"),
            Some(bytes) => Finding::good("memory", show::size(bytes)),
        },
        Finding::good("GPUs", if gpus.is_empty() { "none".to_owned() } else { gpus.join(", ") }),
    ]
}

/// What the devices of that name compute, and how fast.
fn devices(name: &str, hooks: &Hooks<'_>) -> Vec<Finding> {
    let Some(measure) = hooks.devices else {
        return vec![Finding::bad(name, "this planish was built without machine learning", "build it with its default features")];
    };
    measure(name).unwrap_or_else(|failure| {
        vec![Finding::bad(name, failure.to_string(), failure.hint().unwrap_or("`planish doctor --device cpu` measures the processor"))]
    })
}

/// Whether the pipeline reads. That there is none is no fault of the machine.
fn pipeline(arguments: &DoctorArguments, hooks: &Hooks<'_>) -> Finding {
    let file = &arguments.pipeline.file;
    if !file.exists() {
        return Finding::fair("pipeline", format!("{} is not there", file.display()), "`planish init` writes one");
    }
    match arguments.pipeline.plan(&[], hooks.kinds) {
        Ok(plan) => Finding::good("pipeline", format!("{}: {} instances", file.display(), plan.instances.len())),
        Err(error) => Finding::bad("pipeline", error.to_string().lines().next().unwrap_or_default(), "`planish plan` points at the places"),
    }
}

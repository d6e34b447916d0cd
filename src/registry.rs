//! The stage kinds of this executable: one line each. The only file that names the stage crates.

use planish::cli::{AttackHook, CurvesHook, Hooks, NeedHook, ReportHook};
use planish::spec::Kinds;
use planish_contract::AnyStage;

/// Every stage kind but the built-in `command`.
static KINDS: &[&dyn AnyStage] = &[
    #[cfg(feature = "ml")]
    &std::marker::PhantomData::<planish_data::DataStage>,
    #[cfg(feature = "ml")]
    &std::marker::PhantomData::<planish_images::ImagesStage>,
    #[cfg(feature = "ml")]
    &std::marker::PhantomData::<planish_train::TrainStage>,
    #[cfg(feature = "ml")]
    &std::marker::PhantomData::<planish_export::ExportStage>,
    #[cfg(feature = "ml")]
    &std::marker::PhantomData::<planish_import::ImportStage>,
    #[cfg(feature = "ml")]
    &std::marker::PhantomData::<planish_attack::AttackStage>,
    #[cfg(feature = "ml")]
    &std::marker::PhantomData::<planish_landscape::LandscapeStage>,
    #[cfg(feature = "ml")]
    &std::marker::PhantomData::<planish_report::ReportStage>,
];

/// The stage kinds whose results can be shown as a page.
static REPORTS: &[ReportHook] = &[
    #[cfg(feature = "ml")]
    ReportHook { kind: "report", render: page::render, text: page::text },
];

/// The stage kinds whose results have curves for `TensorBoard`.
static CURVES: &[CurvesHook] = &[
    #[cfg(feature = "ml")]
    CurvesHook {
        kind: "train",
        write: |checkpoint, made, facts, folder| {
            let timing = planish_report::tensorboard::Timing { made, epochs: facts.get("epochs") };
            planish_report::tensorboard::write_events(checkpoint, timing, folder)
        },
    },
];

/// What the stages' libraries need of the machine.
static NEEDS: &[NeedHook] = &[
    #[cfg(feature = "ml")]
    NeedHook { name: "ONNX Runtime", look: planish_export::onnx_runtime_present },
];

/// What `doctor --device` tells.
#[cfg(feature = "ml")]
const DEVICES: Option<planish::cli::DevicesHook> = Some(devices::findings);
#[cfg(not(feature = "ml"))]
const DEVICES: Option<planish::cli::DevicesHook> = None;

/// What `planish attack` shows.
#[cfg(feature = "ml")]
const ATTACK: Option<AttackHook> =
    Some(AttackHook { view: page::attack, schema: planish::show::flat_schema::<planish_report::evaluation::EvaluationView> });
#[cfg(not(feature = "ml"))]
const ATTACK: Option<AttackHook> = None;

/// ONNX Runtime's official builds carry telemetry, which only this switches off for good.
static ENVIRONMENT: &[(&str, &str)] = &[
    #[cfg(feature = "ml")]
    ("ORT_DISABLE_TELEMETRY", "1"),
];

/// Small tasks in processes of their own.
static HELPERS: &[planish::cli::Helper] = &[
    #[cfg(feature = "ml")]
    (MODEL_PROBE, planish_onnx::probe::serve),
];

/// The helper that runs a model for the first time.
#[cfg(feature = "ml")]
const MODEL_PROBE: &str = "model-probe";

/// What the stage crates contribute to the command line.
pub(crate) fn hooks() -> Hooks<'static> {
    #[cfg(feature = "ml")]
    planish_onnx::probe::answer_to(&["helper", MODEL_PROBE]);
    Hooks {
        kinds: &Registry,
        reports: REPORTS,
        curves: CURVES,
        attack: ATTACK,
        needs: NEEDS,
        devices: DEVICES,
        environment: ENVIRONMENT,
        helpers: HELPERS,
    }
}

struct Registry;

impl Kinds for Registry {
    fn get(&self, name: &str) -> Option<&'static dyn AnyStage> {
        KINDS.iter().find(|kind| kind.name() == name).copied()
    }

    fn names(&self) -> Vec<&'static str> {
        KINDS.iter().map(|kind| kind.name()).collect()
    }
}

#[cfg(feature = "ml")]
mod devices {
    use planish::show::Finding;
    use planish_contract::Failure;
    use planish_train::device_check::{self, Agreement, Comparison, Device, Speed};

    /// What is measured of the devices of that name, each beside the processor.
    pub(super) fn findings(name: &str) -> Result<Vec<Finding>, Failure> {
        let devices = device_check::devices(name)?;
        let mut findings = Vec::new();
        for (device, model) in &devices {
            findings.push(Finding::good("device", model.clone()));
            let failed = |failure: Failure| vec![Finding::bad(model, failure.to_string(), "docs/gpu.md says what a device needs")];
            findings.extend(one(device).unwrap_or_else(failed));
        }
        Ok(findings)
    }

    fn one(device: &Device) -> Result<Vec<Finding>, Failure> {
        let mut findings = Vec::new();
        if device_check::is_processor(device) {
            findings.extend(device_check::speeds(device, false)?.iter().map(|speed| speed_of(speed, None)));
            return Ok(findings);
        }
        findings.extend(device_check::compare(device)?.iter().map(agreement));
        // A program that draws on the processor takes minutes for what no one would train with.
        if !device_check::is_card(device) {
            return Ok(findings);
        }
        let (theirs, ours) = (device_check::speeds(device, false)?, device_check::speeds(&Device::flex(), false)?);
        findings.extend(theirs.iter().zip(&ours).map(|(speed, processor)| speed_of(speed, Some(processor))));
        findings.extend(device_check::speeds(device, true)?.iter().map(|speed| speed_of(speed, None)));
        Ok(findings)
    }

    fn agreement(comparison: &Comparison) -> Finding {
        let Comparison { what, loss, gradients } = comparison;
        let found = format!("the processor's loss to {loss:.1e}, its weight gradients to {gradients:.1e}");
        match comparison.agreement() {
            Agreement::Rounding => Finding::good(what, found),
            Agreement::FewerDigits => Finding::fair(what, found, "the device computes with fewer digits, as tensor cores do"),
            Agreement::None => Finding::bad(what, found, "its results can't be trusted: another driver, or device = \"cpu\""),
        }
    }

    fn speed_of(speed: &Speed, processor: Option<&Speed>) -> Finding {
        let rate = speed.images as f64 / speed.seconds;
        let beside =
            processor.map_or(String::new(), |processor| format!(", {:.1} times the processor's speed", processor.seconds / speed.seconds));
        Finding::good(&speed.what, format!("{:.1} ms, {rate:.0} images/s{beside}", 1e3 * speed.seconds))
    }
}

#[cfg(feature = "ml")]
mod page {
    use planish::cli::{AttackView, InstanceProvenance};
    use planish_contract::{Failure, Folder};
    use planish_report::evaluation::Evaluation;
    use planish_report::page::{self, Gathers, Instance};

    /// The report page, with the engine's provenance in the report's terms.
    pub(super) fn render(folder: &Folder, instances: &[InstanceProvenance], gathers: &Gathers) -> Result<String, Failure> {
        let instances: Vec<Instance> = instances.iter().map(instance).collect();
        page::render(folder, &instances, gathers)
    }

    /// The tables as Markdown.
    pub(super) fn text(folder: &Folder) -> Result<String, Failure> {
        let path = folder.file("tables.md")?;
        std::fs::read_to_string(path).map_err(|e| Failure::io(path, e))
    }

    /// What attacks on one model came to.
    pub(super) fn attack(
        model: &str,
        evidence: &Folder,
        check: Option<&Folder>,
        instances: &[InstanceProvenance],
    ) -> Result<AttackView, Failure> {
        let evaluation = Evaluation::open(model, evidence, check)?;
        let instances: Vec<Instance> = instances.iter().map(instance).collect();
        Ok(AttackView {
            text: evaluation.text(),
            json: evaluation.json()?,
            page: evaluation.page(&instances)?,
            vouched_for: evaluation.is_vouched_for(),
        })
    }

    fn instance(known: &InstanceProvenance) -> Instance {
        let fact = |(name, value): &(String, serde_json::Value)| match value {
            serde_json::Value::String(text) => format!("{name}: {text}"),
            other => format!("{name}: {other}"),
        };
        Instance {
            id: known.id.clone(),
            kind: known.kind.clone(),
            state: known.standing.as_str().to_owned(),
            key: known.key.chars().take(12).collect(),
            made: known.made.clone(),
            seconds: known.seconds,
            // Curves of times are not for a table of facts.
            facts: known.facts.iter().filter(|(name, _)| name != "epochs").map(fact).collect(),
            log: known.log.clone(),
            arguments: known.arguments.clone(),
        }
    }
}

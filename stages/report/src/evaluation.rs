//! What `planish attack` shows of one model: its evidence as text, as JSON and as a page.

use minijinja::{AutoEscape, Environment, context};
use planish_contract::{Failure, Folder};
use planish_formats::{Evidence, EvidenceHeader, ImageEvidence, MaskingReport, ModelCheck, Verdict};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::page::Instance;
use crate::statistics::wilson;

/// What is known of one model under attack, for programs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EvaluationView {
    /// How the model is called.
    model: String,
    /// What was attacked, how, and what was left of it.
    evidence: EvidenceHeader,
    /// The 95 % interval of the share of images that every attack left correctly classified (Wilson), in `[0,1]`.
    interval: [f64; 2],
    /// The checks for masked gradients; null when they were not asked for.
    masking: Option<MaskingReport>,
    /// What was checked of the model before it was attacked; null when it was made here.
    check: Option<ModelCheck>,
}

/// What is known of one model under attack.
pub struct Evaluation {
    /// How the model is called.
    pub model: String,
    evidence: Evidence,
    masking: Option<MaskingReport>,
    check: Option<ModelCheck>,
}

impl Evaluation {
    /// Reads the evidence, the masking report beside it, and the check of the imported model.
    ///
    /// # Errors
    /// [`Failure::Input`] when a file is malformed, [`Failure::Io`] when one can't be read.
    pub fn open(model: &str, evidence: &Folder, check: Option<&Folder>) -> Result<Self, Failure> {
        Ok(Evaluation {
            model: model.to_owned(),
            masking: MaskingReport::open(evidence)?,
            evidence: Evidence::open(evidence)?,
            check: check.map(ModelCheck::open).transpose()?,
        })
    }

    /// Whether a masking check failed: the robust accuracy may be an illusion.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        self.masking.as_ref().is_some_and(|report| !report.is_clean())
    }

    /// Whether masking checks were made and each of them passed: what a strict judge asks for. One that could not be decided did not pass.
    #[must_use]
    pub fn is_vouched_for(&self) -> bool {
        self.masking.as_ref().is_some_and(|report| report.checks.iter().all(|check| check.verdict == Verdict::Passed))
    }

    /// A table: what each attack left of the images, one after the other.
    #[must_use]
    pub fn text(&self) -> String {
        let header = &self.evidence.header;
        let mut lines = vec![self.subject(), String::new()];
        let width = self.rows().iter().map(|row| row.name.chars().count()).max().unwrap_or_default().max(6);
        lines.push(format!("{:width$}  {:>10}  {:>8}  {:>16}", "attack", "accuracy %", "broken", "gradients/image"));
        for row in self.rows() {
            lines.push(format!("{:width$}  {:>10.2}  {:>8}  {:>16}", row.name, row.accuracy, row.broken, row.gradients));
        }
        let (low, high) = wilson(header.robust_accuracy, header.images);
        let percent = 100.0 * header.robust_accuracy;
        lines.push(String::new());
        lines.push(format!("robust accuracy {percent:.2} % (95 % interval {:.1} to {:.1})", 100.0 * low, 100.0 * high));
        lines.extend(self.masking_lines());
        lines.extend(self.remarks().map(|remark| format!("note: {remark}")));
        lines.join("\n") + "\n"
    }

    /// The same for programs: an [`EvaluationView`].
    ///
    /// # Errors
    /// [`Failure::Internal`] when a number can't be written.
    pub fn json(&self) -> Result<Value, Failure> {
        let evidence = self.evidence.header.clone();
        let (low, high) = wilson(evidence.robust_accuracy, evidence.images);
        let (model, masking, check) = (self.model.clone(), self.masking.clone(), self.check.clone());
        let view = EvaluationView { model, evidence, interval: [low, high], masking, check };
        serde_json::to_value(view).map_err(|e| Failure::internal(e.to_string()))
    }

    /// A self-contained page.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the template fails.
    pub fn page(&self, instances: &[Instance]) -> Result<String, Failure> {
        let header = &self.evidence.header;
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        let fail = |e: minijinja::Error| Failure::internal(format!("the page's template: {e:#}"));
        environment.add_template("evaluation", include_str!("evaluation.html")).map_err(fail)?;
        let (low, high) = wilson(header.robust_accuracy, header.images);
        let values = context! {
            model => self.model,
            subject => self.subject(),
            rows => self.rows(),
            robust => format!("{:.2}", 100.0 * header.robust_accuracy),
            low => format!("{:.1}", 100.0 * low),
            high => format!("{:.1}", 100.0 * high),
            masked => self.is_masked(),
            checks => self.masking.as_ref().map(|report| &report.checks),
            remarks => self.remarks().collect::<Vec<_>>(),
            classes => classes(&self.evidence.images),
            images => self.images(),
            instances => instances,
        };
        environment.get_template("evaluation").and_then(|template| template.render(values)).map_err(fail)
    }

    fn subject(&self) -> String {
        let header = &self.evidence.header;
        format!("{} on {}, {}, {} {} images", self.model, header.dataset, header.threat, header.images, header.split)
    }

    fn rows(&self) -> Vec<Row> {
        let header: &EvidenceHeader = &self.evidence.header;
        let clean = Row { name: "(none)".to_owned(), accuracy: 100.0 * header.clean_accuracy, broken: 0, gradients: 0 };
        let attacks = header.attacks.iter().map(|attack| Row {
            name: attack.name.clone(),
            accuracy: 100.0 * attack.robust_accuracy,
            broken: attack.broken,
            gradients: attack.gradients_per_image,
        });
        std::iter::once(clean).chain(attacks).collect()
    }

    fn masking_lines(&self) -> Vec<String> {
        let Some(report) = &self.masking else { return Vec::new() };
        let lines = |verdict| {
            let checks = report.checks.iter().filter(move |check| check.verdict == verdict);
            checks.map(|check| format!("  {}: {}", check.name, check.finding)).collect::<Vec<String>>()
        };
        let (failed, undecided, all) = (lines(Verdict::Failed), lines(Verdict::Undecided), report.checks.len());
        let title = if failed.is_empty() {
            format!("masking checks: {} of {all} passed, none failed", all - undecided.len())
        } else {
            format!("MASKED GRADIENTS? {} of {all} checks failed; robust accuracy may be an illusion", failed.len())
        };
        let open = format!("not decided, on {} correctly classified images:", report.images);
        let open = (!undecided.is_empty()).then_some(open);
        std::iter::once(title).chain(failed).chain(open).chain(undecided).collect()
    }

    /// What the check of the model remarked, but for what a failed masking check says in the same words.
    fn remarks(&self) -> impl Iterator<Item = &str> {
        let said = |remark: &str| self.masking.iter().flat_map(MaskingReport::failed).any(|check| check.finding == remark);
        self.check.iter().flat_map(|check| check.remarks.iter().map(String::as_str)).filter(move |remark| !said(remark))
    }

    /// The first images, for the page.
    fn images(&self) -> Vec<ImageRow> {
        const MOST: usize = 2_000;
        let row = |image: &ImageEvidence| ImageRow {
            id: image.id,
            label: image.label,
            clean: image.clean_prediction,
            attacked: image.attacked_prediction,
            margin: format!("{:.3}", image.attacked_margin),
            by: match (&image.broken_by, image.robust) {
                (Some(by), _) => format!("{}, restart {}, step {}", by.attack, by.restart + 1, by.step),
                (None, true) => "stands".to_owned(),
                (None, false) => "wrong from the start".to_owned(),
            },
        };
        self.evidence.images.iter().take(MOST).map(row).collect()
    }
}

#[derive(Serialize)]
struct Row {
    name: String,
    accuracy: f64,
    broken: usize,
    gradients: u64,
}

#[derive(Serialize)]
struct ImageRow {
    id: u32,
    label: u32,
    clean: u32,
    attacked: u32,
    margin: String,
    by: String,
}

#[derive(Serialize)]
struct ClassRow {
    label: u32,
    images: usize,
    clean: f64,
    robust: f64,
}

fn classes(images: &[ImageEvidence]) -> Vec<ClassRow> {
    let percent = |part: usize, all: usize| 100.0 * part as f64 / all.max(1) as f64;
    let row = |(label, all, clean, robust)| ClassRow { label, images: all, clean: percent(clean, all), robust: percent(robust, all) };
    crate::details::classes(images).into_iter().map(row).collect()
}

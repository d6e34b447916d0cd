//! How long a report of many instances with many images takes, from made-up evidence: the stage, then the page.
//!
//! `cargo run --release -p planish-report --example report_many -- FOLDER [METHODS ATTACKS IMAGES]` writes evidence into FOLDER (5 methods under 10 attacks on
//! 10,000 images of 3 × 32 × 32 unless told otherwise; the adversarial images are one file, linked) and prints seconds and sizes, three times.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use planish_contract::{Context, Coordinate, Coordinates, Folder, Fraction, Gathered, Input, NoExecution, SilentHost, Stage};
use planish_formats::evidence::{ADVERSARIAL, write_entries};
use planish_formats::{
    Adversarial, AttackSummary, BrokenBy, DataSetInfo, EvidenceHeader, ImageEvidence, Norm, Split, SplitName, Threat, write_data_set,
    write_evidence,
};
use planish_report::{ReportParameters, ReportStage, page};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SHAPE: [usize; 3] = [3, 32, 32];
const THREAT: Threat = Threat { norm: Norm::Linf, eps: Fraction(8.0 / 255.0) };

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().ok_or("usage: report_many FOLDER [METHODS ATTACKS IMAGES]")?);
    let numbers: Vec<u32> = arguments.map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [methods, attacks, images] = [(0, 5), (1, 10), (2, 10_000)].map(|(place, usual)| numbers.get(place).copied().unwrap_or(usual));
    let gathered = evidence(&root, (methods, attacks), images)?;
    let data = data(&root.join("data"), images)?;
    for _ in 0..3 {
        measure(&root, &gathered, &data)?;
    }
    Ok(())
}

/// Runs the stage and draws the page.
fn measure(root: &Path, gathered: &[Gathered], data: &Folder) -> Outcome<()> {
    let outputs = root.join("outputs");
    drop(std::fs::remove_dir_all(&outputs));
    std::fs::create_dir_all(outputs.join("tables"))?;
    let context = Context {
        inputs: BTreeMap::from([("attacks".to_owned(), Input::Gather(gathered.to_vec())), ("data".to_owned(), Input::One(data.clone()))]),
        files: BTreeMap::new(),
        checkpoints: root.to_path_buf(),
        outputs: outputs.clone(),
        threads: 1,
        host: &SilentHost,
    };
    let begun = Instant::now();
    ReportStage::run(&parameters()?, &NoExecution {}, &context)?;
    let stage = begun.elapsed();
    let begun = Instant::now();
    let html = page::render(&Folder::open(&outputs.join("tables"))?, &[], &page::Gathers::new())?;
    std::fs::write(root.join("report.html"), &html)?;
    let rendered = begun.elapsed();
    let details = std::fs::metadata(outputs.join("tables/details.json"))?.len();
    println!(
        "{} instances: stage {:.2} s, page {:.2} s; page {:.2} MB, details.json {:.2} MB",
        gathered.len(),
        stage.as_secs_f64(),
        rendered.as_secs_f64(),
        html.len() as f64 / 1e6,
        details as f64 / 1e6
    );
    Ok(())
}

fn parameters() -> Outcome<ReportParameters> {
    let (rows, columns) = (serde_json::json!({ "axis": "method" }), serde_json::json!({ "axis": "attack" }));
    let figure = |name: &str, show: serde_json::Value| serde_json::json!({ "name": name, "title": name, "rows": rows, "show": show });
    Ok(serde_json::from_value(serde_json::json!({
        "tables": { "main": { "title": "Many", "rows": rows, "columns": columns } },
        "figures": [
            figure("trade-off", serde_json::json!({ "trade-off": { "columns": columns } })),
            figure("strength", serde_json::json!({ "strength": { "columns": columns } })),
            figure("gallery", serde_json::json!({ "gallery": { "columns": columns } })),
        ],
    }))?)
}

/// Numbers without a pattern (the mixer of splitmix64, Steele et al. 2014), in `[0, 1)`.
fn noise(place: u64) -> f64 {
    let mut mixed = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn evidence(root: &Path, (methods, attacks): (u32, u32), images: u32) -> Outcome<Vec<Gathered>> {
    let pixels = SHAPE.iter().product::<usize>() as u64 * u64::from(images);
    let adversarial = Adversarial {
        shape: SHAPE,
        images: (0..pixels).map(|place| noise(place) as f32).collect(),
        ids: (0..images).collect(),
        labels: (0..images).map(|id| id % 10).collect(),
    };
    let mut gathered = Vec::new();
    let first = root.join("0-0").join(ADVERSARIAL);
    for (method, attack) in (0..methods).flat_map(|method| (0..attacks).map(move |attack| (method, attack))) {
        let directory = root.join(format!("{method}-{attack}"));
        std::fs::create_dir_all(&directory)?;
        let entries: Vec<ImageEvidence> = (0..images).map(|id| entry(id, method, attack)).collect();
        let place = directory.join(ADVERSARIAL);
        if first.exists() {
            // The large file once; the others are links to it.
            if !place.exists() {
                std::fs::hard_link(&first, &place)?;
            }
            write_entries(&directory, &header(&entries), &entries)?;
        } else {
            write_evidence(&directory, &header(&entries), &entries, &adversarial)?;
        }
        let at = |label: String| Coordinate { label, value: serde_json::Value::Null };
        let coordinates: Coordinates = [("method", format!("m{method}")), ("attack", format!("a{attack:02}"))]
            .map(|(axis, label)| (axis.to_owned(), at(label)))
            .into();
        gathered.push(Gathered { coordinates, folder: Some(Folder::open(&directory)?) });
    }
    Ok(gathered)
}

/// Later attacks break more.
fn entry(id: u32, method: u32, attack: u32) -> ImageEvidence {
    let clean = noise(u64::from(id) * 1_000 + u64::from(method)) < 0.87;
    let robust = clean && noise(u64::from(id) * 1_000 + 500 + u64::from(method)) < 0.65 - 0.02 * f64::from(attack);
    let label = id % 10;
    ImageEvidence {
        id,
        label,
        clean_prediction: if clean { label } else { (label + 1) % 10 },
        clean_margin: 1.0,
        attacked_prediction: if robust { label } else { (label + 3) % 10 },
        attacked_margin: if robust { 0.5 } else { -0.5 },
        broken_by: (clean && !robust).then(|| BrokenBy { attack: "pgd".into(), restart: 0, step: 3 }),
        distance: 0.03,
        robust,
        robust_u8: None,
        nearest: None,
        targeted: None,
        gradients: 20,
        queries: 1,
    }
}

fn header(images: &[ImageEvidence]) -> EvidenceHeader {
    let share = |fits: fn(&ImageEvidence) -> bool| images.iter().filter(|image| fits(image)).count() as f64 / images.len().max(1) as f64;
    let robust = share(|image| image.robust);
    let attack = AttackSummary {
        name: "pgd".into(),
        parameters: serde_json::json!({ "steps": 20, "restarts": 1 }),
        goal: "untargeted".into(),
        gradients_per_image: 20,
        queries_per_image: 1,
        gradients: 20 * images.len() as u64,
        queries: images.len() as u64,
        robust_accuracy: robust,
        broken: images.iter().filter(|image| image.broken_by.is_some()).count(),
        targeted_success: None,
        median_distance: None,
    };
    EvidenceHeader {
        schema: planish_formats::EVIDENCE_SCHEMA,
        dataset: "cifar10".to_owned(),
        threat: THREAT,
        bounds: Threat::BOX,
        split: SplitName::Test,
        images: images.len(),
        attacks: vec![attack],
        clean_accuracy: share(|image| image.clean_prediction == image.label),
        robust_accuracy: robust,
        robust_accuracy_u8: None,
    }
}

fn data(directory: &Path, images: u32) -> Outcome<Folder> {
    std::fs::create_dir_all(directory)?;
    let pixels = SHAPE.iter().product::<usize>() as u64 * u64::from(images);
    let split = Split {
        shape: SHAPE,
        images: (0..pixels).map(|place| (noise(place) * 255.0) as u8).collect::<Vec<u8>>().into(),
        labels: (0..images).map(|id| id % 10).collect(),
        ids: (0..images).collect(),
    };
    let info = DataSetInfo {
        schema: planish_formats::SCHEMA,
        name: "cifar10".into(),
        classes: (0..10).map(|class| format!("class {class}")).collect(),
        shape: SHAPE,
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
        splits: BTreeMap::from([("test".into(), images as usize)]),
        shards: BTreeMap::new(),
        sources: Vec::new(),
    };
    write_data_set(directory, &info, &BTreeMap::from([(SplitName::Test, split)]))?;
    Ok(Folder::open(directory)?)
}

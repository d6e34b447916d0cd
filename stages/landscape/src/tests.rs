//! Measurements beside what is known of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use planish_contract::{Context, Failure, Folder, Fraction, Input, SilentHost, Stage};
use planish_formats::{DataSetInfo, Measurement, Norm, SCHEMA, Source, Split, SplitName, Threat, write_data_set};
use planish_nn::{Ball, Checkpoint, Device, GradientPass, LogitLoss, Network, NetworkConfig, Parameters, Statistics, Stream, Victim};

use crate::linearity::{Scene, measure};
use crate::{Curvature, LandscapeExecution, LandscapeParameters, LandscapeStage, Linearity, Optimizer, Surfaces, curvature};

/// Logits (0, wᵀx): the loss is a convex function of wᵀδ, so g is largest at a corner of the ball.
struct Linear(Vec<f32>);

impl Victim for Linear {
    fn shape(&self) -> [usize; 3] {
        [1, 1, self.0.len()]
    }

    fn classes(&self) -> usize {
        2
    }

    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        let value = |image: &[f32]| image.iter().zip(&self.0).map(|(x, w)| x * w).sum::<f32>();
        Ok(images.chunks_exact(self.0.len()).flat_map(|image| [0.0, value(image)]).collect())
    }

    fn gradient(&mut self, images: &[f32], loss: LogitLoss<'_>) -> Result<GradientPass, Failure> {
        let logits = self.logits(images)?;
        let mut pass = GradientPass { losses: Vec::new(), logits: logits.clone(), gradient: Vec::new() };
        for (index, row) in logits.chunks_exact(2).enumerate() {
            let mut slope = [0.0; 2];
            pass.losses.push(loss(index, row, &mut slope));
            pass.gradient.extend(self.0.iter().map(|w| slope[1] * w));
        }
        Ok(pass)
    }
}

#[test]
fn gamma_of_a_linear_classifier_is_the_value_at_the_better_corner() {
    let weights = vec![3.0, -2.0, 1.5, 0.5];
    let (images, labels, ids) = (vec![0.5, 0.4, 0.6, 0.5, 0.3, 0.5, 0.5, 0.7], [0, 1], [7, 9]);
    let mut victim = Linear(weights.clone());
    let scene = Scene::new(&mut victim, &images, &labels, &ids).unwrap();
    let ball = Ball::new(Norm::Linf, 0.1);
    for (optimizer, step_size) in [(Optimizer::Adam, 0.1), (Optimizer::Sign, 0.025)] {
        let search = Linearity { steps: 20, restarts: 4, step_size: planish_nn::StepSize::Absolute(step_size), optimizer };
        let found = measure(&mut victim, &scene, ball, (&search, 1)).unwrap();
        for index in 0..2 {
            let margin: f64 = images[index * 4..][..4].iter().zip(&weights).map(|(x, w)| f64::from(x * w)).sum();
            let signed = if labels[index] == 0 { 1.0 } else { -1.0 };
            let loss = |z: f64| (signed * z).exp().ln_1p();
            let slope = signed / (1.0 + (-signed * margin).exp());
            let reach = 0.1 * weights.iter().map(|w| f64::from(w.abs())).sum::<f64>();
            let error = |t: f64| (loss(margin + t) - loss(margin) - slope * t).abs();
            let expected = error(reach).max(error(-reach));
            let got = f64::from(found.gamma[index]);
            assert!((got - expected).abs() < 1e-4 * expected.max(0.1), "{optimizer:?} image {index}: {got} instead of {expected}");
            assert!((found.cosine[index] - 1.0).abs() < 1e-5, "all gradients are parallel");
        }
    }
}

fn config() -> NetworkConfig {
    NetworkConfig {
        schema: NetworkConfig::SCHEMA,
        network: serde_json::from_value(serde_json::json!({ "small-cnn": { "width": 4, "activation": "softplus" } })).unwrap(),
        input: [1, 8, 8],
        classes: vec!["a".into(), "b".into(), "c".into()],
        mean: vec![0.5],
        std: vec![0.25],
    }
}

fn checkpoint() -> Checkpoint {
    let device = Device::flex();
    let network = Network::new(config().architecture().unwrap());
    let parameters = Parameters::initialise(&network.architecture, 5, &device);
    let statistics = Statistics::initial(&network.architecture, &device);
    Checkpoint { config: config(), network, parameters, statistics, device }
}

fn uniform(count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Stream::new(4, "test images", &[]).fill_uniform(&mut values, 0.1, 0.9);
    values
}

#[test]
fn hessian_products_are_differences_of_gradients() {
    let checkpoint = checkpoint();
    let (images, labels, ids) = (uniform(3 * 64), [0, 1, 2], [1, 2, 3]);
    let mut directions = vec![0.0; images.len()];
    Stream::new(6, "directions", &[]).fill_uniform(&mut directions, -1.0, 1.0);
    let products = checkpoint.hessian_product(&images, &labels, &directions).unwrap();
    let mut victim = planish_nn::BurnVictim::new(checkpoint.clone(), 3);
    let step = 2e-3;
    let mut at = |sign: f32| {
        let moved: Vec<f32> = images.iter().zip(&directions).map(|(x, d)| x + sign * step * d).collect();
        Scene::new(&mut victim, &moved, &labels, &ids).unwrap().clean.gradient
    };
    let (ahead, behind) = (at(1.0), at(-1.0));
    let finite: Vec<f32> = ahead.iter().zip(&behind).map(|(a, b)| (a - b) / (2.0 * step)).collect();
    let error = finite.iter().zip(&products).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    let size = planish_nn::vectors::norm(&finite);
    assert!(error < 1e-2 * size, "off by {error} of {size}");
}

#[test]
fn power_iteration_converges_to_an_eigenvector() {
    let checkpoint = checkpoint();
    let (images, labels, ids) = (uniform(2 * 64), [0, 2], [1, 2]);
    let mut victim = planish_nn::BurnVictim::new(checkpoint.clone(), 2);
    let scene = Scene::new(&mut victim, &images, &labels, &ids).unwrap();
    let rough = curvature::measure(&checkpoint, &scene, 1, 1).unwrap();
    let fine = curvature::measure(&checkpoint, &scene, 60, 1).unwrap();
    for image in 0..2 {
        assert!(fine.eigenvalue[image].abs() >= rough.eigenvalue[image].abs());
        assert!(fine.residual[image] < 0.1 * fine.eigenvalue[image].abs(), "{fine:?}");
    }
}

fn parameters() -> LandscapeParameters {
    LandscapeParameters {
        threat: Threat { norm: Norm::Linf, eps: Fraction(0.1) },
        radii: vec![Fraction(0.05), Fraction(0.2)],
        split: SplitName::Test,
        images: Some(5),
        seed: 3,
        linearity: Linearity { steps: 6, ..Linearity::default() },
        curvature: Some(Curvature { iterations: 3 }),
        surfaces: Some(Surfaces { images: 3, points: 5, ..Surfaces::default() }),
    }
}

/// Runs the stage in `folder` with batches of `together`; the output's folder.
fn run(folder: &std::path::Path, together: usize, parameters: &LandscapeParameters) -> Result<PathBuf, Failure> {
    let (data, model) = (folder.join("data"), folder.join("model"));
    if !data.exists() {
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir_all(&model).unwrap();
        let images: Vec<u8> = uniform(6 * 64).into_iter().map(|value| (value * 255.0) as u8).collect();
        let split = Split { shape: [1, 8, 8], images: images.into(), labels: vec![0, 1, 2, 0, 1, 2], ids: (10..16).collect() };
        let info = DataSetInfo {
            schema: SCHEMA,
            name: "tiny".into(),
            classes: config().classes,
            shape: [1, 8, 8],
            mean: vec![0.5],
            std: vec![0.25],
            splits: BTreeMap::from([("test".into(), 6)]),
            shards: BTreeMap::new(),
            sources: vec![Source { name: "x".into(), sha256: "00".into() }],
        };
        write_data_set(&data, &info, &BTreeMap::from([(SplitName::Test, split)])).unwrap();
        let checkpoint = checkpoint();
        planish_nn::save_checkpoint(&model, &config(), &checkpoint.parameters, &checkpoint.statistics, &[]).unwrap();
    }
    let outputs = folder.join(format!("outputs-{together}"));
    std::fs::create_dir_all(outputs.join("measurement")).unwrap();
    let one = |path: &PathBuf| Input::One(Folder::open(path).unwrap());
    let context = Context {
        inputs: BTreeMap::from([("data".into(), one(&data)), ("model".into(), one(&model))]),
        files: BTreeMap::new(),
        outputs: outputs.clone(),
        checkpoints: folder.join("checkpoints"),
        threads: 2,
        host: &SilentHost,
    };
    let execution = LandscapeExecution { batch_size: together.try_into().unwrap(), ..LandscapeExecution::default() };
    LandscapeStage::run(parameters, &execution, &context)?;
    Ok(outputs.join("measurement"))
}

#[test]
fn the_stage_measures_every_image_whatever_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), 2, &parameters()).unwrap();
    let second = run(folder.path(), 100, &parameters()).unwrap();
    for name in ["measurement.json", "measurements.safetensors"] {
        assert!(std::fs::read(first.join(name)).unwrap() == std::fs::read(second.join(name)).unwrap(), "{name} depends on the batch");
    }
    let read = Measurement::open(&Folder::open(&first).unwrap()).unwrap();
    assert_eq!(read.header.threats.len(), 3);
    let gamma = read.floats("gamma").unwrap();
    assert_eq!(gamma.len(), 15);
    for image in 0..5 {
        assert!(gamma[5 + image] <= gamma[image] && gamma[image] <= gamma[10 + image], "γ grows with ε");
        let bound = read.floats("linear_term").unwrap()[image] + gamma[image];
        assert!(read.floats("loss_gap").unwrap()[image] <= bound + 1e-5, "proposition 4.1");
    }
    // The middle of a surface is the image itself.
    let surfaces = read.floats("surfaces/loss").unwrap();
    assert_eq!(surfaces.len(), 3 * 25);
    for image in 0..3 {
        assert!((surfaces[image * 25 + 12] - read.floats("loss").unwrap()[image]).abs() < 1e-5);
    }
    assert_eq!(read.floats("curvature").unwrap().len(), 5);
}

#[test]
fn too_many_images_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let failure = run(folder.path(), 2, &LandscapeParameters { images: Some(7), ..parameters() }).unwrap_err();
    assert!(failure.to_string().contains("`images = 7`"), "{failure}");
}

#[test]
fn parameters_out_of_range_are_refused_with_their_place() {
    let place = |change: fn(&mut LandscapeParameters)| {
        let mut changed = parameters();
        change(&mut changed);
        changed.validate().unwrap_err().path.join(".")
    };
    assert!(parameters().validate().is_ok());
    assert_eq!(place(|p| p.threat.eps = Fraction(0.0)), "threat.eps");
    assert_eq!(place(|p| p.radii = vec![Fraction(2.0)]), "radii");
    assert_eq!(place(|p| p.images = Some(0)), "images");
    assert_eq!(place(|p| p.linearity.steps = 0), "linearity.steps");
    assert_eq!(place(|p| p.linearity.restarts = 0), "linearity.restarts");
    assert_eq!(place(|p| p.curvature = Some(Curvature { iterations: 0 })), "curvature.iterations");
    assert_eq!(place(|p| p.surfaces = Some(Surfaces { points: 4, ..Surfaces::default() })), "surfaces.points");
}

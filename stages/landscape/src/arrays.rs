//! From measurements to named arrays.

use std::collections::BTreeMap;

use planish_formats::{MeasurementHeader, NamedTensor, SCHEMA, Summary, Values};
use planish_nn::vectors::norm;

use crate::curvature::Curvatures;
use crate::linearity::{Linearities, Scene};
use crate::parameters::LandscapeParameters;
use crate::surface::{Surface, offsets};

/// Everything that was measured, batch after batch.
#[derive(Debug, Default)]
pub(crate) struct Arrays {
    images: usize,
    ids: Vec<i64>,
    labels: Vec<i64>,
    predictions: Vec<i64>,
    loss: Vec<f32>,
    gradient_l1: Vec<f32>,
    gradient_l2: Vec<f32>,
    /// One a radius.
    linearities: Vec<Linearities>,
    curvatures: Option<Curvatures>,
    surfaces: Option<Surface>,
}

impl Arrays {
    /// How many images were measured so far.
    pub(crate) fn images(&self) -> usize {
        self.images
    }

    /// Takes up what holds without a ball.
    pub(crate) fn hear_scene(&mut self, scene: &Scene<'_>) {
        let classes = (scene.clean.logits.len() / scene.labels.len().max(1)).max(1);
        self.images += scene.labels.len();
        self.ids.extend(scene.ids.iter().map(|&id| i64::from(id)));
        self.labels.extend(scene.labels.iter().map(|&label| i64::from(label)));
        self.predictions.extend(scene.clean.logits.chunks_exact(classes).map(largest));
        self.loss.extend(&scene.clean.losses);
        for slope in scene.clean.gradient.chunks_exact(scene.size()) {
            self.gradient_l1.push(slope.iter().map(|value| f64::from(value.abs())).sum::<f64>() as f32);
            self.gradient_l2.push(norm(slope) as f32);
        }
    }

    /// Takes up the linearities of radius number `radius`.
    pub(crate) fn hear_linearity(&mut self, radius: usize, found: Linearities) {
        if self.linearities.len() <= radius {
            self.linearities.resize(radius + 1, Linearities::default());
        }
        if let Some(known) = self.linearities.get_mut(radius) {
            known.gamma.extend(found.gamma);
            known.linear_term.extend(found.linear_term);
            known.loss_gap.extend(found.loss_gap);
            known.cosine.extend(found.cosine);
        }
    }

    /// Takes up curvatures.
    pub(crate) fn hear_curvature(&mut self, found: Curvatures) {
        let known = self.curvatures.get_or_insert_default();
        known.eigenvalue.extend(found.eigenvalue);
        known.residual.extend(found.residual);
    }

    /// Takes up surfaces.
    pub(crate) fn hear_surface(&mut self, drawn: Surface) {
        let known = self.surfaces.get_or_insert_default();
        known.loss.extend(drawn.loss);
        known.adversarial.extend(drawn.adversarial);
        known.random.extend(drawn.random);
    }

    /// The header and the arrays.
    pub(crate) fn finish(
        self,
        parameters: &LandscapeParameters,
        dataset: String,
        shape: [usize; 3],
    ) -> (MeasurementHeader, Vec<NamedTensor>) {
        let threats = parameters.threats();
        let mut book = Book { images: self.images, radii: threats.len(), ..Book::default() };
        book.whole("ids", self.ids, "index of each image in its official split");
        book.whole("labels", self.labels, "true class of each image");
        book.whole("predictions", self.predictions, "class with the largest logit on the clean image");
        book.each("loss", self.loss, "cross-entropy l(x), nats");
        book.each("gradient_l1", self.gradient_l1, "‖∇l(x)‖₁, nats a unit of the image");
        book.each("gradient_l2", self.gradient_l2, "‖∇l(x)‖₂, nats a unit of the image");
        let column = |pick: fn(&Linearities) -> &Vec<f32>| self.linearities.iter().flat_map(|found| pick(found).clone()).collect();
        book.radii("gamma", column(|found| &found.gamma), "γ(ε, x), nats: the largest linearity error found, a lower bound");
        book.radii("linear_term", column(|found| &found.linear_term), "|δᵀ∇l(x)| at that δ, nats");
        book.radii("loss_gap", column(|found| &found.loss_gap), "|l(x+δ) − l(x)| at that δ, nats");
        book.radii("cosine", column(|found| &found.cosine), "cosine between ∇l(x) and ∇l(x+δ) at that δ");
        if let Some(found) = self.curvatures {
            let meaning = "eigenvalue of the largest magnitude of the Hessian of l at x, nats a squared unit of the image";
            book.each("curvature", found.eigenvalue, meaning);
            book.each("curvature_residual", found.residual, "‖Hv − λv‖ after the last iteration");
        }
        if let (Some(drawn), Some(surfaces)) = (self.surfaces, &parameters.surfaces) {
            book.surfaces(drawn, offsets(surfaces), shape);
        }
        let header = MeasurementHeader {
            schema: SCHEMA,
            dataset,
            split: parameters.split,
            images: self.images,
            threats,
            parameters: serde_json::to_value(parameters).unwrap_or_default(),
            arrays: book.meanings,
            summaries: book.summaries,
        };
        (header, book.tensors)
    }
}

/// The class with the largest logit; the lower one of equals.
fn largest(logits: &[f32]) -> i64 {
    let better = |best: (i64, f32), (class, &logit): (i64, &f32)| if logit > best.1 { (class, logit) } else { best };
    (0..).zip(logits).fold((0, f32::NEG_INFINITY), better).0
}

/// Arrays with their meanings and distributions.
#[derive(Default)]
struct Book {
    images: usize,
    radii: usize,
    tensors: Vec<NamedTensor>,
    meanings: BTreeMap<String, String>,
    summaries: BTreeMap<String, Vec<Summary>>,
}

impl Book {
    fn put(&mut self, name: &str, shape: Vec<usize>, values: Values, meaning: &str) {
        self.meanings.insert(name.to_owned(), meaning.to_owned());
        self.tensors.push(NamedTensor { name: name.to_owned(), shape, values });
    }

    fn whole(&mut self, name: &str, values: Vec<i64>, meaning: &str) {
        self.put(name, vec![self.images], Values::I64(values), &format!("{meaning}; [image]"));
    }

    fn each(&mut self, name: &str, values: Vec<f32>, meaning: &str) {
        self.summaries.insert(name.to_owned(), Summary::of(&values).into_iter().collect());
        self.put(name, vec![self.images], Values::F32(values), &format!("{meaning}; [image]"));
    }

    fn radii(&mut self, name: &str, values: Vec<f32>, meaning: &str) {
        let summaries = values.chunks(self.images.max(1)).filter_map(Summary::of).collect();
        self.summaries.insert(name.to_owned(), summaries);
        self.put(name, vec![self.radii, self.images], Values::F32(values), &format!("{meaning}; [radius, image]"));
    }

    fn surfaces(&mut self, drawn: Surface, offsets: Vec<f32>, [c, h, w]: [usize; 3]) {
        let points = offsets.len();
        let count = drawn.loss.len() / (points * points).max(1);
        let meaning = "l(x + a·δ + b·r), nats; [image, a, b] for the first images";
        self.put("surfaces/loss", vec![count, points, points], Values::F32(drawn.loss), meaning);
        self.put("surfaces/offsets", vec![points], Values::F32(offsets), "the values of a and b");
        let shape = vec![count, c, h, w];
        self.put(
            "surfaces/adversarial",
            shape.clone(),
            Values::F32(drawn.adversarial),
            "δ: where sign ascent on the loss ended; [image, c, h, w]",
        );
        self.put("surfaces/random", shape, Values::F32(drawn.random), "r: a random corner of the ball; [image, c, h, w]");
    }
}

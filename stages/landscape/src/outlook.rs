//! How much work a measurement is, for estimates of time.

use planish_contract::Known;
use planish_nn::ModelFacts;
use serde::Deserialize;

use crate::LandscapeParameters;

/// What is known of the network that is connected to the input `model`.
pub(crate) fn model(inputs: &Known) -> Option<ModelFacts> {
    ModelFacts::deserialize(inputs.get("model")?).ok()
}

/// What measuring so many images counts for, in forward passes of one image.
pub(crate) fn passes(parameters: &LandscapeParameters, images: usize) -> f64 {
    let search = &parameters.linearity;
    // Every iterate is looked at, the last one too.
    let searched = parameters.threats().len() as f64 * f64::from(search.restarts) * (f64::from(search.steps) + 1.0);
    let curved = parameters.curvature.as_ref().map_or(0.0, |asked| f64::from(asked.iterations) * ModelFacts::HESSIAN_PRODUCT);
    let each = (1.0 + searched) * ModelFacts::INPUT_GRADIENT + curved;
    let drawn = parameters.surfaces.as_ref().map_or(0.0, |surfaces| {
        let points = (surfaces.points * surfaces.points) as f64 * ModelFacts::FORWARD;
        surfaces.images.min(images) as f64 * (points + (1.0 + f64::from(surfaces.steps)) * ModelFacts::INPUT_GRADIENT)
    });
    images as f64 * each + drawn
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn everything_that_is_measured_counts() {
        let passes = |extra: &str| {
            let mut written = json!({ "threat": { "norm": "linf", "eps": 0.1 }, "linearity": { "steps": 9, "restarts": 2 } });
            let extra: serde_json::Value = serde_json::from_str(extra).unwrap();
            written.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            super::passes(&serde_json::from_value(written).unwrap(), 10)
        };
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(passes("{}"), 10.0 * 2.0 * 21.0);
        close(passes(r#"{ "radii": [0.2] }"#), 10.0 * 2.0 * 41.0);
        close(passes(r#"{ "curvature": { "iterations": 3 } }"#), 10.0 * (2.0 * 21.0 + 12.0));
        close(passes(r#"{ "surfaces": { "images": 1, "points": 3, "steps": 4 } }"#), 10.0 * 2.0 * 21.0 + 9.0 + 10.0);
    }
}

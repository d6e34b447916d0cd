//! What training costs.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chart::{Bar, Scale, bars};
use super::{Drawn, Obstacle, Scene};
use crate::csv::quote;
use crate::statistics::mean_and_spread;

/// What training costs: forward and backward passes for each image, which does not depend on the machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cost {}

impl Cost {
    // It has no settings yet, but it is drawn like the others.
    #[expect(clippy::unused_self, reason = "one of several kinds of figure")]
    pub(super) fn draw(&self, scene: &Scene<'_>) -> Result<Drawn, Obstacle> {
        let pieces: Vec<_> = scene.sources.training.iter().filter(|piece| scene.belongs(&piece.coordinates)).collect();
        let mut data = "method,epochs,gradients_per_image,gradients_per_image_and_epoch\n".to_owned();
        let mut shown = Vec::new();
        for (label, name) in scene.rows(pieces.iter().map(|piece| &piece.coordinates)) {
            let of_row: Vec<_> =
                pieces.iter().filter(|p| scene.parameters.rows.holds(&p.coordinates, &label)).filter_map(|p| p.get()).collect();
            let Some((gradients, _)) = mean_and_spread(&of_row.iter().map(|t| t.gradients as f64).collect::<Vec<_>>()) else { continue };
            let epochs = of_row.iter().map(|training| training.epochs).max().unwrap_or(1).max(1);
            let each = gradients / f64::from(epochs);
            let _ = writeln!(data, "{},{epochs},{gradients:.2},{each:.4}", quote(&name));
            shown.push(Bar { name, parts: vec![gradients], label: format!("{gradients:.0} ({each:.1} an epoch)") });
        }
        let Some(most) = shown.iter().flat_map(|bar| bar.parts.iter().copied()).reduce(f64::max) else {
            return Err(Obstacle::Nothing("no training was gathered in `inputs.training` for these rows".to_owned()));
        };
        // Room for the labels at the ends.
        let x = Scale::plain("forward and backward passes for each training image", 0.0..most * 1.35);
        let caption = "What training costs, inner searches included, in passes that do not depend on the machine; the seconds that it took here \
                       are in the list of instances.";
        Ok(Drawn { svg: bars(&x, &shown, &[])?, data, caption: caption.to_owned() })
    }
}

//! Square Attack.

mod windows;

use planish_contract::{Failure, Invalid};
use planish_nn::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::windows::Windows;
use crate::attack::{Attack, Cost, Goal, Proposals, Round, check_budget, check_positive};
use crate::search::{Search, slice, slice_mut};

/// Random search: a square of the perturbation is replaced, and what lowers the margin stays (Andriushchenko et al., arXiv 1912.00049;
/// `square.py` of fra31/auto-attack). It asks for logits alone.
///
/// Unlike there each image has a random stream of its own, so windows are not shared by the images of a batch.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Square {
    /// Queries per image and restart, besides the one of its start.
    pub queries: u32,
    /// How often it starts anew on the images that still stand.
    pub restarts: u32,
    /// The share of the image that the first squares cover, in (0, 1].
    pub p_init: f64,
    /// Whether the schedule, which was made for 10,000 queries, is stretched to `queries`. AutoAttack does not: its 5,000 queries end in the
    /// middle of the schedule.
    pub rescale_schedule: bool,
}

impl Default for Square {
    fn default() -> Self {
        Square { queries: 5000, restarts: 1, p_init: 0.8, rescale_schedule: false }
    }
}

impl Square {
    /// The share of the image that a square covers in query `query` (from 0): halved at fixed places.
    fn share(&self, query: u32) -> f64 {
        const HALVINGS: [u64; 9] = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];
        let query = u64::from(query);
        let place = if self.rescale_schedule { query * 10_000 / u64::from(self.queries.max(1)) } else { query };
        let halved = HALVINGS.iter().filter(|end| place > **end).count();
        self.p_init / f64::from(1_u32 << halved)
    }
}

impl Attack for Square {
    fn goal(&self) -> Goal {
        Goal::Untargeted
    }

    fn restarts(&self) -> u32 {
        self.restarts
    }

    fn rounds(&self, _: usize) -> u32 {
        1
    }

    fn cost(&self, _: usize) -> Cost {
        Cost { gradients: 0, queries: u64::from(self.queries) + 1 }
    }

    fn uses_gradients(&self) -> bool {
        false
    }

    fn validate(&self) -> Result<(), Invalid> {
        check_budget(self.queries, self.restarts).map_err(|invalid| match invalid.path.as_slice() {
            [name] if name == "steps" => Invalid::at("queries", invalid.message.replace("steps", "queries")),
            _ => invalid,
        })?;
        check_positive("p_init", self.p_init, 1.0)
    }

    fn propose(&self, round: &mut Round<'_>) -> Result<Proposals, Failure> {
        let [channels, height, width] = round.victim.shape();
        let windows = Windows { norm: round.ball.norm, eps: round.ball.eps, channels, height, width };
        let pixels = round.pixels();
        let key = [u64::from(round.restart)];
        let mut streams: Vec<Stream> = round.cases.iter().map(|case| round.stream("attack square", case, &key)).collect();
        let mut best = Vec::with_capacity(round.images.len());
        for (row, stream) in streams.iter_mut().enumerate() {
            best.extend(windows.start(*round.ball, stream, slice(round.images, row, pixels)));
        }
        let mut search = Search::new(round, best.clone())?;
        let logits = search.logits(round, &best)?;
        search.keep(round, (&best, &logits), 0);
        search.leave();
        let mut tried = best.clone();
        for query in 0..self.queries {
            if search.active.is_empty() {
                break;
            }
            let share = self.share(query);
            for &row in &search.active {
                let Some(stream) = streams.get_mut(row) else { continue };
                let (original, kept) = (slice(round.images, row, pixels), slice(&best, row, pixels));
                slice_mut(&mut tried, row, pixels).copy_from_slice(&windows.replace(*round.ball, stream, (original, kept), share));
            }
            let logits = search.logits(round, &tried)?;
            let classes = round.victim.classes();
            for (index, row) in search.active.clone().into_iter().enumerate() {
                let Some(case) = round.cases.get(row) else { continue };
                let score = case.score(slice(&logits, index, classes));
                let image = slice(&tried, row, pixels);
                if search.offer(row, score, (image, query + 1)) {
                    slice_mut(&mut best, row, pixels).copy_from_slice(image);
                }
            }
            search.leave();
        }
        Ok(search.close())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_that_of_autoattack() {
        let plain = Square::default();
        let shares = [(0, 0.8), (10, 0.8), (11, 0.4), (50, 0.4), (51, 0.2), (1001, 0.025), (4001, 0.8 / 128.0), (4999, 0.8 / 128.0)];
        for (query, share) in shares {
            assert!((plain.share(query) - share).abs() < 1e-12, "{query}");
        }
        let stretched = Square { rescale_schedule: true, ..plain };
        assert!((stretched.share(6) - 0.4).abs() < 1e-12 && (stretched.share(4999) - 0.8 / 512.0).abs() < 1e-12);
    }
}

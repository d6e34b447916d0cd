//! Projections to a hyperplane within the box.

use planish_formats::Norm;

/// Weights below this are taken for 0.
const NO_WEIGHT: f64 = 1e-8;

/// The smallest change of `point` in `norm` that brings it to the hyperplane ⟨w, x⟩ = `level` without leaving `[0,1]`; where the box does not
/// reach the hyperplane, the change to the corner that comes nearest.
///
/// Every pixel goes in the one direction that helps, so what is left is how far: min(t, room) in L∞, min(t·|w|, room) in L2, and in L1
/// the pixels with the largest |w| all the way, one after the other (Croce and Hein, arXiv 1907.02044, appendix A).
pub(super) fn project(norm: Norm, point: &[f32], w: &[f32], level: f64) -> Vec<f64> {
    let gap = level - point.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>();
    // Pixel, |w|, and how far it can go.
    let mut ways: Vec<(usize, f64, f64)> = Vec::with_capacity(w.len());
    for (at, (&x, &w)) in point.iter().zip(w).enumerate() {
        let (x, w) = (f64::from(x), f64::from(w));
        let least = if norm == Norm::Linf { 0.0 } else { NO_WEIGHT };
        if w.abs() > least {
            ways.push((at, w.abs(), if w * gap > 0.0 { 1.0 - x } else { x }));
        }
    }
    let mut change = vec![0.0; point.len()];
    if gap == 0.0 {
        return change;
    }
    for (at, length) in lengths(norm, ways, gap.abs()) {
        if let (Some(change), Some(&w)) = (change.get_mut(at), w.get(at)) {
            *change = length * (f64::from(w) * gap).signum();
        }
    }
    change
}

/// How far each pixel goes so that Σ |w|·length = `gap`.
fn lengths(norm: Norm, mut ways: Vec<(usize, f64, f64)>, gap: f64) -> Vec<(usize, f64)> {
    match norm {
        Norm::Linf => {
            // Pixels with the least room stop first.
            ways.sort_unstable_by(|a, b| a.2.total_cmp(&b.2).then(a.0.cmp(&b.0)));
            let t = level(ways.iter().map(|&(_, w, room)| (w, room, w * room)), gap);
            ways.into_iter().map(|(at, _, room)| (at, t.min(room))).collect()
        }
        Norm::L2 => {
            ways.sort_unstable_by(|a, b| (a.2 / a.1).total_cmp(&(b.2 / b.1)).then(a.0.cmp(&b.0)));
            let t = level(ways.iter().map(|&(_, w, room)| (w * w, room / w, w * room)), gap);
            ways.into_iter().map(|(at, w, room)| (at, (t * w).min(room))).collect()
        }
        Norm::L1 => {
            ways.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let mut left = gap;
            let go = |(at, w, room): (usize, f64, f64)| {
                let length = (left / w).clamp(0.0, room);
                left -= length * w;
                (at, length)
            };
            ways.into_iter().map(go).collect()
        }
    }
}

/// The t for which Σ min(t·slope, full) = `gap`, over (slope, the t at which it is full, full) sorted by the second; infinite when they
/// don't suffice.
fn level(ways: impl Iterator<Item = (f64, f64, f64)> + Clone, gap: f64) -> f64 {
    let mut slope: f64 = ways.clone().map(|(slope, _, _)| slope).sum();
    let mut done = 0.0;
    for (own, end, full) in ways {
        if done + slope * end >= gap {
            return ((gap - done) / slope).max(0.0);
        }
        done += full;
        slope -= own;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use planish_nn::Stream;

    use super::*;

    fn inner(a: impl Iterator<Item = f64>, w: &[f32]) -> f64 {
        a.zip(w).map(|(a, w)| a * f64::from(*w)).sum()
    }

    /// The smallest change for a scale t, by bisection: an independent way to the same point.
    fn by_bisection(norm: Norm, x: &[f32], w: &[f32], gap: f64) -> Vec<f64> {
        let at = |t: f64| -> Vec<f64> {
            let go = |(x, w): (&f32, &f32)| {
                let (x, direction) = (f64::from(*x), (f64::from(*w) * gap).signum());
                let room = if direction > 0.0 { 1.0 - x } else { x };
                let wish = if norm == Norm::Linf { t } else { t * f64::from(w.abs()) };
                direction * wish.min(room)
            };
            x.iter().zip(w).map(go).collect()
        };
        let (mut low, mut high) = (0.0, 1e3);
        for _ in 0..200 {
            let middle = f64::midpoint(low, high);
            if inner(at(middle).into_iter(), w).abs() < gap.abs() { low = middle } else { high = middle }
        }
        at(high)
    }

    #[test]
    fn projections_are_the_nearest_points_of_the_hyperplane() {
        let mut stream = Stream::new(1, "projections", &[]);
        let mut reached = 0;
        for _ in 0..200 {
            let x: Vec<f32> = (0..24).map(|_| stream.uniform(0.0, 1.0)).collect();
            let w: Vec<f32> = (0..24).map(|_| stream.normal()).collect();
            let here = inner(x.iter().map(|x| f64::from(*x)), &w);
            let gap = f64::from(stream.uniform(-6.0, 6.0));
            for norm in Norm::ALL {
                let change = project(norm, &x, &w, here + gap);
                assert!(change.iter().zip(&x).all(|(d, x)| (-1e-12..=1.0 + 1e-12).contains(&(d + f64::from(*x)))));
                let moved = inner(change.iter().copied(), &w);
                if (moved - gap).abs() < 1e-9 {
                    reached += 1;
                    if norm != Norm::L1 {
                        let expected = by_bisection(norm, &x, &w, gap);
                        assert!(change.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{norm}");
                    }
                } else {
                    // Out of reach: all the way in every pixel.
                    assert!(
                        moved.abs() < gap.abs()
                            && change.iter().zip(&x).all(|(d, x)| [0.0, 1.0].iter().any(|e| (d + f64::from(*x) - e).abs() < 1e-12))
                    );
                }
            }
        }
        assert!(reached > 300, "{reached}");
    }

    #[test]
    fn in_l1_the_heaviest_pixels_go_first() {
        let change = project(Norm::L1, &[0.5, 0.5, 0.5], &[1.0, -3.0, 2.0], 0.0 + 2.5);
        // ⟨w, x⟩ = 0; the second pixel falls by 0.5 and brings 1.5, the third rises by 0.5 and brings 1.
        assert_eq!(change, [0.0, -0.5, 0.5]);
        assert_eq!(project(Norm::L2, &[0.5], &[0.0], 1.0), [0.0]);
    }
}

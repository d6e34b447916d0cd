//! Colours that stay apart for colour-blind readers.

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// For methods (Okabe and Ito 2008, "Color Universal Design").
const QUALITATIVE: [Colour; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [230, 159, 0], [120, 120, 120]];

/// For amounts: viridis (Smith and van der Walt 2015), every eighth of it.
const SEQUENTIAL: [Colour; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// The colour of method number `index`.
pub(super) fn method(index: usize) -> Colour {
    QUALITATIVE.get(index % QUALITATIVE.len()).copied().unwrap_or_default()
}

/// The colour of an amount in `[0, 1]`.
pub(super) fn amount(amount: f64) -> Colour {
    let place = if amount.is_finite() { amount.clamp(0.0, 1.0) } else { 0.0 } * (SEQUENTIAL.len() - 1) as f64;
    let below = (place as usize).min(SEQUENTIAL.len() - 2);
    let part = place - below as f64;
    let (Some(low), Some(high)) = (SEQUENTIAL.get(below), SEQUENTIAL.get(below + 1)) else { return [0; 3] };
    let mix = |(low, high): (&u8, &u8)| (f64::from(*low) * (1.0 - part) + f64::from(*high) * part).round() as u8;
    let mut colour = [0; 3];
    colour.iter_mut().zip(low.iter().zip(high)).for_each(|(channel, ends)| *channel = mix(ends));
    colour
}

/// `#rrggbb`.
pub(super) fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_run_from_dark_to_light() {
        assert_eq!([amount(-1.0), amount(0.5), amount(2.0), amount(f64::NAN)], [[68, 1, 84], [33, 144, 141], [253, 231, 37], [68, 1, 84]]);
        assert_eq!(hex(amount(0.0625)), "#461767");
    }
}

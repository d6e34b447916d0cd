//! Elementwise loops over images in blocks of a fixed number of elements, with per-channel numbers laid out to match.

/// Elements in a block.
pub(crate) const BLOCK: usize = 16;
/// One block.
pub(crate) type Block = [f32; BLOCK];

/// A block from a formula for element `j`: a plain loop, for a closure or `std::array::from_fn` is not always
/// inlined, and then not compiled to vector instructions.
macro_rules! block {
    ($j:ident => $element:expr) => {{
        let mut block = [Default::default(); $crate::kernels::blocks::BLOCK];
        for ($j, place) in block.iter_mut().enumerate() {
            *place = $element;
        }
        block
    }};
}
pub(crate) use block;

/// Up to [`BLOCK`] numbers; missing ones are 0.
#[inline(always)]
pub(crate) fn load(values: &[f32]) -> Block {
    if let Ok(block) = values.try_into() {
        return block;
    }
    let mut block = [0.0; BLOCK];
    block[..values.len()].copy_from_slice(values);
    block
}

/// Writes as many numbers as `to` holds.
#[inline(always)]
pub(crate) fn store(block: &Block, to: &mut [f32]) {
    to.copy_from_slice(&block[..to.len()]);
}

/// Blocks after which the channels of an image's elements repeat.
fn period(channels: usize) -> usize {
    let (mut a, mut b) = (channels, BLOCK);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    channels / a
}

/// Numbers in a repeating stretch of an image.
pub(crate) fn stretch(channels: usize) -> usize {
    period(channels) * BLOCK
}

/// One number a channel, repeated to match the elements of a stretch.
pub(crate) fn spread(values: &[f32]) -> Vec<Block> {
    let mut blocks = vec![[0.0; BLOCK]; period(values.len())];
    blocks.as_flattened_mut().iter_mut().zip(values.iter().cycle()).for_each(|(to, from)| *to = *from);
    blocks
}

/// The sum for each channel of numbers laid out like a stretch.
pub(crate) fn gather(blocks: &[Block], channels: usize) -> Vec<f32> {
    let mut sums = vec![0.0f32; channels];
    for part in blocks.as_flattened().chunks(channels) {
        sums.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_repeat() {
        for channels in [1, 3, 10, 16, 24, 32, 160] {
            let values: Vec<f32> = (0..channels).map(|c| c as f32).collect();
            let blocks = spread(&values);
            assert_eq!(blocks.len() * BLOCK, stretch(channels));
            assert!(blocks.as_flattened().iter().enumerate().all(|(i, v)| *v == (i % channels) as f32));
            let copies = (stretch(channels) / channels) as f32;
            assert_eq!(gather(&blocks, channels), values.iter().map(|v| v * copies).collect::<Vec<_>>());
        }
    }
}

//! Small pictures inside documents: PNG as a data address.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use planish_contract::Failure;

/// A picture that is being composed: red, green and blue, 0 to 255.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    /// A picture of one colour.
    pub(crate) fn new(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Canvas { width, pixels: vec![colour; width * height] }
    }

    /// Sets a pixel; what lies outside is left out.
    pub(crate) fn set(&mut self, (x, y): (usize, usize), colour: [u8; 3]) {
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(y * self.width + x)
        {
            *pixel = colour;
        }
    }

    /// Puts an image with its upper left corner at a place: `value(channel, row, column)` in `[0, 1]`; one channel is grey.
    pub(crate) fn place(
        &mut self,
        (left, top): (usize, usize),
        [channels, height, width]: [usize; 3],
        value: impl Fn(usize, usize, usize) -> f64,
    ) {
        for y in 0..height {
            for x in 0..width {
                let level = |channel: usize| (value(channel.min(channels.saturating_sub(1)), y, x).clamp(0.0, 1.0) * 255.0).round() as u8;
                self.set((left + x, top + y), [level(0), level(1), level(2)]);
            }
        }
    }

    /// The picture as a PNG file (ISO/IEC 15948): eight bits a channel, no filter.
    fn png(&self) -> Result<Vec<u8>, Failure> {
        let failed = |error: std::io::Error| Failure::internal(format!("a picture can't be written: {error}"));
        let height = self.pixels.len() / self.width.max(1);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        for row in self.pixels.chunks_exact(self.width.max(1)) {
            encoder.write_all(&[0]).map_err(failed)?;
            row.iter().try_for_each(|pixel| encoder.write_all(pixel)).map_err(failed)?;
        }
        let body = encoder.finish().map_err(failed)?;
        let mut header = Vec::new();
        for length in [self.width, height] {
            header.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
        header.extend([8, 2, 0, 0, 0]);
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        for (name, body) in [(b"IHDR", header.as_slice()), (b"IDAT", body.as_slice()), (b"IEND", &[])] {
            file.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
            let mut sum = Crc::new();
            sum.update(name);
            sum.update(body);
            file.extend(name);
            file.extend(body);
            file.extend(sum.sum().to_be_bytes());
        }
        Ok(file)
    }
}

/// `data:image/png;base64,…`.
pub(crate) fn data_address(canvas: &Canvas) -> Result<String, Failure> {
    Ok(format!("data:image/png;base64,{}", base64(&canvas.png()?)))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = ALPHABET.get((group >> (18 - 6 * place) & 63) as usize).copied().unwrap_or(b'=');
            text.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

/// Images side by side: in the first line as they are, in the second under attack, in the third the magnified difference around grey.
pub(crate) fn sprite(pairs: &[(Vec<f32>, Vec<f32>)], shape: [usize; 3], magnify: f64) -> Canvas {
    const GAP: usize = 2;
    let [_, height, width] = shape;
    let mut canvas = Canvas::new(pairs.len() * (width + GAP), 3 * (height + GAP), [255; 3]);
    for (index, (clean, attacked)) in pairs.iter().enumerate() {
        let at =
            |image: &[f32], (c, y, x): (usize, usize, usize)| f64::from(image.get((c * height + y) * width + x).copied().unwrap_or(0.0));
        let left = index * (width + GAP);
        canvas.place((left, 0), shape, |c, y, x| at(clean, (c, y, x)));
        canvas.place((left, height + GAP), shape, |c, y, x| at(attacked, (c, y, x)));
        let difference = |c, y, x| 0.5 + 0.5 * magnify * (at(attacked, (c, y, x)) - at(clean, (c, y, x)));
        canvas.place((left, 2 * (height + GAP)), shape, difference);
    }
    canvas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_known_texts() {
        let coded = ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes()));
        assert_eq!(coded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn a_picture_has_its_size_and_its_sums() {
        let mut canvas = Canvas::new(3, 2, [255; 3]);
        canvas.place((1, 0), [1, 2, 5], |_, y, x| if x == y { 0.0 } else { 2.0 });
        let png = canvas.png().unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&png[16..26], &[0, 0, 0, 3, 0, 0, 0, 2, 8, 2]);
        // The checksum of an empty IEND is known.
        assert_eq!(&png[png.len() - 8..], b"IEND\xae\x42\x60\x82");
    }
}

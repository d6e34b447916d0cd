//! PNG and JPEG files → u8 `[c, h, w]`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use planish_contract::Failure;
use zune_core::bytestream::{ZByteReaderTrait, ZCursor};
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_png::PngDecoder;

use crate::fit::Fit;

/// The longest side of an image that is decoded.
const LONGEST_SIDE: usize = 1 << 14;
/// The most pixels of an image that is decoded: a file of a few bytes can claim any number.
const MOST_PIXELS: usize = 1 << 27;
/// The largest file that is read.
const LARGEST_FILE: u64 = 1 << 28;

/// How PNG and JPEG files begin.
const PNG: &[u8] = b"\x89PNG";
const JPEG: &[u8] = b"\xff\xd8";

/// A decoded image, its channels interleaved: 1 or 3 bytes a pixel.
pub(crate) struct Picture {
    pub(crate) bytes: Vec<u8>,
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// Decodes one file to `[c, h, w]`.
///
/// # Errors
/// [`Failure::Input`] naming the file when it can't be decoded, or has another size than `shape` says or colours where that says grey.
pub(crate) fn file(name: &str, path: &Path, fit: Option<Fit>, [channels, height, width]: [usize; 3]) -> Result<Vec<u8>, Failure> {
    let picture = open(name, path, fit)?;
    if (picture.height, picture.width) != (height, width) {
        let message = format!("{name} has {}×{} pixels, the first image {height}×{width}", picture.height, picture.width);
        return Err(Failure::input_hint(message, "bring all images to one size: size = 224 (on the command line `--size 224`)"));
    }
    if picture.channels > channels {
        return Err(Failure::input(format!("{name} was grey when the stage began, and is not any more")));
    }
    // A grey image among coloured ones has three equal channels.
    let plane = |channel: usize| picture.bytes.iter().skip(channel.min(picture.channels - 1)).step_by(picture.channels).copied();
    Ok((0..channels).flat_map(plane).collect())
}

/// Height and width of a file.
///
/// # Errors
/// [`Failure::Input`] naming a file that can't be decoded.
pub(crate) fn size_of(name: &str, path: &Path) -> Result<[usize; 2], Failure> {
    open(name, path, None).map(|picture| [picture.height, picture.width])
}

/// Whether a file has colours, as far as its header tells, of which alone it reads more than a little; one that can't be read has none, which is told
/// when it is decoded.
pub(crate) fn is_coloured(path: &Path) -> bool {
    let Ok(mut file) = File::open(path).map(BufReader::new) else { return false };
    let Ok(beginning) = file.fill_buf() else { return false };
    let coloured = if beginning.starts_with(PNG) {
        png_headers(file).map(|decoder| decoder.colorspace().is_some_and(|colours| colours.num_components() > 2))
    } else {
        jpeg_headers(file).map(|decoder| decoder.input_colorspace() != Some(ColorSpace::Luma))
    };
    coloured.unwrap_or(false)
}

fn open(name: &str, path: &Path, fit: Option<Fit>) -> Result<Picture, Failure> {
    let refuse = |reason: String| Failure::input(format!("{name} can't be decoded: {}", reason.trim()));
    let length = std::fs::metadata(path).map_err(|e| Failure::io(path, e))?.len();
    if length > LARGEST_FILE {
        return Err(refuse(format!("it has {length} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|e| Failure::io(path, e))?;
    let picture = if bytes.starts_with(PNG) {
        png(&bytes)
    } else if bytes.starts_with(JPEG) {
        jpeg(&bytes)
    } else {
        Err("it is neither PNG nor JPEG".to_owned())
    };
    let picture = picture.map_err(refuse)?;
    match fit {
        Some(fit) => fit.apply(picture).map_err(refuse),
        None => Ok(picture),
    }
}

fn options() -> DecoderOptions {
    DecoderOptions::default().set_max_width(LONGEST_SIDE).set_max_height(LONGEST_SIDE).png_set_strip_to_8bit(true)
}

/// A decoder that has read what stands before the pixels, and found them not too many.
fn png_headers<T: ZByteReaderTrait>(source: T) -> Result<PngDecoder<T>, String> {
    let mut decoder = PngDecoder::new_with_options(source, options());
    decoder.decode_headers().map_err(|e| format!("{e:?}"))?;
    check_pixels(decoder.dimensions())?;
    Ok(decoder)
}

/// The same for JPEG.
fn jpeg_headers<T: ZByteReaderTrait>(source: T) -> Result<JpegDecoder<T>, String> {
    let mut decoder = JpegDecoder::new_with_options(source, options());
    decoder.decode_headers().map_err(|e| format!("{e:?}"))?;
    check_pixels(decoder.dimensions())?;
    Ok(decoder)
}

fn png(bytes: &[u8]) -> Result<Picture, String> {
    let mut decoder = png_headers(ZCursor::new(bytes))?;
    let pixels = decoder.decode_raw().map_err(|e| format!("{e:?}"))?;
    picture(pixels, decoder.dimensions())
}

fn jpeg(bytes: &[u8]) -> Result<Picture, String> {
    if !is_whole(bytes) {
        // The decoder would leave what is missing grey; Pillow refuses it too.
        return Err("it is cut off before its end".to_owned());
    }
    let mut decoder = jpeg_headers(ZCursor::new(bytes))?;
    let colours = if decoder.input_colorspace() == Some(ColorSpace::Luma) { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options().jpeg_set_out_colorspace(colours));
    let pixels = decoder.decode().map_err(|e| format!("{e:?}"))?;
    picture(pixels, decoder.dimensions())
}

fn check_pixels(dimensions: Option<(usize, usize)>) -> Result<(), String> {
    match dimensions {
        Some((width, height)) if width.saturating_mul(height) > MOST_PIXELS => Err(format!("it has {width}×{height} pixels")),
        _ => Ok(()),
    }
}

/// Whether a JPEG file reaches its end marker, segment by segment (ITU-T T.81, annex B).
fn is_whole(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    let mut rest = bytes;
    // Between segments, and in what follows the head of a scan, markers are a byte 0xff with another one that is not 0 behind it.
    while let Some(at) = rest.windows(2).position(|pair| matches!(pair, [0xff, marker] if ![0x00, 0xff].contains(marker))) {
        let marker = rest.get(at + 1).copied().unwrap_or_default();
        let after = rest.get(at + 2..).unwrap_or_default();
        rest = match marker {
            END => return true,
            // The start of the image, restarts and 0x01 stand alone.
            0x01 | 0xd0..=0xd8 => after,
            // A length that counts itself; a scan's data follows its head.
            _ => {
                let length = after.first_chunk::<2>().map_or(0, |bytes| usize::from(u16::from_be_bytes(*bytes)));
                after.get(length.max(2)..).unwrap_or_default()
            }
        };
    }
    false
}

/// Grey or red, green, blue out of what a decoder gives; transparency is dropped.
fn picture(pixels: Vec<u8>, dimensions: Option<(usize, usize)>) -> Result<Picture, String> {
    let (width, height) = dimensions.filter(|&(width, height)| width > 0 && height > 0).ok_or("it has no size")?;
    let given = pixels.len() / (width * height);
    let channels = match given {
        1 | 2 => 1,
        3 | 4 => 3,
        _ => return Err(format!("{given} channels")),
    };
    let bytes = if given == channels {
        pixels
    } else {
        pixels.chunks_exact(given).flat_map(|pixel| pixel.iter().copied().take(channels)).collect()
    };
    Ok(Picture { bytes, channels, height, width })
}

#[cfg(test)]
mod tests;

//! PNG and JPEG files → u8 `[n, c, h, w]`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use planish_contract::{Context, Failure, Progress};
use rayon::prelude::*;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_png::PngDecoder;

use crate::parameters::Size;
use crate::pool::Decoded;

/// The most bytes that all decoded images together may have.
const LIMIT: usize = 1 << 34;
/// The longest side of an image that is decoded.
const LONGEST_SIDE: usize = 1 << 14;
/// The largest file that is read.
const LARGEST_FILE: u64 = 1 << 28;

/// A decoded image, its channels interleaved: 1 or 3 bytes a pixel.
struct Picture {
    bytes: Vec<u8>,
    channels: usize,
    height: usize,
    width: usize,
}

/// Decodes the files, in their order; grey only if all of them are.
///
/// # Errors
/// [`Failure::Input`] naming a file that can't be decoded, or whose size differs from the first one's.
pub(crate) fn files(files: &[&(String, PathBuf)], size: Option<Size>, context: &Context) -> Result<Decoded, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(context.threads.max(1)).build();
    let pool = pool.map_err(|e| Failure::internal(format!("no threads: {e}")))?;
    let done = AtomicU64::new(0);
    let pictures: Vec<Picture> = pool.install(|| {
        let one = |entry: &&(String, PathBuf)| {
            context.check_stopped()?;
            let picture = open(&entry.0, &entry.1, size)?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(256) {
                context.host.progress(Progress { done, total: files.len() as u64, text: "images decoded".to_owned() });
            }
            Ok(picture)
        };
        files.par_iter().map(one).collect::<Result<_, Failure>>()
    })?;
    let Some(first) = pictures.first() else { return Ok(([0; 3], Vec::new())) };
    let channels = pictures.iter().map(|picture| picture.channels).max().unwrap_or(1);
    let (height, width) = (first.height, first.width);
    let mut bytes = Vec::with_capacity((pictures.len() * channels * height * width).min(LIMIT));
    for (picture, (name, _)) in pictures.iter().zip(files) {
        if (picture.height, picture.width) != (height, width) {
            let message = format!("{name} has {}×{} pixels, the first image {height}×{width}", picture.height, picture.width);
            return Err(Failure::input_hint(message, "bring all images to one size: size = 224 (on the command line `--size 224`)"));
        }
        if bytes.len() + channels * height * width > LIMIT {
            return Err(Failure::input_hint("more than 16 GiB of pixels", "take fewer or smaller images"));
        }
        // A grey image among coloured ones has three equal channels.
        (0..channels)
            .for_each(|channel| bytes.extend(picture.bytes.iter().skip(channel.min(picture.channels - 1)).step_by(picture.channels)));
    }
    Ok(([channels, height, width], bytes))
}

fn open(name: &str, path: &Path, size: Option<Size>) -> Result<Picture, Failure> {
    let refuse = |reason: String| Failure::input(format!("{name} can't be decoded: {}", reason.trim()));
    let length = std::fs::metadata(path).map_err(|e| Failure::io(path, e))?.len();
    if length > LARGEST_FILE {
        return Err(refuse(format!("it has {length} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|e| Failure::io(path, e))?;
    let picture = match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => png(&bytes),
        [0xff, 0xd8, ..] => jpeg(&bytes),
        _ => Err("it is neither PNG nor JPEG".to_owned()),
    };
    let picture = picture.map_err(refuse)?;
    match size {
        Some(size) if (picture.height, picture.width) != (size.height, size.width) => fill(&picture, size).map_err(refuse),
        _ => Ok(picture),
    }
}

fn options() -> DecoderOptions {
    DecoderOptions::default().set_max_width(LONGEST_SIDE).set_max_height(LONGEST_SIDE).png_set_strip_to_8bit(true)
}

fn png(bytes: &[u8]) -> Result<Picture, String> {
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(bytes), options());
    let pixels = decoder.decode_raw().map_err(|e| format!("{e:?}"))?;
    picture(pixels, decoder.dimensions())
}

fn jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    decoder.decode_headers().map_err(|e| format!("{e:?}"))?;
    let colours = if decoder.input_colorspace() == Some(ColorSpace::Luma) { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options().jpeg_set_out_colorspace(colours));
    let pixels = decoder.decode().map_err(|e| format!("{e:?}"))?;
    picture(pixels, decoder.dimensions())
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

/// Resizes so that the image covers `size`, and cuts out the centre.
fn fill(picture: &Picture, size: Size) -> Result<Picture, String> {
    let kind = if picture.channels == 3 { PixelType::U8x3 } else { PixelType::U8 };
    let source = ImageRef::new(picture.width as u32, picture.height as u32, &picture.bytes, kind).map_err(|e| e.to_string())?;
    let mut target = Image::new(size.width as u32, size.height as u32, kind);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).fit_into_destination(None);
    Resizer::new().resize(&source, &mut target, &options).map_err(|e| e.to_string())?;
    Ok(Picture { bytes: target.into_vec(), channels: picture.channels, height: size.height, width: size.width })
}

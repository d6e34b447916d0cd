//! Single images of a safetensors file that may hold ten thousand.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use planish_contract::Failure;
use serde_json::Value;

/// The images at some positions of the tensor `images` `[n, c, h, w]` of 32-bit floats.
pub(crate) fn images(path: &Path, places: &[usize]) -> Result<Vec<Vec<f32>>, Failure> {
    let unreadable = |error| Failure::io(path, error);
    let mut file = File::open(path).map_err(unreadable)?;
    let malformed = || Failure::input(format!("{}: it does not hold images as safetensors", path.display()));
    let whole = file.metadata().map_err(unreadable)?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(unreadable)?;
    let length = u64::from_le_bytes(length);
    if length > whole {
        return Err(malformed());
    }
    let mut header = vec![0; usize::try_from(length).map_err(|_| malformed())?];
    file.read_exact(&mut header).map_err(unreadable)?;
    let header: Value = serde_json::from_slice(&header).map_err(|_| malformed())?;
    let (begin, size) = layout(&header).ok_or_else(malformed)?;
    let image = |place: &usize| {
        let start =
            size.checked_mul(4).and_then(|bytes| bytes.checked_mul(*place as u64)).and_then(|at| at.checked_add(begin + 8 + length));
        // A file that ends before its tensors do is caught here.
        let start = start.filter(|start| start + 4 * size <= whole).ok_or_else(malformed)?;
        file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let mut bytes = vec![0; 4 * size as usize];
        file.read_exact(&mut bytes).map_err(unreadable)?;
        Ok(bytes.chunks_exact(4).filter_map(|four| four.try_into().ok()).map(f32::from_le_bytes).collect())
    };
    places.iter().map(image).collect()
}

/// Where the images begin after the header, and how many values each has.
fn layout(header: &Value) -> Option<(u64, u64)> {
    let tensor = header.get("images")?;
    let shape: Vec<u64> = tensor.get("shape")?.as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?;
    let [_, sizes @ ..] = shape.as_slice() else { return None };
    let size = sizes.iter().try_fold(1_u64, |product, size| product.checked_mul(*size))?;
    let begin = tensor.get("data_offsets")?.get(0)?.as_u64()?;
    (tensor.get("dtype")?.as_str()? == "F32" && sizes.len() == 3 && size < 1 << 26 && begin < 1 << 60).then_some((begin, size))
}

#[cfg(test)]
mod tests {
    use planish_formats::AdversarialWriter;

    use super::*;

    #[test]
    fn only_the_images_asked_for_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut writer = AdversarialWriter::create(&path, [1, 1, 2], &[7, 9, 11], &[0, 1, 2]).unwrap();
        writer.append(&[0.0, 0.25, 0.5, 0.75, 1.0, 0.125]).unwrap();
        writer.finish().unwrap();
        assert_eq!(images(&path, &[2, 0]).unwrap(), [[1.0, 0.125], [0.0, 0.25]]);
        assert!(images(&path, &[3]).is_err() && images(&path, &[usize::MAX]).is_err());
        let bytes = std::fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() - 4], &bytes[..20], b"", b"\xff\xff\xff\xff\xff\xff\xff\xff"] {
            std::fs::write(&path, damaged).unwrap();
            assert!(images(&path, &[2]).is_err());
        }
    }
}

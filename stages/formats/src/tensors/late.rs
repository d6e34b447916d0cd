//! Tensors that do not fit into memory.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::Failure;

use super::{Declared, NamedTensor, element_count, header};
use crate::atomic;

/// Writes tensors of which the bytes named `late` come in pieces, when they are there: `fill` gives them to what it is called with. They are the last in the file
/// as long as no other tensor has bytes and a later name.
///
/// # Errors
/// What `fill` fails with; [`Failure::Internal`] when it gives another number of bytes than `late` says, and as [`write_tensors`].
pub(crate) fn write_tensors_late(
    path: &Path,
    tensors: &[NamedTensor],
    (late, shape): (&str, &[usize]),
    fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let internal = |message: String| Failure::internal(format!("{}: {message}", path.display()));
    let count = element_count(shape).ok_or_else(|| internal(format!("tensor `{late}` has shape {shape:?}")))?;
    let declared: Vec<Declared> =
        tensors.iter().map(Declared::of).chain([Declared { name: late, shape, element: ("U8", 1), count }]).collect();
    let (header, order) = header(&declared, &BTreeMap::new()).map_err(internal)?;
    if order.last() != Some(&tensors.len()) {
        return Err(internal(format!("tensor `{late}` is not the last")));
    }
    let mut failure = None;
    let written = atomic::write(path, |writer| {
        writer.write_all(&header)?;
        order.iter().filter_map(|&index| tensors.get(index)).try_for_each(|tensor| tensor.values.write(writer))?;
        let mut left = count;
        let filled = fill(&mut |bytes| {
            left = left.checked_sub(bytes.len()).ok_or_else(|| internal(format!("tensor `{late}` has more bytes than its shape")))?;
            writer.write_all(bytes).map_err(|e| Failure::io(path, e))
        });
        let missing = || if left == 0 { Ok(()) } else { Err(internal(format!("tensor `{late}` lacks {left} bytes"))) };
        filled.and_then(|()| missing()).map_err(|error| {
            failure = Some(error);
            std::io::Error::other("not filled")
        })
    });
    failure.map_or(written, Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::from_u32;
    use crate::{Values, write_tensors};

    #[test]
    fn the_file_is_the_one_of_tensors_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let ids = from_u32("ids", &[7, 8, 9]);
        let [late, whole] = ["late", "whole"].map(|name| folder.path().join(name));
        write_tensors_late(&late, std::slice::from_ref(&ids), ("images", &[3, 2]), |write| {
            write(&[1, 2])?;
            write(&[3, 4, 5, 6])
        })
        .unwrap();
        let images = NamedTensor { name: "images".into(), shape: vec![3, 2], values: Values::U8(vec![1, 2, 3, 4, 5, 6]) };
        write_tensors(&whole, &[images, ids], &BTreeMap::new()).unwrap();
        assert_eq!(std::fs::read(late).unwrap(), std::fs::read(whole).unwrap());
    }

    #[test]
    fn nothing_is_left_of_what_does_not_come_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("late");
        let write = |bytes: &[u8]| write_tensors_late(&path, &[], ("images", &[3]), |write| write(bytes)).unwrap_err().to_string();
        assert!(write(&[1]).contains("lacks 2 bytes"));
        assert!(write(&[1, 2, 3, 4]).contains("more bytes"));
        let stopped = write_tensors_late(&path, &[], ("images", &[3]), |_| Err(Failure::Stopped));
        assert!(matches!(stopped, Err(Failure::Stopped)));
        let last =
            write_tensors_late(&path, &[NamedTensor { name: "z".into(), shape: vec![0], values: Values::U8(vec![]) }], ("a", &[0]), |_| {
                Ok(())
            });
        assert!(last.unwrap_err().to_string().contains("not the last"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

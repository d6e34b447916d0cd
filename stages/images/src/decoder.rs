//! Images of a pool, a part at a time.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use planish_contract::{Context, Failure, Progress};
use planish_formats::{MAX_IMAGE_BYTES, SplitName};
use rayon::prelude::*;

use crate::decode;
use crate::fit::Fit;
use crate::parameters::ImagesParameters;
use crate::pool::{Found, Pictures, Pool};
use crate::selection::Selection;

/// Decodes images on several threads and tells how far it is.
pub(crate) struct Decoder<'a> {
    /// Channels, height and width of all images.
    pub(crate) shape: [usize; 3],
    fit: Option<Fit>,
    context: &'a Context<'a>,
    threads: rayon::ThreadPool,
    total: usize,
    done: AtomicU64,
}

impl<'a> Decoder<'a> {
    /// A decoder for the selected images, which are brought to one size and one kind of colour: grey only if all of them are.
    ///
    /// # Errors
    /// [`Failure::Input`] when a first image can't be decoded, or arrays have images of different shapes.
    pub(crate) fn new(
        found: &Found,
        selection: &Selection,
        parameters: &ImagesParameters,
        context: &'a Context<'a>,
    ) -> Result<Self, Failure> {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(context.threads.max(1)).build();
        let threads = threads.map_err(|e| Failure::internal(format!("no threads: {e}")))?;
        let coloured = |pool: &Pool, ids: &[u32]| match &pool.pictures {
            Pictures::Array(_) => false,
            Pictures::Files(files) => {
                threads.install(|| ids.par_iter().any(|&id| file(files, id).is_ok_and(|(_, path)| decode::is_coloured(path))))
            }
        };
        let any = selection.values().any(|(training, ids)| coloured(found.pool(*training), ids));
        let shape = shape(found, selection, parameters.fit(), if any { 3 } else { 1 })?;
        let bytes = shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length));
        if bytes.is_none_or(|bytes| bytes > MAX_IMAGE_BYTES) {
            let [_, height, width] = shape;
            return Err(Failure::input_hint(
                format!("images of {height}×{width} pixels are larger than a data set holds"),
                "make them smaller: size = 224",
            ));
        }
        let total = selection.values().map(|(_, ids)| ids.len()).sum();
        Ok(Decoder { shape, fit: parameters.fit(), context, threads, total, done: AtomicU64::new(0) })
    }

    /// The images at `ids` of a pool as u8 `[n, c, h, w]`, in that order.
    ///
    /// # Errors
    /// [`Failure::Input`] naming the first file that can't be decoded, or whose size differs from the others'.
    pub(crate) fn images(&self, pool: &Pool, ids: &[u32]) -> Result<Vec<u8>, Failure> {
        let files = match &pool.pictures {
            Pictures::Array(images) => {
                self.tell(ids.len());
                return images.rows(ids);
            }
            Pictures::Files(files) => files,
        };
        let images = self.each(ids, |&id| {
            self.context.check_stopped()?;
            let (name, path) = file(files, id)?;
            decode::file(name, path, self.fit, self.shape)
        })?;
        self.tell(ids.len());
        Ok(images.concat())
    }

    /// Goes on as if `count` images had been decoded.
    pub(crate) fn tell(&self, count: usize) {
        let done = self.done.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
        self.context.host.progress(Progress { done, total: self.total as u64, text: "images packed".to_owned() });
    }

    /// Does `work` for all of `items`, on all threads.
    pub(crate) fn each<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<R, Failure> + Send + Sync,
    ) -> Result<Vec<R>, Failure> {
        let results: Vec<Result<R, Failure>> = self.threads.install(|| items.par_iter().map(work).collect());
        // The first failure of all, whichever thread met it.
        results.into_iter().collect()
    }
}

/// The shape `[c, h, w]` of all selected images; those in files have so many `channels`.
fn shape(found: &Found, selection: &Selection, fit: Option<Fit>, channels: usize) -> Result<[usize; 3], Failure> {
    let mut shape: Option<(SplitName, [usize; 3])> = None;
    for (&name, (training, ids)) in selection {
        let of_split = match (&found.pool(*training).pictures, ids.first()) {
            (Pictures::Array(images), _) => images.shape,
            // One file of all stands for their size; decoding finds the first one that differs.
            (Pictures::Files(files), Some(&first)) if shape.is_none() => {
                let (name, path) = file(files, first)?;
                let [height, width] = fit.map_or_else(|| decode::size_of(name, path), |fit| Ok([fit.size.height, fit.size.width]))?;
                [channels, height, width]
            }
            (Pictures::Files(_), _) => continue,
        };
        match shape {
            Some((other, shape)) if shape != of_split => {
                let message = format!("{name} images have shape {of_split:?}, {other} images {shape:?}");
                return Err(Failure::input_hint(message, "bring all images to one size and one kind of colour"));
            }
            _ => shape = Some((name, of_split)),
        }
    }
    shape.map(|(_, shape)| shape).ok_or_else(|| Failure::input("there are no images"))
}

fn file(files: &[(String, PathBuf)], id: u32) -> Result<&(String, PathBuf), Failure> {
    files.get(id as usize).ok_or_else(|| Failure::internal(format!("no image {id}")))
}

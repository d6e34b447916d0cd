//! Selected images → the files of a data set, which never are in memory as a whole.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Context, Failure};
use planish_formats::{Shard, Split, SplitName, read_shard, shards, write_shard};

use crate::decoder::Decoder;
use crate::moments::Moments;
use crate::pool::{Found, Pool};
use crate::selection::Selection;

/// About how many bytes of images are in memory at a time.
const AT_ONCE: usize = 1 << 26;

/// Packs the images of a data set.
pub(crate) struct Packer<'a> {
    pub(crate) found: &'a Found,
    pub(crate) decoder: &'a Decoder<'a>,
    pub(crate) context: &'a Context<'a>,
    /// The most bytes of images in one file.
    pub(crate) shard_bytes: usize,
}

/// What was packed.
pub(crate) struct Packed {
    /// The moments of the training images, or of the first split where there are none.
    pub(crate) moments: Moments,
    /// How many files hold each split.
    pub(crate) shards: BTreeMap<String, usize>,
}

impl Packer<'_> {
    /// Writes the selected images into `output`. Each file is made in the folder that outlives a killed run, so that what is finished is not
    /// made again; they are moved when the last one is there.
    ///
    /// # Errors
    /// As [`Decoder::images`], and [`Failure::Io`] when a file can't be written.
    pub(crate) fn pack(&self, selection: &Selection, output: &Path) -> Result<Packed, Failure> {
        self.remove_unfinished()?;
        let image_len = self.decoder.shape.iter().product();
        let reference = if selection.contains_key(&SplitName::Train) { Some(&SplitName::Train) } else { selection.keys().next() };
        let mut packed = Packed { moments: Moments::of(self.decoder.shape), shards: BTreeMap::new() };
        let mut made = Vec::new();
        for (name, (training, ids)) in selection {
            let pool = self.found.pool(*training);
            let files = shards(*name, ids.len(), image_len, self.shard_bytes);
            for shard in &files {
                let moments = (Some(name) == reference).then_some(&mut packed.moments);
                self.make(shard, pool, ids.get(shard.rows.clone()).unwrap_or_default(), moments)?;
            }
            packed.shards.insert(name.to_string(), files.len());
            made.extend(files);
        }
        for shard in made {
            let (from, to) = (self.context.checkpoints.join(&shard.file), output.join(&shard.file));
            std::fs::rename(&from, &to).map_err(|e| Failure::io(&from, e))?;
        }
        Ok(packed)
    }

    /// Removes what a killed run left of a file that it was writing: it is hidden until it is whole, and may have a GiB.
    fn remove_unfinished(&self) -> Result<(), Failure> {
        let folder = &self.context.checkpoints;
        let failed = |e| Failure::io(folder, e);
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Sees to it that a file is there.
    fn make(&self, shard: &Shard, pool: &Pool, ids: &[u32], mut moments: Option<&mut Moments>) -> Result<(), Failure> {
        let path = self.context.checkpoints.join(&shard.file);
        let labels: Vec<u32> = ids.iter().filter_map(|&id| pool.labels.get(id as usize).copied()).collect();
        if let Some(split) = self.kept(&path, &labels, ids) {
            self.decoder.tell(ids.len());
            if let Some(moments) = moments {
                split.images.parts().for_each(|images| moments.add(images));
            }
            return Ok(());
        }
        let at_once = (AT_ONCE / self.decoder.shape.iter().product::<usize>().max(1)).max(1);
        write_shard(&path, self.decoder.shape, (&labels, ids), |write| {
            for ids in ids.chunks(at_once) {
                let images = self.decoder.images(pool, ids)?;
                if let Some(moments) = &mut moments {
                    moments.add(&images);
                }
                write(&images)?;
            }
            Ok(())
        })
    }

    /// The file as an earlier, killed run left it: files appear whole, and the folder belongs to the key of this result.
    fn kept(&self, path: &Path, labels: &[u32], ids: &[u32]) -> Option<Split> {
        let split = read_shard(path, self.decoder.shape).ok()?;
        (split.labels == labels && split.ids == ids).then_some(split)
    }
}

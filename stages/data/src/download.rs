//! Downloading a published file: resumable, bounded, and kept only with its pinned checksum.
//!
//! `NAME.part` grows until it has the official length, survives interruptions, and becomes `NAME` only
//! when its SHA-256 is right. Whoever holds the lock on `NAME.part` downloads; others wait.

mod error;
mod transfer;

use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use planish_contract::{Failure, Host};
use sha2::{Digest, Sha256};

use crate::dataset::Download;
use error::Trouble;
use transfer::Transfer;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Attempts in a row that bring nothing before giving up.
    pub attempts: u32,
    /// The pause before the first repetition; it doubles with each.
    pub pause: Duration,
    /// How long a connection may stay silent.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { attempts: 4, pause: Duration::from_secs(1), silence: Duration::from_secs(30) }
    }
}

/// Downloads files into a folder.
pub struct Downloader<'a> {
    host: &'a dyn Host,
    folder: PathBuf,
    patience: Patience,
}

impl<'a> Downloader<'a> {
    /// A downloader into `folder`, which is made when it is needed.
    #[must_use]
    pub fn new(host: &'a dyn Host, folder: &Path) -> Self {
        Downloader { host, folder: folder.to_path_buf(), patience: Patience::default() }
    }

    /// The same with other patience.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The path of the file, downloaded if it is not there yet (or not the official one).
    ///
    /// # Errors
    /// [`Failure::Input`] when no address gives the official file, [`Failure::Io`] when the folder can't be written,
    /// [`Failure::Stopped`] when the run was asked to stop; what has arrived is kept then.
    pub fn fetch(&self, download: &Download) -> Result<PathBuf, Failure> {
        let path = self.folder.join(download.name);
        if is_official(&path, download)? {
            return Ok(path);
        }
        std::fs::create_dir_all(&self.folder).map_err(|e| Failure::io(&self.folder, e))?;
        let part = self.folder.join(format!("{}.part", download.name));
        loop {
            let file = OpenOptions::new().create(true).read(true).append(true).open(&part).map_err(|e| Failure::io(&part, e))?;
            self.lock(&file, &part, download)?;
            // Another process may have finished, and renamed the file we waited for.
            if is_official(&path, download)? {
                return Ok(path);
            }
            if part.exists() {
                self.complete(&file, &part, download)?;
                std::fs::rename(&part, &path).map_err(|e| Failure::io(&path, e))?;
                return Ok(path);
            }
        }
    }

    fn lock(&self, file: &File, part: &Path, download: &Download) -> Result<(), Failure> {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => {
                    self.host.log(&format!("waiting for another process to download {}", download.name));
                    self.wait(Duration::from_secs(1))?;
                }
                Err(TryLockError::Error(error)) => return Err(Failure::io(part, error)),
            }
        }
    }

    /// Brings the part to the official content: every address in turn, again and again while it helps.
    fn complete(&self, file: &File, part: &Path, download: &Download) -> Result<(), Failure> {
        let io = |error| Failure::io(part, error);
        let mut open: VecDeque<&str> = download.addresses.iter().copied().collect();
        let mut reasons: BTreeSet<String> = BTreeSet::new();
        let (mut fruitless, mut most) = (0, file.metadata().map_err(io)?.len());
        while let Some(address) = open.pop_front() {
            let trouble = match self.attempt(file, download, address) {
                Ok(()) => return Ok(()),
                Err(Trouble::Stopped) => return Err(Failure::Stopped),
                Err(Trouble::Disk(error)) => return Err(io(error)),
                Err(trouble) => trouble,
            };
            self.host.log(&format!("{address}: {trouble}"));
            reasons.insert(format!("{address}: {trouble}"));
            if !trouble.is_passing() {
                continue;
            }
            open.push_back(address);
            let have = file.metadata().map_err(io)?.len();
            fruitless = if have > most { 0 } else { fruitless + 1 };
            most = most.max(have);
            if fruitless >= self.patience.attempts {
                break;
            }
            self.wait(self.patience.pause * (1 << fruitless.min(5)))?;
        }
        let reasons: Vec<String> = reasons.into_iter().collect();
        Err(Failure::input(format!("{} can't be downloaded ({})", download.name, reasons.join("; "))))
    }

    fn attempt(&self, file: &File, download: &Download, address: &str) -> Result<(), Trouble> {
        if file.metadata()?.len() > download.size {
            file.set_len(0)?;
        }
        Transfer { host: self.host, file, download, silence: self.patience.silence }.run(address)?;
        file.sync_all()?;
        let found = sha256_of_start(file)?;
        if found == download.sha256 {
            return Ok(());
        }
        file.set_len(0)?;
        Err(Trouble::Checksum { expected: download.sha256.to_owned(), found })
    }

    /// Waits, but not longer than until the run is asked to stop.
    fn wait(&self, time: Duration) -> Result<(), Failure> {
        let slice = Duration::from_millis(50);
        let mut left = time;
        while !left.is_zero() {
            if self.host.stopped() {
                return Err(Failure::Stopped);
            }
            std::thread::sleep(left.min(slice));
            left = left.saturating_sub(slice);
        }
        Ok(())
    }
}

/// Whether the file is there with the official length and checksum.
fn is_official(path: &Path, download: &Download) -> Result<bool, Failure> {
    let io = |error| Failure::io(path, error);
    match File::open(path) {
        Ok(file) if file.metadata().map_err(io)?.len() == download.size => Ok(sha256_of(&file).map_err(io)? == download.sha256),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io(error)),
    }
}

fn sha256_of_start(mut file: &File) -> std::io::Result<String> {
    std::io::Seek::rewind(&mut file)?;
    sha256_of(file)
}

fn sha256_of(mut file: &File) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{:x}", hasher.finalize())),
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests;

//! What can go wrong while a file is downloaded.

/// Why an attempt did not bring the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The server can't be reached, or the connection broke.
    #[error("{0}")]
    Network(String),
    /// The server answered that it has no such file.
    #[error("the server answers {0}")]
    Refused(u16),
    /// The server has a passing difficulty.
    #[error("the server answers {0} for now")]
    Busy(u16),
    /// The connection ended too early.
    #[error("the connection ended after {found} of {expected} bytes")]
    Short {
        /// The official length.
        expected: u64,
        /// What there is of it now.
        found: u64,
    },
    /// The server sends more than the official file has.
    #[error("the server sends more than the {0} bytes of the official file")]
    Long(u64),
    /// What was sent is something else.
    #[error("what it sends is not the official file: sha256 {expected} expected, {found} found")]
    Checksum {
        /// The official checksum.
        expected: String,
        /// That of what was sent.
        found: String,
    },
    /// The file can't be written here.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
    /// The run was asked to stop.
    #[error("stopped on request")]
    Stopped,
}

impl Trouble {
    /// Whether the same address may do better next time.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Trouble::Network(_) | Trouble::Busy(_) | Trouble::Short { .. })
    }
}

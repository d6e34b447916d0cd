//! What can be wrong with the content of a data file.

/// Why the content of a file is not what its name promises. Messages go after the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// An IDX file without a whole header.
    #[error("{found} bytes are too few for the header of an IDX file, which takes {expected}")]
    ShortHeader {
        /// The length of the header.
        expected: usize,
        /// The length of the file.
        found: usize,
    },
    /// An IDX file of another type, or none.
    #[error("starts with {found:#010x}; an IDX file of {what} starts with {expected:#010x}")]
    Magic {
        /// What the file should hold.
        what: &'static str,
        /// How such a file starts.
        expected: u32,
        /// How this one does.
        found: u32,
    },
    /// Images of another size.
    #[error("holds images of {found_rows}x{found_columns} pixels; {rows}x{columns} are expected")]
    ImageSize {
        /// The expected height.
        rows: usize,
        /// The expected width.
        columns: usize,
        /// The height in the header.
        found_rows: u32,
        /// The width in the header.
        found_columns: u32,
    },
    /// A length that contradicts the header.
    #[error("has {found} bytes after its header, which announces {announced}")]
    Length {
        /// What the header announces.
        announced: u64,
        /// What is there.
        found: usize,
    },
    /// A length that is no whole number of records.
    #[error("{found} bytes are no whole number of records of {record} bytes")]
    Records {
        /// The length of a record.
        record: usize,
        /// The length of the file.
        found: usize,
    },
    /// Files that belong together but have different numbers of entries.
    #[error("{images} images, but {labels} labels")]
    Counts {
        /// The number of images.
        images: usize,
        /// The number of labels.
        labels: usize,
    },
    /// A label that names no class.
    #[error("image {index} has label {label}, but there are {classes} classes")]
    Label {
        /// The image's index in the file.
        index: usize,
        /// Its label.
        label: u8,
        /// The number of classes.
        classes: usize,
    },
    /// A number of files that the data set does not have.
    #[error("{found} files where {expected} are expected")]
    Files {
        /// The number of official files.
        expected: usize,
        /// The number given.
        found: usize,
    },
    /// A gzip stream that is damaged or ends early.
    #[error("the gzip stream is damaged or ends early ({0})")]
    Gzip(std::io::Error),
    /// Content longer than the official file's.
    #[error("unpacks to more than {0} bytes")]
    TooLong(u64),
    /// An archive that can't be read.
    #[error("the tar archive is damaged or ends early ({0})")]
    Tar(std::io::Error),
    /// An archive with an entry that a data set has no use for.
    #[error("the archive holds `{name}`, {what}; the official one holds nothing of the kind")]
    Entry {
        /// The entry's name.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An archive without a file.
    #[error("the archive has no file `{0}`")]
    Missing(String),
    /// A file of the archive with another length.
    #[error("`{name}` in the archive has {found} bytes, the official file has {expected}")]
    MemberSize {
        /// The file.
        name: String,
        /// The length of the official file.
        expected: u64,
        /// The length in the archive.
        found: u64,
    },
}

//! Content-addressed store of planish: blobs, index, locks.

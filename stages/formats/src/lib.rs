//! The files that stages hand each other.

//! Integration tests: the real executable on real folders.

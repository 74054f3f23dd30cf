//! Tierway.

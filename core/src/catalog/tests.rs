//! The built-in rows hold together, and bad rows are refused with their place.

use super::*;

#[test]
fn the_builtin_rows_are_valid() {
    if let Err(error) = Catalog::default().with_files(builtin::FILES) {
        panic!("{error}");
    }
}

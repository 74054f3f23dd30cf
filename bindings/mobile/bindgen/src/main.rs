//! Writes the other languages' side of `tierway-mobile` from what its built library says of itself. A package of its own,
//! so that the generator is no part of what is shipped.

fn main() {
    uniffi::uniffi_bindgen_main();
}

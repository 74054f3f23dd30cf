//! Aligns the library's segments to 16 KB, without which newer Android devices do not load it.

fn main() {
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    // On Linux too, where it costs nothing, so that the build which tests can look at has it.
    if os == "android" || os == "linux" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,max-page-size=16384");
    }
    println!("cargo:rerun-if-changed=build.rs");
}

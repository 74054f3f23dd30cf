//! Tells the linker what Node-API wants on each platform.

fn main() {
    napi_build::setup();
}

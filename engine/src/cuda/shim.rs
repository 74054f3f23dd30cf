//! The kernels on the CPU, for tests: a library that `scripts/shim.sh` builds from the same sources.

#![allow(unsafe_code, reason = "kernels take addresses")]
#![allow(clippy::print_stdout, reason = "tests say what they skip")]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use super::device::{Boxed, Device, Product, Shape, TensorMap};
use crate::error::EngineError;

type MakeMap = unsafe extern "C" fn(*mut c_void, u64, c_uint, u64, u64, u64, c_uint, c_uint) -> c_int;
type Launch = unsafe extern "C" fn(*const c_char, *const c_uint, c_uint, c_uint, *const c_void, c_uint) -> c_int;

/// Kernels over fibers.
#[derive(Debug)]
pub(crate) struct Shim {
    library: libloading::Library,
    /// Memory that is said to be there.
    pub memory_bytes: usize,
}

/// The library, built once for all tests; `None`, said aloud, where there is no C++ compiler.
pub(crate) fn device() -> Option<Arc<dyn Device>> {
    with_memory(8 << 30)
}

/// The same with so much memory.
pub(crate) fn with_memory(memory_bytes: usize) -> Option<Arc<dyn Device>> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let path = BUILT.get_or_init(build).as_ref()?;
    // SAFETY: the library was built from our own sources and runs nothing when it is opened.
    let library = unsafe { libloading::Library::new(path) }.unwrap();
    Some(Arc::new(Shim { library, memory_bytes }))
}

fn build() -> Option<PathBuf> {
    if let Some(built) = std::env::var_os("TIERWAY_SHIM") {
        return Some(built.into());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/shim.sh");
    let out = std::env::temp_dir().join(format!("tierway-shim-{}.so", std::process::id()));
    let compiler = std::env::var("CXX").unwrap_or("g++".into());
    if Command::new(&compiler).arg("--version").output().is_err() {
        println!("skipped: kernels on the CPU, no {compiler} here (1 case)");
        return None;
    }
    let built = Command::new(script).arg(&out).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(out)
}

impl Shim {
    /// What the last launch did wrong.
    fn failure(&self) -> String {
        // SAFETY: the library exports this function with this type, which gives a constant text or null.
        unsafe {
            let failure: libloading::Symbol<'_, unsafe extern "C" fn() -> *const c_char> =
                self.library.get(b"shim_failure\0").unwrap();
            let text = failure();
            if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
        }
    }
}

impl Device for Shim {
    fn describe(&self) -> String {
        "kernels on the CPU".into()
    }

    fn memory(&self) -> Result<(usize, usize), EngineError> {
        Ok((self.memory_bytes, self.memory_bytes))
    }

    fn allocate(&self, bytes: usize) -> Result<u64, EngineError> {
        // Filled with NaN, so that what nobody wrote is noticed; 256 bytes before it hold the layout's size.
        let layout = std::alloc::Layout::from_size_align(bytes + 256, 256).unwrap();
        // SAFETY: the layout is not empty, and all of it is ours.
        unsafe {
            let at = std::alloc::alloc(layout);
            at.cast::<usize>().write(bytes);
            at.add(256).write_bytes(0xff, bytes);
            Ok(at as u64 + 256)
        }
    }

    fn release(&self, at: u64) {
        let start = (at - 256) as *mut u8;
        // SAFETY: `allocate` made it with this layout.
        unsafe {
            let bytes = start.cast::<usize>().read();
            std::alloc::dealloc(start, std::alloc::Layout::from_size_align(bytes + 256, 256).unwrap());
        }
    }

    fn upload(&self, to: u64, from: &[u8]) -> Result<(), EngineError> {
        // SAFETY: the caller checked that there is room.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to as *mut u8, from.len()) };
        Ok(())
    }

    fn download(&self, from: u64, to: &mut [u8]) -> Result<(), EngineError> {
        // SAFETY: the caller checked that so much is there.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    unsafe fn launch(
        &self,
        kernel: &str,
        shape: Shape,
        arguments: *const c_void,
        bytes: usize,
    ) -> Result<(), EngineError> {
        let name = CString::new(kernel).unwrap();
        let grid = shape.grid.map(|size| size as c_uint);
        let (threads, shared) = (shape.threads as c_uint, shape.shared_bytes as c_uint);
        // SAFETY: the library exports this function with this type; the rest is this method's contract.
        let status = unsafe {
            let launch: libloading::Symbol<'_, Launch> = self.library.get(b"shim_launch\0").unwrap();
            launch(name.as_ptr(), grid.as_ptr(), threads, shared, arguments, bytes as c_uint)
        };
        let why = match status {
            0 => return Ok(()),
            1 => "is not there",
            2 => "takes other arguments",
            3 => "was launched out of bounds",
            5 => return Err(EngineError::device(format!("kernel {kernel}: {}", self.failure()), "mend the kernel")),
            _ => "waits for itself forever",
        };
        Err(EngineError::device(format!("kernel {kernel} {why}"), "mend the kernel or its caller"))
    }

    fn record(&self) -> Result<bool, EngineError> {
        Ok(false)
    }

    fn recorded(&self) -> Result<u64, EngineError> {
        Ok(0)
    }

    fn replay(&self, _recording: u64) -> Result<(), EngineError> {
        Ok(())
    }

    fn forget(&self, _recording: u64) {}

    fn product(&self, _product: &Product) -> Result<bool, EngineError> {
        Ok(false)
    }

    fn tensor_map(&self, matrix: &Boxed) -> Result<TensorMap, EngineError> {
        let mut map = TensorMap::default();
        let (stride, wide) = (matrix.stride_bytes() as u64, matrix.box_columns() as c_uint);
        let (columns, rows, tall) = (matrix.columns as u64, matrix.rows as u64, matrix.box_rows as c_uint);
        // SAFETY: the library exports this function with this type, and it writes one map.
        let status = unsafe {
            let make: libloading::Symbol<'_, MakeMap> = self.library.get(b"shim_tensor_map\0").unwrap();
            let to = std::ptr::from_mut(&mut map).cast();
            make(to, matrix.at, matrix.element_bytes as c_uint, columns, rows, stride, wide, tall)
        };
        match status {
            0 => Ok(map),
            _ => Err(EngineError::device(format!("no map of {matrix:?} can be made"), "mend its caller")),
        }
    }

    fn wait(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

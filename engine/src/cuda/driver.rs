//! An NVIDIA GPU through its driver, which is looked for at run time.

#![allow(unsafe_code, reason = "the driver is C")]

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::cublas;
use cudarc::driver::{CudaContext, DriverError, result, sys};

use super::compile;
use super::device::{Device, Product, Shape};
use crate::error::EngineError;

const NO_DRIVER: &str = "install NVIDIA's driver (580 or later), or run on the processor with --device cpu";
const LOOK: &str = "look at nvidia-smi, then try again or run on the processor with --device cpu";

/// One GPU: a context, a stream, and its kernels.
pub(crate) struct Driver {
    context: Arc<CudaContext>,
    name: String,
    stream: sys::CUstream,
    modules: Vec<sys::CUmodule>,
    kernels: Mutex<HashMap<String, sys::CUfunction>>,
    library: Option<cublas::sys::cublasHandle_t>,
}

// SAFETY: contexts, streams, functions and cuBLAS handles may be used from any thread that the context is bound to, which
// every method sees to; the map of kernels is behind a lock, and the engine runs one pass at a time.
unsafe impl Send for Driver {}
// SAFETY: as above.
unsafe impl Sync for Driver {}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Driver({})", self.name)
    }
}

impl Driver {
    /// Opens GPU `ordinal` and makes its kernels ready.
    ///
    /// # Errors
    /// `Device` where there is no driver, no such GPU, one older than Ampere, or no compiler for the kernels.
    pub(crate) fn open(ordinal: usize) -> Result<Driver, EngineError> {
        // SAFETY: only asks whether the library can be opened.
        if !unsafe { sys::is_culib_present() } {
            return Err(EngineError::device("NVIDIA's driver is not here (libcuda)", NO_DRIVER));
        }
        let count = CudaContext::device_count().map_err(|error| failed("start the driver", error))?;
        if ordinal >= usize::try_from(count).unwrap_or(0) {
            return Err(EngineError::device(
                format!("GPU {ordinal} is not here: the driver shows {count}"),
                "choose one that nvidia-smi lists, counted from 0",
            ));
        }
        let context = CudaContext::new(ordinal).map_err(|error| failed("open the GPU", error))?;
        let (major, minor) = context.compute_capability().map_err(|error| failed("ask for its generation", error))?;
        let model = context.name().map_err(|error| failed("ask for its name", error))?;
        if major < 8 {
            return Err(EngineError::device(
                format!("{model} has compute capability {major}.{minor}, and the kernels need 8.0"),
                "use an Ampere GPU or a later one, or run on the processor with --device cpu",
            ));
        }
        let architecture = if (major, minor) == (9, 0) { "sm_90a".into() } else { format!("sm_{major}{minor}") };
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking);
        let stream = stream.map_err(|error| failed("make a stream", error))?;
        let mut modules = Vec::new();
        for (file, source) in compile::FILES {
            let code = compile::cubin(file, source, &architecture)?;
            // SAFETY: `code` is a whole cubin, made by NVRTC or kept with its check sum; the driver copies it.
            let module = unsafe { result::module::load_data(code.as_ptr().cast::<c_void>()) };
            modules.push(module.map_err(|error| failed("load the kernels", error))?);
        }
        let library = open_library(stream);
        let name = format!("{model} ({architecture}{})", if library.is_some() { ", cuBLAS" } else { "" });
        Ok(Driver { context, name, stream, modules, kernels: Mutex::default(), library })
    }

    fn bind(&self) -> Result<(), EngineError> {
        self.context.bind_to_thread().map_err(|error| failed("use the GPU", error))
    }

    fn kernel(&self, name: &str) -> Result<sys::CUfunction, EngineError> {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kernels.get(name) {
            return Ok(*found);
        }
        let text = CString::new(name).expect("kernels' names hold no zero byte");
        // SAFETY: the modules are loaded as long as `self` lives.
        let found = self.modules.iter().find_map(|m| unsafe { result::module::get_function(*m, text.clone()) }.ok());
        let found =
            found.ok_or_else(|| EngineError::device(format!("kernel {name} is not among the compiled"), LOOK))?;
        kernels.insert(name.to_owned(), found);
        Ok(found)
    }
}

/// cuBLAS on this stream, where it is installed; without it, our own kernels do its work.
fn open_library(stream: sys::CUstream) -> Option<cublas::sys::cublasHandle_t> {
    // SAFETY: only asks whether the library can be opened.
    if !unsafe { cublas::sys::is_culib_present() } {
        return None;
    }
    let handle = cublas::result::create_handle().ok()?;
    // SAFETY: both were made above; the driver's and the library's stream type are the same pointer.
    unsafe { cublas::result::set_stream(handle, stream.cast()) }.ok()?;
    Some(handle)
}

fn failed(what: &str, error: DriverError) -> EngineError {
    let next = match error.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => "free memory on the GPU, or give the engine a smaller cache",
        sys::CUresult::CUDA_ERROR_NO_DEVICE => "no GPU is visible: check CUDA_VISIBLE_DEVICES and nvidia-smi",
        _ => LOOK,
    };
    EngineError::device(format!("cannot {what}: {:?}", error.0), next)
}

impl Device for Driver {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn memory(&self) -> Result<(usize, usize), EngineError> {
        self.bind()?;
        result::mem_get_info().map_err(|error| failed("ask for free memory", error))
    }

    fn allocate(&self, bytes: usize) -> Result<u64, EngineError> {
        self.bind()?;
        // SAFETY: memory is given back by `release` only.
        unsafe { result::malloc_sync(bytes) }.map_err(|error| failed(&format!("have {bytes} bytes of memory"), error))
    }

    fn release(&self, at: u64) {
        if self.bind().is_ok() {
            // SAFETY: `at` came from `allocate`, and its one owner lets it go; the driver waits for what uses it.
            let _ = unsafe { result::free_sync(at) };
        }
    }

    fn upload(&self, to: u64, from: &[u8]) -> Result<(), EngineError> {
        self.bind()?;
        // SAFETY: `to` has room, as the caller checked; `from` lives until the stream is waited for.
        unsafe { result::memcpy_htod_async(to, from, self.stream) }
            .map_err(|error| failed("copy to the GPU", error))?;
        self.wait()
    }

    fn download(&self, from: u64, to: &mut [u8]) -> Result<(), EngineError> {
        self.bind()?;
        // SAFETY: `from` is that long, as the caller checked; `to` lives until the stream is waited for.
        unsafe { result::memcpy_dtoh_async(to, from, self.stream) }
            .map_err(|error| failed("copy from the GPU", error))?;
        self.wait()
    }

    unsafe fn launch(
        &self,
        kernel: &str,
        shape: Shape,
        arguments: *const c_void,
        _bytes: usize,
    ) -> Result<(), EngineError> {
        self.bind()?;
        let function = self.kernel(kernel)?;
        let [x, y, z] = shape.grid.map(|size| size as u32);
        let mut parameters = [arguments.cast_mut()];
        let (threads, shared) = ((shape.threads as u32, 1, 1), shape.shared_bytes as u32);
        // SAFETY: as this method's contract says; the driver copies the arguments before it returns.
        unsafe { result::launch_kernel(function, (x, y, z), threads, shared, self.stream, &mut parameters) }
            .map_err(|error| failed(&format!("run kernel {kernel}"), error))
    }

    fn record(&self) -> Result<bool, EngineError> {
        self.bind()?;
        let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream lives as long as `self`.
        unsafe { result::stream::begin_capture(self.stream, mode) }.map_err(|error| failed("record a step", error))?;
        Ok(true)
    }

    fn recorded(&self) -> Result<u64, EngineError> {
        // SAFETY: recording was started; the graph is not needed once it is instantiated.
        unsafe {
            let graph = result::stream::end_capture(self.stream).map_err(|error| failed("record a step", error))?;
            let ready = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            let _ = result::graph::destroy(graph);
            ready.map(|ready| ready as u64).map_err(|error| failed("make a recorded step ready", error))
        }
    }

    fn replay(&self, recording: u64) -> Result<(), EngineError> {
        self.bind()?;
        // SAFETY: `recording` came from `recorded` and was not forgotten.
        unsafe { result::graph::launch(recording as sys::CUgraphExec, self.stream) }
            .map_err(|error| failed("run a recorded step", error))
    }

    fn forget(&self, recording: u64) {
        if self.bind().is_ok() {
            // SAFETY: as for `replay`; its one owner lets it go.
            let _ = unsafe { result::graph::exec_destroy(recording as sys::CUgraphExec) };
        }
    }

    fn product(&self, product: &Product) -> Result<bool, EngineError> {
        use cublas::sys::{cublasComputeType_t, cublasGemmAlgo_t, cublasOperation_t, cudaDataType};
        let Some(library) = self.library else { return Ok(false) };
        self.bind()?;
        let [rows, tokens, columns] = [product.rows, product.tokens, product.columns].map(|size| size as i32);
        let (one, zero) = (1.0f32, 0.0f32);
        // Row-major y[tokens, rows] is column-major [rows, tokens]: w transposed times x.
        // SAFETY: the caller checked the sizes of the three; the library reads both factors before it returns.
        let done = unsafe {
            cublas::result::gemm_ex(
                library,
                cublasOperation_t::CUBLAS_OP_T,
                cublasOperation_t::CUBLAS_OP_N,
                rows,
                tokens,
                columns,
                std::ptr::from_ref(&one).cast(),
                product.w as *const c_void,
                cudaDataType::CUDA_R_16BF,
                columns,
                product.x as *const c_void,
                cudaDataType::CUDA_R_16BF,
                columns,
                std::ptr::from_ref(&zero).cast(),
                product.y as *mut c_void,
                cudaDataType::CUDA_R_32F,
                rows,
                cublasComputeType_t::CUBLAS_COMPUTE_32F,
                cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        done.map_err(|error| EngineError::device(format!("cuBLAS cannot multiply: {:?}", error.0), LOOK))?;
        Ok(true)
    }

    fn wait(&self) -> Result<(), EngineError> {
        // SAFETY: the stream lives as long as `self`.
        unsafe { result::stream::synchronize(self.stream) }.map_err(|error| failed("finish a step", error))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.bind().is_err() {
            return;
        }
        // SAFETY: made in `open`, and nothing uses them any more: buffers and models hold the device itself.
        unsafe {
            if let Some(library) = self.library {
                let _ = cublas::result::destroy_handle(library);
            }
            for module in &self.modules {
                let _ = result::module::unload(*module);
            }
            let _ = result::stream::destroy(self.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a GPU the failure is typed and says what to do; with one, kernels load and memory can be had.
    #[test]
    fn a_missing_driver_is_an_error_that_says_what_to_do() {
        match Driver::open(0) {
            Ok(driver) => assert!(driver.memory().unwrap().1 > 0),
            Err(error) => {
                let text = error.to_string();
                assert!(matches!(error, EngineError::Device { .. }), "{text}");
                assert!(text.contains("--device cpu") || text.contains("install"), "{text}");
            }
        }
        assert!(matches!(Driver::open(9_999), Err(EngineError::Device { .. })));
    }
}

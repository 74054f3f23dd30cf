//! An NVIDIA GPU through its driver, which is looked for at run time.

#![allow(unsafe_code, reason = "the driver is C")]

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::cublas;
use cudarc::driver::{CudaContext, DriverError, result, sys};

use super::card::Card;
use super::compile;
use super::device::{Boxed, Device, Product, Shape, TensorMap};
use crate::error::EngineError;

/// How kernels that ask for more than 48 KB of shared memory are named.
const LARGE: &str = "wgmma_";
const LOOK: &str = "look at nvidia-smi, then try again or run on the processor with --device cpu";

/// Which of a process' contexts on a GPU is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one that everybody in the process shares.
    Shared,
    /// A new one, which ends with the driver and takes what went wrong there with it.
    Apart,
}

/// An open context.
enum Context {
    Shared(Arc<CudaContext>),
    Apart(sys::CUcontext),
}

impl Context {
    fn open(card: &Card, ordinal: usize, place: Place) -> Result<Context, EngineError> {
        let failure = |error| failed("open the GPU", error);
        if place == Place::Shared {
            return CudaContext::new(ordinal).map(Context::Shared).map_err(failure);
        }
        let mut context = std::ptr::null_mut();
        // SAFETY: the driver is started, `card.device` is its own, and it writes one address.
        unsafe { sys::cuCtxCreate_v2(&mut context, 0, card.device) }.result().map_err(failure)?;
        Ok(Context::Apart(context))
    }

    fn bind(&self) -> Result<(), EngineError> {
        let bound = match self {
            Context::Shared(context) => context.bind_to_thread(),
            // SAFETY: the context lives until `self` is dropped.
            Context::Apart(context) => unsafe { result::ctx::set_current(*context) },
        };
        bound.map_err(|error| failed("use the GPU", error))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Context::Apart(context) = self {
            // SAFETY: made in `open`; nothing else holds it. What it held goes with it, whatever state it is in.
            let _ = unsafe { sys::cuCtxDestroy_v2(*context) };
        }
    }
}

/// One GPU: a context, a stream, and its kernels.
pub(crate) struct Driver {
    context: Context,
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
    /// Opens GPU `ordinal` and makes its kernels ready, those of the files `more` too.
    ///
    /// # Errors
    /// `Device` where there is no driver, no such GPU, one older than Ampere, or no compiler for the kernels.
    pub(crate) fn open(ordinal: usize, place: Place, more: &[compile::File]) -> Result<Driver, EngineError> {
        let card = Card::of(ordinal)?;
        let context = Context::open(&card, ordinal, place)?;
        context.bind()?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking);
        let stream = stream.map_err(|error| failed("make a stream", error))?;
        let architecture = &card.architecture;
        let (name, kernels) = (format!("{} ({architecture})", card.model), Mutex::default());
        let mut driver = Driver { context, name, stream, modules: Vec::new(), kernels, library: None };
        for (file, source) in compile::FILES.iter().chain(more) {
            let code = compile::cubin(file, source, architecture)?;
            // SAFETY: `code` is a whole cubin, made by NVRTC or kept with its check sum; the driver copies it.
            let module = unsafe { result::module::load_data(code.as_ptr().cast::<c_void>()) };
            driver.modules.push(module.map_err(|error| failed("load the kernels", error))?);
        }
        driver.library = open_library(stream);
        if driver.library.is_some() {
            driver.name = format!("{} ({architecture}, cuBLAS)", card.model);
        }
        Ok(driver)
    }

    fn bind(&self) -> Result<(), EngineError> {
        self.context.bind()
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
        if name.starts_with(LARGE) {
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function is of a module of this context.
            let set = unsafe {
                result::function::set_function_attribute(found, attribute, super::SHARED_BYTES_HOPPER as i32)
            };
            set.map_err(|error| failed(&format!("give kernel {name} its memory"), error))?;
        }
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

pub(super) fn failed(what: &str, error: DriverError) -> EngineError {
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

    fn tensor_map(&self, matrix: &Boxed) -> Result<TensorMap, EngineError> {
        let mut made = sys::CUtensorMap_st { opaque: [0; 16] };
        let kind = match matrix.element_bytes {
            1 => sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_UINT8,
            _ => sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
        };
        let (sizes, strides) = ([matrix.columns as u64, matrix.rows as u64], [matrix.stride_bytes() as u64]);
        let (sides, steps) = ([matrix.box_columns() as u32, matrix.box_rows as u32], [1u32, 1]);
        // SAFETY: every pointer is to as many numbers as two dimensions take; the driver only writes `made`.
        let status = unsafe {
            sys::cuTensorMapEncodeTiled(
                &mut made,
                kind,
                2,
                matrix.at as *mut c_void,
                sizes.as_ptr(),
                strides.as_ptr(),
                sides.as_ptr(),
                steps.as_ptr(),
                sys::CUtensorMapInterleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
                sys::CUtensorMapSwizzle::CU_TENSOR_MAP_SWIZZLE_128B,
                sys::CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                sys::CUtensorMapFloatOOBfill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
            )
        };
        status.result().map_err(|error| failed("describe a matrix to the copy engine", error))?;
        Ok(TensorMap(made.opaque))
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
        match Driver::open(0, Place::Shared, &[]) {
            Ok(driver) => assert!(driver.memory().unwrap().1 > 0),
            Err(error) => {
                let text = error.to_string();
                assert!(matches!(error, EngineError::Device { .. }), "{text}");
                assert!(text.contains("--device cpu") || text.contains("install"), "{text}");
            }
        }
        assert!(matches!(Driver::open(9_999, Place::Apart, &[compile::HOPPER]), Err(EngineError::Device { .. })));
    }
}

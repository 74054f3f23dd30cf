//! A device some of whose kernels do nothing, or cannot be started.

use std::ffi::c_void;
use std::sync::Arc;

use crate::cuda::device::{Boxed, Device, Product, Shape, TensorMap};
use crate::error::EngineError;

/// Kernels of some name do nothing, or their launch fails.
#[derive(Debug)]
pub(super) struct Broken {
    pub inner: Arc<dyn Device>,
    pub kernel: &'static str,
    pub fails: bool,
}

impl Device for Broken {
    fn describe(&self) -> String {
        self.inner.describe()
    }
    fn memory(&self) -> Result<(usize, usize), EngineError> {
        self.inner.memory()
    }
    fn allocate(&self, bytes: usize) -> Result<u64, EngineError> {
        self.inner.allocate(bytes)
    }
    fn release(&self, at: u64) {
        self.inner.release(at);
    }
    fn upload(&self, to: u64, from: &[u8]) -> Result<(), EngineError> {
        self.inner.upload(to, from)
    }
    fn download(&self, from: u64, to: &mut [u8]) -> Result<(), EngineError> {
        self.inner.download(from, to)
    }
    #[allow(unsafe_code, reason = "kernels take addresses")]
    unsafe fn launch(
        &self,
        kernel: &str,
        shape: Shape,
        arguments: *const c_void,
        bytes: usize,
    ) -> Result<(), EngineError> {
        if kernel == self.kernel {
            return if self.fails { Err(EngineError::device("a launch failed", "try again")) } else { Ok(()) };
        }
        // SAFETY: as the caller says.
        unsafe { self.inner.launch(kernel, shape, arguments, bytes) }
    }
    fn record(&self) -> Result<bool, EngineError> {
        self.inner.record()
    }
    fn recorded(&self) -> Result<u64, EngineError> {
        self.inner.recorded()
    }
    fn replay(&self, recording: u64) -> Result<(), EngineError> {
        self.inner.replay(recording)
    }
    fn forget(&self, recording: u64) {
        self.inner.forget(recording);
    }
    fn product(&self, product: &Product) -> Result<bool, EngineError> {
        self.inner.product(product)
    }
    fn tensor_map(&self, matrix: &Boxed) -> Result<TensorMap, EngineError> {
        self.inner.tensor_map(matrix)
    }
    fn wait(&self) -> Result<(), EngineError> {
        self.inner.wait()
    }
}

//! What a device does: holds memory, runs kernels in order, keeps recorded steps. `driver` is a GPU; tests have one more,
//! which runs the same kernels on the CPU.

#![allow(unsafe_code, reason = "kernels take addresses")]

use std::ffi::c_void;
use std::fmt::Debug;
use std::sync::Arc;

use crate::error::EngineError;

/// A place that holds memory and runs kernels, one after the other.
///
/// Addresses are those that `allocate` gave, or lie within such an allocation.
pub(crate) trait Device: Debug + Send + Sync {
    /// For reports.
    fn describe(&self) -> String;
    /// Free bytes, and bytes in all.
    fn memory(&self) -> Result<(usize, usize), EngineError>;
    /// Memory, aligned to 256 bytes.
    fn allocate(&self, bytes: usize) -> Result<u64, EngineError>;
    /// Gives memory back.
    fn release(&self, at: u64);
    /// Copies to the device; done when it returns.
    fn upload(&self, to: u64, from: &[u8]) -> Result<(), EngineError>;
    /// Copies from the device, after everything that was launched before.
    fn download(&self, from: u64, to: &mut [u8]) -> Result<(), EngineError>;
    /// Runs a kernel after those before it.
    ///
    /// # Safety
    /// `arguments` points to the kernel's argument structure of `bytes` bytes, and every address in it is good for what the
    /// kernel reads and writes.
    unsafe fn launch(
        &self,
        kernel: &str,
        shape: Shape,
        arguments: *const c_void,
        bytes: usize,
    ) -> Result<(), EngineError>;
    /// Starts to record launches instead of running them. `false` where the device cannot record.
    fn record(&self) -> Result<bool, EngineError>;
    /// Ends recording.
    fn recorded(&self) -> Result<u64, EngineError>;
    /// Runs a recording.
    fn replay(&self, recording: u64) -> Result<(), EngineError>;
    /// Forgets a recording.
    fn forget(&self, recording: u64);
    /// `y[tokens, rows] = x[tokens, columns] * w[rows, columns]^T` by the vendor's library, x and w being bf16 and y f32.
    /// `false` where there is no library.
    fn product(&self, product: &Product) -> Result<bool, EngineError>;
    /// What the copy engine has to know of a matrix.
    fn tensor_map(&self, matrix: &Boxed) -> Result<TensorMap, EngineError>;
    /// Waits until everything that was launched is done.
    fn wait(&self) -> Result<(), EngineError>;
}

/// A kernel's grid, the threads of a block, and the shared memory it asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub grid: [usize; 3],
    pub threads: usize,
    pub shared_bytes: usize,
}

/// Addresses and sizes of a product by the vendor's library.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub x: u64,
    pub w: u64,
    pub y: u64,
    pub tokens: usize,
    pub rows: usize,
    pub columns: usize,
}

/// A matrix in memory, and the box of it that one copy brings to shared memory, in rows of 128 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boxed {
    pub at: u64,
    /// 1 or 2.
    pub element_bytes: usize,
    pub columns: usize,
    pub rows: usize,
    pub box_rows: usize,
}

impl Boxed {
    /// Columns of a box: 128 bytes, the width of the swizzle.
    pub(crate) fn box_columns(&self) -> usize {
        128 / self.element_bytes
    }

    /// Bytes from a row to the next.
    pub(crate) fn stride_bytes(&self) -> usize {
        self.columns * self.element_bytes
    }

    /// Whether the copy engine can read it: it wants rows that begin at multiples of 16 bytes, and sizes in 32 bits.
    pub(crate) fn suits(&self) -> bool {
        let small = [self.columns, self.rows].iter().all(|size| (1..1 << 31).contains(size));
        small && self.at.is_multiple_of(16) && self.stride_bytes().is_multiple_of(16)
    }
}

/// What the driver makes of a `Boxed`; opaque.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TensorMap(pub [u64; 16]);

/// Most blocks in a grid's second and third direction.
const GRID_MAX: usize = 65_535;

/// Runs a kernel, having checked that the grid is one.
pub(crate) fn launch<A: super::args::Args>(
    device: &dyn Device,
    kernel: &str,
    shape: Shape,
    arguments: &A,
) -> Result<(), EngineError> {
    launch_within(device, kernel, shape, arguments, super::SHARED_BYTES_MAX)
}

/// The same for a kernel that asks for more shared memory: at most what a block of Hopper may have.
pub(crate) fn launch_large<A: super::args::Args>(
    device: &dyn Device,
    kernel: &str,
    shape: Shape,
    arguments: &A,
) -> Result<(), EngineError> {
    launch_within(device, kernel, shape, arguments, super::SHARED_BYTES_HOPPER)
}

fn launch_within<A: super::args::Args>(
    device: &dyn Device,
    kernel: &str,
    shape: Shape,
    arguments: &A,
    shared_bytes_max: usize,
) -> Result<(), EngineError> {
    let [x, y, z] = shape.grid;
    if x == 0 || y == 0 || z == 0 {
        return Ok(());
    }
    if y > GRID_MAX || z > GRID_MAX || i32::try_from(x).is_err() || shape.shared_bytes > shared_bytes_max {
        return Err(EngineError::request(format!("kernel {kernel} would be too large: split the batch")));
    }
    // SAFETY: `A` is the `repr(C)` twin of the kernel's argument structure (a test compares the sizes), and its addresses
    // come from buffers of this device whose sizes the callers in `steps` checked against the shapes they pass.
    unsafe { device.launch(kernel, shape, std::ptr::from_ref(arguments).cast(), size_of::<A>()) }
}

/// Memory on a device.
#[derive(Debug)]
pub(crate) struct Buffer {
    device: Arc<dyn Device>,
    at: u64,
    bytes: usize,
}

impl Buffer {
    /// New memory, of at least one byte.
    pub(crate) fn new(device: &Arc<dyn Device>, bytes: usize) -> Result<Buffer, EngineError> {
        let bytes = bytes.max(16);
        Ok(Buffer { device: device.clone(), at: device.allocate(bytes)?, bytes })
    }

    /// With these bytes.
    pub(crate) fn of(device: &Arc<dyn Device>, bytes: &[u8]) -> Result<Buffer, EngineError> {
        let buffer = Buffer::new(device, bytes.len())?;
        device.upload(buffer.at, bytes)?;
        Ok(buffer)
    }

    /// With these numbers.
    pub(crate) fn of_f32(device: &Arc<dyn Device>, values: &[f32]) -> Result<Buffer, EngineError> {
        Buffer::of(device, &bytes_of(values))
    }

    /// Where it starts.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// How long it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its first numbers.
    pub(crate) fn to_f32(&self, count: usize) -> Result<Vec<f32>, EngineError> {
        let mut bytes = vec![0; 4 * count];
        self.download(&mut bytes)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect())
    }

    /// Its first whole numbers.
    pub(crate) fn to_u32(&self, count: usize) -> Result<Vec<u32>, EngineError> {
        let mut bytes = vec![0; 4 * count];
        self.download(&mut bytes)?;
        Ok(bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes"))).collect())
    }

    /// Its first bytes.
    pub(crate) fn download(&self, to: &mut [u8]) -> Result<(), EngineError> {
        assert!(to.len() <= self.bytes, "no more is read than was allocated");
        self.device.download(self.at, to)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.device.release(self.at);
    }
}

/// Numbers as the bytes that lie in memory.
pub(crate) fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

//! A GPU as the driver describes it, before anything runs there.

#![allow(unsafe_code, reason = "the driver is C")]

use cudarc::driver::{result, sys};

use super::driver::failed;
use crate::error::EngineError;

const NO_DRIVER: &str = "install NVIDIA's driver (580 or later), or run on the processor with --device cpu";

/// One GPU.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub device: sys::CUdevice,
    pub model: String,
    /// What kernels are compiled for, such as `sm_90a`.
    pub architecture: String,
    /// The driver's, as CUDA counts: 13000 for 13.0.
    pub driver_version: i32,
}

impl Card {
    /// GPU `ordinal`, as nvidia-smi counts.
    ///
    /// # Errors
    /// `Device` where there is no driver, no such GPU, or one older than Ampere.
    pub(crate) fn of(ordinal: usize) -> Result<Card, EngineError> {
        // SAFETY: only asks whether the library can be opened.
        if !unsafe { sys::is_culib_present() } {
            return Err(EngineError::device("NVIDIA's driver is not here (libcuda)", NO_DRIVER));
        }
        result::init().map_err(|error| failed("start the driver", error))?;
        let count = result::device::get_count().map_err(|error| failed("start the driver", error))?;
        if ordinal >= usize::try_from(count).unwrap_or(0) {
            return Err(EngineError::device(
                format!("GPU {ordinal} is not here: the driver shows {count}"),
                "choose one that nvidia-smi lists, counted from 0",
            ));
        }
        let device = result::device::get(ordinal as i32).map_err(|error| failed("open the GPU", error))?;
        let model = result::device::get_name(device).map_err(|error| failed("ask for its name", error))?;
        let ask = |attribute| {
            // SAFETY: `device` came from the driver just now.
            unsafe { result::device::get_attribute(device, attribute) }
                .map_err(|error| failed("ask for its generation", error))
        };
        let major = ask(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = ask(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        if major < 8 {
            return Err(EngineError::device(
                format!("{model} has compute capability {major}.{minor}, and the kernels need 8.0"),
                "use an Ampere GPU or a later one, or run on the processor with --device cpu",
            ));
        }
        let architecture = if (major, minor) == (9, 0) { "sm_90a".into() } else { format!("sm_{major}{minor}") };
        let mut driver_version = 0;
        // SAFETY: writes one whole number.
        let asked = unsafe { sys::cuDriverGetVersion(&mut driver_version) };
        asked.result().map_err(|error| failed("ask for the driver's version", error))?;
        Ok(Card { device, model, architecture, driver_version })
    }
}

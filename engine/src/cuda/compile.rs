//! Kernels from source to machine code: NVRTC at run time, once for each machine, kept in a folder.

#![allow(unsafe_code, reason = "NVRTC is C")]

use std::ffi::{CString, c_char};
use std::io::Write;
use std::path::{Path, PathBuf};

use cudarc::nvrtc::{result, sys};

use crate::error::EngineError;

const COMMON: &str = include_str!("../../kernels/common.cuh");
/// A file's name and its text, without what all share.
pub(crate) type File = (&'static str, &'static str);

/// The files of kernels that are always needed.
pub(crate) const FILES: &[File] = &[
    ("rows.cu", include_str!("../../kernels/rows.cu")),
    ("matmul.cu", include_str!("../../kernels/matmul.cu")),
    ("experts.cu", include_str!("../../kernels/experts.cu")),
    ("attention.cu", include_str!("../../kernels/attention.cu")),
    ("sample.cu", include_str!("../../kernels/sample.cu")),
];

/// The kernels for Hopper alone.
pub(crate) const HOPPER: File =
    ("wgmma.cu", concat!(include_str!("../../kernels/hopper.cuh"), include_str!("../../kernels/wgmma.cu")));

/// The kernels for prompts' attention on tensor cores.
pub(crate) const PROMPTS: File =
    ("prompts.cu", concat!(include_str!("../../kernels/ampere.cuh"), include_str!("../../kernels/prompts.cu")));

/// What a kept file begins with; then come the check sum and the length of what follows.
const MAGIC: &[u8; 8] = b"TWCUBIN1";
/// Larger kept files are no kernels of ours: the largest has under 2 MB.
const CUBIN_BYTES_MAX: u64 = 64 << 20;

const NO_NVRTC: &str =
    "install CUDA's run-time compiler (pip install nvidia-cuda-nvrtc-cu12) and put its folder on LD_LIBRARY_PATH";

/// Machine code of one file of kernels for `architecture`, such as `sm_90a`; from the folder where it is kept there.
///
/// # Errors
/// `Device` where NVRTC is missing or refuses.
pub(crate) fn cubin(file: &str, source: &str, architecture: &str) -> Result<Vec<u8>, EngineError> {
    let key = digest(&[COMMON.as_bytes(), source.as_bytes()]);
    let begin = format!("{}-{architecture}-{key:032x}-", file.trim_end_matches(".cu"));
    let (folder, version) = (folder(), nvrtc_version());
    let kept = match (&folder, &version) {
        (Some(folder), Some(version)) => Some(folder.join(format!("{begin}{version}.cubin"))),
        // Without a compiler, what any version of it made will do.
        (Some(folder), None) => any_kept(folder, &begin),
        (None, _) => None,
    };
    if let Some(code) = kept.as_deref().and_then(read_kept) {
        return Ok(code);
    }
    let code = compile(file, source, architecture)?;
    if let Some(path) = kept {
        // A folder that cannot be written costs the next start a minute, no more.
        let _ = keep(&path, &code);
    }
    Ok(code)
}

/// NVRTC's version, where it is here.
pub(crate) fn nvrtc_version() -> Option<String> {
    // SAFETY: only asks whether the library can be opened.
    if !unsafe { sys::is_culib_present() } {
        return None;
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the library is there, and both addresses are of whole numbers.
    unsafe { sys::nvrtcVersion(&mut major, &mut minor) };
    Some(format!("{major}.{minor}"))
}

/// Of all sources, and of what else a verdict about them depends on.
pub(crate) fn sources_digest(more: &[&[u8]]) -> u128 {
    let sources = FILES.iter().chain([&HOPPER, &PROMPTS]).map(|(_, source)| source.as_bytes());
    digest(&sources.chain([COMMON.as_bytes()]).chain(more.iter().copied()).collect::<Vec<_>>())
}

/// The last of the kept files whose name begins so.
fn any_kept(folder: &Path, begin: &str) -> Option<PathBuf> {
    let names = std::fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let last = names.filter(|name| name.starts_with(begin) && name.ends_with(".cubin")).max()?;
    Some(folder.join(last))
}

fn compile(file: &str, source: &str, architecture: &str) -> Result<Vec<u8>, EngineError> {
    // SAFETY: only asks whether the library can be opened.
    if !unsafe { sys::is_culib_present() } {
        return Err(EngineError::device("the kernels have to be compiled and NVRTC is not here", NO_NVRTC));
    }
    let failed = |what: String| EngineError::device(what, "report this with the GPU's name and NVRTC's version");
    let text = CString::new(format!("{COMMON}\n{source}")).expect("kernels hold no zero byte");
    let name = CString::new(file).expect("file names hold no zero byte");
    let program = result::create_program(&text, Some(&name)).map_err(|error| failed(format!("NVRTC: {error}")))?;
    let options = [format!("--gpu-architecture={architecture}"), "--std=c++17".into()];
    // SAFETY: `program` was made above and is destroyed below, once; `text` and `name` live until then.
    unsafe {
        let compiled = result::compile_program(program, &options).map_err(|error| {
            let log = result::get_program_log(program).unwrap_or_default();
            let log: String = log.iter().take(2_000).map(|c| *c as u8 as char).filter(|c| *c != '\0').collect();
            failed(format!("NVRTC does not compile {file} for {architecture}: {error}: {}", log.trim()))
        });
        let code = compiled.and_then(|()| code_of(program).map_err(|error| failed(format!("NVRTC: {error}"))));
        let _ = result::destroy_program(program);
        code
    }
}

/// # Safety
/// `program` was compiled and not destroyed.
unsafe fn code_of(program: sys::nvrtcProgram) -> Result<Vec<u8>, result::NvrtcError> {
    let mut size = 0;
    // SAFETY: as the caller says; `code` has as many bytes as NVRTC asked for.
    unsafe {
        sys::nvrtcGetCUBINSize(program, &mut size).result()?;
        let mut code = vec![0u8; size];
        sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast::<c_char>()).result()?;
        Ok(code)
    }
}

/// Where machine code is kept: `TIERWAY_KERNELS`, else the user's cache folder.
pub(crate) fn folder() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    of("TIERWAY_KERNELS")
        .or_else(|| of("XDG_CACHE_HOME").map(|cache| cache.join("tierway/kernels")))
        .or_else(|| of("HOME").map(|home| home.join(".cache/tierway/kernels")))
}

/// What was kept, `None` where nothing is or where it is damaged.
fn read_kept(path: &Path) -> Option<Vec<u8>> {
    if std::fs::metadata(path).ok()?.len() > CUBIN_BYTES_MAX {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    let rest = bytes.strip_prefix(MAGIC)?;
    let (sum, code) = rest.split_at_checked(16)?;
    (u128::from_le_bytes(sum.try_into().ok()?) == digest(&[code])).then(|| code.to_vec())
}

/// Keeps machine code: written aside and then moved into place, so that nobody reads half of it.
fn keep(path: &Path, code: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let aside = path.with_extension(format!("{}.part", std::process::id()));
    let mut file = std::fs::File::create(&aside)?;
    file.write_all(MAGIC)?;
    file.write_all(&digest(&[code]).to_le_bytes())?;
    file.write_all(code)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)
}

/// FNV-1a in 128 bits: tells versions and damage apart, no more. Source: Fowler, Noll, Vo.
fn digest(parts: &[&[u8]]) -> u128 {
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for part in parts {
        for byte in part.iter().chain(&(part.len() as u64).to_le_bytes()) {
            hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_code_comes_back_and_damage_is_ignored() {
        let folder = std::env::temp_dir().join(format!("tierway-kernels-{}", std::process::id()));
        let path = folder.join("rows-sm_90a-0.cubin");
        keep(&path, b"code").unwrap();
        assert_eq!(read_kept(&path).as_deref(), Some(b"code".as_slice()));
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read_kept(&path), None, "cut to {cut} bytes");
            let mut flipped = whole.clone();
            flipped[cut] ^= 1;
            std::fs::write(&path, flipped).unwrap();
            assert_eq!(read_kept(&path), None, "byte {cut} changed");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn other_sources_have_other_names() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }
}

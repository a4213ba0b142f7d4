//! A C interface to `hw-options`: a static library, and `include/hw_options.h`, where each function is described.
//!
//! ```text
//! hw_options_parse | extract | resolve ─▶ hw_result ─▶ faults, options, code, lists ─▶ hw_options_free
//! ```
//!
//! All `unsafe` code of script options is here, and there is no other task: pointers become slices, and results become pointers.
//! A panic would be a fault of ours; it ends at this border as a NULL instead of going through foreign frames.
#![allow(unsafe_code, reason = "C hands in pointers and lengths")]

use std::ffi::{c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hw_options::{
    Fault, FaultList, Place, Places, ProviderError, Resolved, ScriptOption, ScriptProvider, Settings, Version, Warning,
    extract, parse, resolve,
};

/// `hw_bytes`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    data: *const u8,
    length: usize,
}

impl Bytes {
    const EMPTY: Self = Self {
        data: [0u8; 1].as_ptr(),
        length: 0,
    };

    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::EMPTY,
            bytes => Self {
                data: bytes.as_ptr(),
                length: bytes.len(),
            },
        }
    }
}

/// `hw_place`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct CPlace {
    line: usize,
    column: usize,
    offset: usize,
}

impl From<Place> for CPlace {
    fn from(place: Place) -> Self {
        Self {
            line: place.line,
            column: place.column,
            offset: place.offset,
        }
    }
}

/// `hw_option`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct COption {
    key: Bytes,
    value: Bytes,
    start: usize,
    end: usize,
    place: CPlace,
}

/// `hw_fault`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CFault {
    code: Bytes,
    reference_codes: Bytes,
    message: Bytes,
    help: Bytes,
    origin: Bytes,
    place: CPlace,
}

/// `hw_provider`.
pub type Provider =
    unsafe extern "C" fn(*mut c_void, *const u8, usize, data: *mut *const u8, length: *mut usize) -> c_int;

/// `hw_result`: owns all bytes that it hands out.
#[derive(Debug, Default)]
pub struct CResult {
    faults: Vec<OwnedFault>,
    options: Vec<OwnedOption>,
    code: Vec<u8>,
    script_class: Vec<u8>,
    jvm_options: Vec<Vec<u8>>,
    jars: Vec<Vec<u8>>,
    import_requests: Vec<Vec<u8>>,
    warnings: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct OwnedFault {
    code: &'static str,
    reference_codes: String,
    message: String,
    help: String,
    origin: Vec<u8>,
    place: Place,
}

#[derive(Debug)]
struct OwnedOption {
    key: Vec<u8>,
    value: Vec<u8>,
    start: usize,
    end: usize,
    place: Place,
}

const STRICT_SCRIPTCLASS: c_uint = 1;

/// All options of a text, by the second parser.
///
/// # Safety
/// `text` points to `length` bytes, or is NULL and `length` 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_parse(text: *const u8, length: usize) -> *mut CResult {
    // SAFETY: as the caller promises.
    let text = unsafe { slice(text, length) };
    guarded(|| {
        let result = match parse(text) {
            Ok(options) => CResult {
                options: owned_options(text, &options.list),
                warnings: owned_warnings(&options.warnings(text)),
                ..CResult::default()
            },
            Err(faults) => CResult::refused(faults),
        };
        Some(result)
    })
}

/// One extraction of a keyword by the first parser.
///
/// # Safety
/// `text` and `keyword` point to as many bytes as their lengths say, or are NULL with the length 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_extract(
    text: *const u8,
    length: usize,
    keyword: *const u8,
    keyword_length: usize,
) -> *mut CResult {
    // SAFETY: as the caller promises.
    let (text, keyword) = unsafe { (slice(text, length), slice(keyword, keyword_length)) };
    guarded(|| {
        let result = match extract(text, keyword) {
            Ok(extracted) => CResult {
                options: owned_options(text, extracted.option.as_slice()),
                warnings: owned_warnings(&extracted.warnings),
                code: extracted.code.into_owned(),
                ..CResult::default()
            },
            Err(faults) => CResult::refused(faults),
        };
        Some(result)
    })
}

/// The Java handler.
///
/// # Safety
/// `text` points to `length` bytes, or is NULL and `length` 0. `provider` is NULL or does what the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_resolve(
    parser: c_int,
    flags: c_uint,
    text: *const u8,
    length: usize,
    provider: Option<Provider>,
    context: *mut c_void,
) -> *mut CResult {
    // SAFETY: as the caller promises.
    let text = unsafe { slice(text, length) };
    guarded(|| {
        let version = match parser {
            1 => Version::V1,
            2 => Version::V2,
            _ => return None,
        };
        let settings = Settings {
            strict_script_class: flags & STRICT_SCRIPTCLASS != 0,
            ..Settings::new(version)
        };
        let mut provider = Asked { provider, context };
        Some(match resolve(text, settings, &mut provider) {
            Ok(resolved) => CResult::resolved(resolved),
            Err(faults) => CResult::refused(faults),
        })
    })
}

/// Frees a result.
///
/// # Safety
/// `result` is NULL or comes from a function of this library and was not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_free(result: *mut CResult) {
    if !result.is_null() {
        // SAFETY: it was made by `Box::into_raw` in `guarded`, and the caller promises that it is freed once.
        drop(unsafe { Box::from_raw(result) });
    }
}

/// How many faults there are.
///
/// # Safety
/// `result` is NULL or a result that was not freed yet; so with all functions below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_fault_count(result: *const CResult) -> usize {
    // SAFETY: as the caller promises.
    unsafe { result.as_ref() }.map_or(0, |result| result.faults.len())
}

/// A fault.
///
/// # Safety
/// See [`hw_options_fault_count`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_fault(result: *const CResult, number: usize) -> CFault {
    // SAFETY: as the caller promises.
    let fault = unsafe { result.as_ref() }.and_then(|result| result.faults.get(number));
    let text = |of: fn(&OwnedFault) -> &[u8]| fault.map_or(Bytes::EMPTY, |fault| Bytes::of(of(fault)));
    CFault {
        code: text(|fault| fault.code.as_bytes()),
        reference_codes: text(|fault| fault.reference_codes.as_bytes()),
        message: text(|fault| fault.message.as_bytes()),
        help: text(|fault| fault.help.as_bytes()),
        origin: text(|fault| &fault.origin),
        place: fault.map_or(CPlace::default(), |fault| fault.place.into()),
    }
}

/// How many options there are.
///
/// # Safety
/// See [`hw_options_fault_count`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_option_count(result: *const CResult) -> usize {
    // SAFETY: as the caller promises.
    unsafe { result.as_ref() }.map_or(0, |result| result.options.len())
}

/// An option.
///
/// # Safety
/// See [`hw_options_fault_count`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_option(result: *const CResult, number: usize) -> COption {
    // SAFETY: as the caller promises.
    let option = unsafe { result.as_ref() }.and_then(|result| result.options.get(number));
    COption {
        key: option.map_or(Bytes::EMPTY, |option| Bytes::of(&option.key)),
        value: option.map_or(Bytes::EMPTY, |option| Bytes::of(&option.value)),
        start: option.map_or(0, |option| option.start),
        end: option.map_or(0, |option| option.end),
        place: option.map_or(CPlace::default(), |option| option.place.into()),
    }
}

/// The text that is left.
///
/// # Safety
/// See [`hw_options_fault_count`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_code(result: *const CResult) -> Bytes {
    // SAFETY: as the caller promises.
    unsafe { result.as_ref() }.map_or(Bytes::EMPTY, |result| Bytes::of(&result.code))
}

/// The script class.
///
/// # Safety
/// See [`hw_options_fault_count`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_script_class(result: *const CResult) -> Bytes {
    // SAFETY: as the caller promises.
    unsafe { result.as_ref() }.map_or(Bytes::EMPTY, |result| Bytes::of(&result.script_class))
}

/// How many strings a list has.
///
/// # Safety
/// See [`hw_options_fault_count`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_list_count(result: *const CResult, list: c_int) -> usize {
    // SAFETY: as the caller promises.
    unsafe { result.as_ref() }.map_or(0, |result| result.list(list).len())
}

/// A string of a list.
///
/// # Safety
/// See [`hw_options_fault_count`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hw_options_list_item(result: *const CResult, list: c_int, number: usize) -> Bytes {
    // SAFETY: as the caller promises.
    let item = unsafe { result.as_ref() }.and_then(|result| result.list(list).get(number));
    item.map_or(Bytes::EMPTY, |item| Bytes::of(item))
}

impl CResult {
    fn refused(list: FaultList) -> Self {
        let owned = |fault: Fault| OwnedFault {
            code: fault.kind.code(),
            reference_codes: fault.aliases().join(" "),
            message: fault.to_string(),
            help: fault.kind.help(),
            origin: fault.origin.unwrap_or_default(),
            place: fault.place,
        };
        Self {
            faults: list.faults.into_iter().map(owned).collect(),
            ..Self::default()
        }
    }

    fn resolved(resolved: Resolved<'_>) -> Self {
        let texts = |items: Vec<hw_options::Item<'_>>| items.into_iter().map(|item| item.text.into_owned()).collect();
        Self {
            warnings: owned_warnings(&resolved.warnings),
            code: resolved.code.into_owned(),
            script_class: resolved.script_class.map_or_else(Vec::new, |class| class.into_owned()),
            jvm_options: texts(resolved.jvm_options),
            jars: texts(resolved.jars),
            import_requests: resolved.imports.into_iter().map(|import| import.name).collect(),
            ..Self::default()
        }
    }

    fn list(&self, list: c_int) -> &[Vec<u8>] {
        match list {
            1 => &self.jvm_options,
            2 => &self.jars,
            3 => &self.import_requests,
            4 => &self.warnings,
            _ => &[],
        }
    }
}

fn owned_options(text: &[u8], list: &[ScriptOption<'_>]) -> Vec<OwnedOption> {
    let mut places = Places::new(text);
    let owned = |option: &ScriptOption<'_>| OwnedOption {
        key: option.key.to_vec(),
        value: option.value.to_vec(),
        start: option.start,
        end: option.end,
        place: places.at(option.start),
    };
    list.iter().map(owned).collect()
}

/// `line:column: message`, with the name of the script before if it is an imported one.
fn owned_warnings(list: &[Warning]) -> Vec<Vec<u8>> {
    let owned = |warning: &Warning| {
        let place = format!("{}:{}: {}", warning.place.line, warning.place.column, warning.kind).into_bytes();
        match &warning.origin {
            Some(name) => [&name[..], b":", &place].concat(),
            None => place,
        }
    };
    list.iter().map(owned).collect()
}

/// Carries out the work and hands its result to C.
fn guarded(work: impl FnOnce() -> Option<CResult>) -> *mut CResult {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Some(result)) => Box::into_raw(Box::new(result)),
        Ok(None) | Err(_) => std::ptr::null_mut(),
    }
}

/// # Safety
/// `data` points to `length` bytes that stay for `'t`, or is NULL.
unsafe fn slice<'t>(data: *const u8, length: usize) -> &'t [u8] {
    match data.is_null() || length == 0 {
        true => &[],
        // SAFETY: as the caller promises.
        false => unsafe { std::slice::from_raw_parts(data, length) },
    }
}

/// Scripts from a function of C.
struct Asked {
    provider: Option<Provider>,
    context: *mut c_void,
}

impl ScriptProvider for Asked {
    fn script(&mut self, name: &[u8]) -> Result<Arc<[u8]>, ProviderError> {
        let Some(provider) = self.provider else {
            return Err(ProviderError::Unavailable("no provider of scripts is set".to_owned()));
        };
        let mut data = std::ptr::null();
        let mut length = 0;
        // SAFETY: the caller of `hw_options_resolve` promises that the function is as the header says; all pointers are good for
        // the time of the call.
        let answer = unsafe { provider(self.context, name.as_ptr(), name.len(), &raw mut data, &raw mut length) };
        // SAFETY: the header demands that the bytes stay until the next call; they are copied before.
        let bytes = unsafe { slice(data, length) };
        let words = || String::from_utf8_lossy(bytes).into_owned();
        match answer {
            0 => Ok(Arc::from(bytes)),
            2 => Err(ProviderError::Unavailable(words())),
            _ => Err(ProviderError::Refused(words())),
        }
    }
}

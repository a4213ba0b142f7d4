//! What a virtual machine is started with: class path, options with their defaults, the unit to compile.

use std::borrow::Cow;

use crate::fault::{Fault, FaultKind, FaultList, JarProblem, Stage};
use crate::handler::Resolved;

/// Where the compiler puts classes: first on the class path of scripts that are compiled.
const COMPILED: &[u8] = b"/tmp";

/// What the machine is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine<'m> {
    /// The jar of the runtime.
    pub runtime_jar: &'m [u8],
    /// Memory that the process may use, in bytes.
    pub memory_limit: u64,
    /// The name of the script.
    pub script_name: &'m [u8],
}

/// The start of a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// All options, in order.
    pub jvm_options: Vec<Vec<u8>>,
    /// The class path, which is in an option as well.
    pub class_path: Vec<u8>,
    /// The class with the entry points.
    pub script_class: Vec<u8>,
    /// The text to compile; `None`: the script has options only.
    pub source: Option<Vec<u8>>,
}

/// The start of the machine for a script. `jar` tells of each path whether it can be used.
///
/// # Errors
/// Every jar that cannot be used, at the option that names it.
pub fn launch(
    script: &Resolved<'_>,
    machine: &Machine<'_>,
    mut jar: impl FnMut(&[u8]) -> Result<(), JarProblem>,
) -> Result<Launch, FaultList> {
    let mut faults = FaultList::default();
    for item in &script.jars {
        if let Err(problem) = jar(&item.text) {
            let (origin, place) = script.place_of(item);
            let path = item.text.to_vec();
            let fault = Fault::at(FaultKind::Jar { path, problem }, Stage::V2Main, place);
            faults.push(fault.in_script(origin));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let source = needs_compiler(&script.code).then(|| [b"package com.exasol;\r\n", &*script.code].concat());
    let mut class_path = Vec::new();
    if source.is_some() {
        class_path.extend_from_slice(COMPILED);
        class_path.push(b':');
    }
    class_path.extend_from_slice(machine.runtime_jar);
    for item in &script.jars {
        class_path.push(b':');
        class_path.extend_from_slice(&item.text);
    }
    Ok(Launch {
        jvm_options: jvm_options(script, machine, &class_path),
        script_class: script_class(script, machine),
        class_path,
        source,
    })
}

/// Whether a text has anything but space, tab and line ends.
fn needs_compiler(code: &[u8]) -> bool {
    code.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

fn script_class(script: &Resolved<'_>, machine: &Machine<'_>) -> Vec<u8> {
    let is_blank = |class: &Cow<'_, [u8]>| class.iter().all(u8::is_ascii_whitespace);
    match &script.script_class {
        Some(class) if !is_blank(class) => class.to_vec(),
        _ => {
            // A dot in a name would make a package of it.
            let name = machine
                .script_name
                .iter()
                .map(|byte| if *byte == b'.' { b'_' } else { *byte });
            b"com.exasol.".iter().copied().chain(name).collect()
        }
    }
}

/// The script's own options, then the defaults that it does not replace.
fn jvm_options(script: &Resolved<'_>, machine: &Machine<'_>, class_path: &[u8]) -> Vec<Vec<u8>> {
    let mut options: Vec<Vec<u8>> = script.jvm_options.iter().map(|item| item.text.to_vec()).collect();
    // An option counts for the first of the three that it contains.
    let given = |options: &[Vec<u8>], size: Size| options.iter().any(|option| Size::of(option) == Some(size));
    let [initial, most, stack] = Size::ALL.map(|size| given(&options, size));
    let has_collector = options.iter().any(|option| chooses_collector(option));
    if !initial {
        options.push(b"-Xms128m".to_vec());
    }
    if !most {
        options.push(format!("-Xmx{}m", heap_mib(machine.memory_limit)).into_bytes());
    }
    if !stack {
        options.push(b"-Xss512k".to_vec());
    }
    options.push(b"-XX:ErrorFile=/tmp/hs_err_pid%p.log".to_vec());
    options.push([b"-Djava.class.path=", class_path].concat());
    if !has_collector {
        options.push(b"-XX:+UseSerialGC".to_vec());
    }
    options
}

/// Sizes that a script can set itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Initial,
    Most,
    Stack,
}

impl Size {
    const ALL: [Self; 3] = [Self::Initial, Self::Most, Self::Stack];

    fn of(option: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|size| contains(option, size.pattern()))
    }

    const fn pattern(self) -> &'static [u8] {
        match self {
            Self::Initial => b"-Xms",
            Self::Most => b"-Xmx",
            Self::Stack => b"-Xss",
        }
    }
}

/// `-XX:+Use...GC`: two collectors at once are fatal, so the script's replaces the default.
fn chooses_collector(option: &[u8]) -> bool {
    option.starts_with(b"-XX:+Use") && option.ends_with(b"GC")
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

/// Five eighths of the memory, in MiB: at least 128, at most 1024.
fn heap_mib(memory_limit: u64) -> u64 {
    let mib = memory_limit / (1 << 20);
    (mib.saturating_mul(5) / 8).clamp(128, 1024)
}

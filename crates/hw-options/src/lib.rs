//! Options in the text of UDF scripts, `%key value;`, as Exasol's script languages know them.
//!
//! Two parsers exist in the field and differ in much, so both are here, each exactly as its reference, faults and odd corners
//! included; what the reference leaves open is decided once, below. Around them: the handler that turns the options of a Java
//! script into class path and JVM options, imports of other scripts, what a virtual machine is started with, and a check of what
//! changes from the first parser to the second.
//!
//! ```text
//!  text ─▶ v1::extract | v2::parse ─▶ options          resolve ─▶ code, class, JVM options, jars, imports ─▶ launch
//!             (no key is special)                        │  ▲
//!                                                        ▼  │ texts by name
//!                                                   ScriptProvider
//! ```
//!
//! The crate is pure: no I/O, no clock, no global state, no dependency. It works on bytes, borrows from the caller's text
//! whatever it can, never recurses, and takes time linear in the text, in the options and in the imports.
//!
//! ```
//! use hw_options::{NoScripts, Settings, Version, resolve};
//!
//! let script = b"%scriptclass com.acme.Main;\n%jar /buckets/a.jar:/buckets/b.jar;\nclass Main {}\n";
//! let resolved = resolve(script, Settings::new(Version::V2), &mut NoScripts)?;
//! assert_eq!(resolved.code, b"\n\nclass Main {}\n".as_slice());
//! assert_eq!(resolved.jars.len(), 2);
//! # Ok::<(), hw_options::FaultList>(())
//! ```
//!
//! Decided here: a second `%scriptclass` is removed by the second parser unless [`Settings::strict_script_class`] is set; the
//! variable `SCRIPT_OPTIONS_PARSER_VERSION` wins over an argument whichever parser it names ([`choose_version`]); a jar value
//! that the reference aborts on is what its own rule says.

mod bytes;
mod database;
mod fault;
mod handler;
mod import;
mod java;
mod keys;
mod launch;
mod merged;
mod migration;
mod place;
mod scan;
#[cfg(test)]
mod tests;
mod v1;
mod v2;
mod warning;

pub use database::{DatabaseOptions, Variable, Version, choose_version};
pub use fault::{CODES, DatabaseProblem, FAULTS_MAX, Fault, FaultKind, FaultList, JarProblem};
pub use handler::{Item, Resolved, Settings, resolve};
pub use import::{
    DEPTH_MAX, IMPORTED_BYTES_MAX, Import, ImportOutcome, NoScripts, ProviderError, REQUESTS_MAX, ScriptProvider,
};
pub use launch::{Launch, Machine, launch};
pub use migration::{Change, ChangeKind, Migration, check as check_migration};
pub use place::{Place, Places};
pub use v1::{Extracted, extract, script_version};
pub use v2::{Missing, Options, ScriptOption, Syntax, Token, parse};
pub use warning::{WARNINGS_MAX, Warning, WarningKind};

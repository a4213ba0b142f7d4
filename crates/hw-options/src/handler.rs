//! The Java handler: from the text of a script to what a virtual machine is started with.

use std::borrow::Cow;

use crate::database::{DatabaseOptions, Version};
use crate::fault::FaultList;
use crate::import::{Import, ScriptProvider, Work, imports};
use crate::merged::{Scripts, Spot, places};
use crate::warning::{Warning, WarningKind};

mod v1;
mod v2;

/// How a script is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Which parser.
    pub version: Version,
    /// Second parser: several `%scriptclass` in the main script are a fault, as in the reference. Otherwise the first counts
    /// and the others are removed, as the reference's documents say.
    pub strict_script_class: bool,
}

impl Settings {
    /// This parser, with its documented treatment of repeated script classes.
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            strict_script_class: false,
        }
    }
}

/// A part of a value, and where its option begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<'t> {
    /// The JVM option, the path.
    pub text: Cow<'t, [u8]>,
    spot: Spot,
}

/// What a script asks for.
#[derive(Debug, Clone)]
pub struct Resolved<'t> {
    /// The final text: imports in their places, options taken out. Borrowed where nothing was to be done.
    pub code: Cow<'t, [u8]>,
    /// The class with the entry points.
    pub script_class: Option<Cow<'t, [u8]>>,
    /// JVM options before any default, the script class first.
    pub jvm_options: Vec<Item<'t>>,
    /// Paths of jars in their order on the class path.
    pub jars: Vec<Item<'t>>,
    /// What the database is told.
    pub database: DatabaseOptions<'t>,
    /// All requests for scripts, in order.
    pub imports: Vec<Import>,
    /// What is odd.
    pub warnings: Vec<Warning>,
    scripts: Scripts<'t>,
}

impl Resolved<'_> {
    /// The script and the place of an item's option; `None` as a name is the main script.
    pub fn place_of(&self, item: &Item<'_>) -> (Option<Vec<u8>>, crate::place::Place) {
        places(&self.scripts, &[item.spot]).pop().unwrap_or_default()
    }
}

/// Carries out the options of a script. `provider` is asked for scripts only when an option asks for one.
///
/// Work is linear in the bytes of all texts and the number of options and requests; nothing recurses.
///
/// # Errors
/// All faults that can be told at once, the one first that the reference stops at: those of the main script before any script is
/// asked for; else those of imports; else those of values.
pub fn resolve<'t>(
    text: &'t [u8],
    settings: Settings,
    provider: &mut dyn ScriptProvider,
) -> Result<Resolved<'t>, FaultList> {
    let mut work = Work::new(text, provider);
    let found = match settings.version {
        Version::V1 => v1::run(&mut work, text),
        Version::V2 => v2::run(&mut work, text, settings),
    };
    if !work.faults.is_empty() {
        return Err(work.into_faults());
    }
    let Work {
        scripts, imports: raw, ..
    } = work;
    Ok(Resolved {
        code: found.code,
        script_class: found.script_class,
        jvm_options: found.jvm_options,
        jars: found.jars,
        database: found.database,
        imports: imports(&scripts, raw),
        warnings: warnings(&scripts, found.warnings),
        scripts,
    })
}

/// What either version found.
#[derive(Default)]
struct Found<'t> {
    code: Cow<'t, [u8]>,
    script_class: Option<Cow<'t, [u8]>>,
    jvm_options: Vec<Item<'t>>,
    jars: Vec<Item<'t>>,
    database: DatabaseOptions<'t>,
    warnings: Vec<(WarningKind, Spot)>,
}

impl<'t> Found<'t> {
    fn warn(&mut self, kind: WarningKind, spot: Spot) {
        if self.warnings.len() < crate::warning::WARNINGS_MAX {
            self.warnings.push((kind, spot));
        }
    }

    /// Sets the script class, and the JVM option that carries it, which comes first.
    fn set_script_class(&mut self, class: Cow<'t, [u8]>, spot: Spot) {
        let text = [b"-Dexasol.scriptclass=", &*class].concat();
        self.jvm_options.push(Item {
            text: Cow::Owned(text),
            spot,
        });
        self.script_class = Some(class);
    }
}

fn warnings(scripts: &Scripts<'_>, raw: Vec<(WarningKind, Spot)>) -> Vec<Warning> {
    let spots: Vec<Spot> = raw.iter().map(|(_, spot)| *spot).collect();
    let places = places(scripts, &spots);
    let mut warnings: Vec<Warning> = raw
        .into_iter()
        .zip(places)
        .map(|((kind, _), (origin, place))| Warning { kind, origin, place })
        .collect();
    warnings.sort_by(|a, b| (&a.origin, a.place).cmp(&(&b.origin, b.place)));
    warnings
}

//! Scripts that scripts ask for: who gives them, which are known, what came of each request.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::bytes::until_nul;
use crate::fault::{Fault, FaultKind, FaultList, Stage};
use crate::merged::{Imported, Merged, Scripts, Spot, places};
use crate::place::Place;

pub(crate) mod v1;
pub(crate) mod v2;

/// Levels of imports that the second parser refuses: 9,999 below the main script are the most.
pub const DEPTH_MAX: usize = 10_000;

/// Requests that are followed in one run. The reference knows no limit; a provider that makes up new texts would never end.
pub const REQUESTS_MAX: usize = 1_000_000;

/// Bytes that all imported texts may have together.
pub const IMPORTED_BYTES_MAX: usize = 1 << 30;

/// Gives the texts of scripts by their names.
pub trait ScriptProvider {
    /// The text of a script. It ends at its first NUL.
    ///
    /// `name` is what the option says: quotes, schema and case are kept, and it is up to the provider to apply the rules of SQL
    /// identifiers. Called in the order in which the reference asks, once for each option that is reached; the same `Arc`
    /// again for the same name saves comparing the texts.
    ///
    /// # Errors
    /// When there is no such script, or nobody to ask.
    fn script(&mut self, name: &[u8]) -> Result<Arc<[u8]>, ProviderError>;
}

/// Why a script cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderError {
    /// Nobody can be asked: no connection to the database, for instance. Nothing more is imported.
    Unavailable(String),
    /// This script cannot be had.
    Refused(String),
}

/// No scripts at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoScripts;

impl ScriptProvider for NoScripts {
    fn script(&mut self, name: &[u8]) -> Result<Arc<[u8]>, ProviderError> {
        Err(ProviderError::Refused(no_such_script(name)))
    }
}

impl ScriptProvider for BTreeMap<Vec<u8>, Arc<[u8]>> {
    fn script(&mut self, name: &[u8]) -> Result<Arc<[u8]>, ProviderError> {
        let script = self.get(name).map(Arc::clone);
        script.ok_or_else(|| ProviderError::Refused(no_such_script(name)))
    }
}

fn no_such_script(name: &[u8]) -> String {
    format!("no such script: {}", String::from_utf8_lossy(name))
}

/// A request for a script, an edge of the graph of imports. Requests are numbered from 0 in the order they are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name that was asked for.
    pub name: Vec<u8>,
    /// The request that brought the script with this option; `None`: it stands in the main script.
    pub from: Option<usize>,
    /// The name of the script that has the option; `None`: the main script.
    pub origin: Option<Vec<u8>>,
    /// Where the option is in that script.
    pub place: Place,
    /// 1 for what the main script asks for.
    pub depth: usize,
    /// What came of it.
    pub outcome: ImportOutcome,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportOutcome {
    /// The text stands in the place of the option now.
    Inserted {
        /// Bytes of the text, up to its first NUL.
        bytes: usize,
    },
    /// A script of the same content was there already: the option is gone, nothing stands in its place.
    Known {
        /// The request that brought that content; `None`: it is the main script's.
        first: Option<usize>,
    },
}

/// A request before its place is counted out.
#[derive(Debug, Clone)]
pub(crate) struct RawImport {
    name: Vec<u8>,
    from: Option<usize>,
    spot: Spot,
    depth: usize,
    outcome: ImportOutcome,
}

/// What is known of scripts during a run, and all that was found wrong.
pub(crate) struct Work<'t, 'p> {
    pub(crate) scripts: Scripts<'t>,
    provider: &'p mut dyn ScriptProvider,
    contents: BTreeSet<Content>,
    latest: BTreeMap<Vec<u8>, (Arc<[u8]>, usize)>,
    imported_bytes: usize,
    pub(crate) imports: Vec<RawImport>,
    pub(crate) faults: Vec<(FaultKind, Stage, Spot)>,
    pub(crate) faults_left_out: usize,
}

/// A text as a key: first by length, so that different ones are mostly told apart at once.
struct Content {
    text: Arc<[u8]>,
    length: usize,
    /// The request that brought it.
    first: Option<usize>,
}

impl Content {
    fn key(&self) -> (usize, &[u8]) {
        (self.length, self.text.get(..self.length).unwrap_or_default())
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Content {}

impl PartialOrd for Content {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Content {
    fn cmp(&self, other: &Self) -> Ordering {
        match Arc::ptr_eq(&self.text, &other.text) {
            true => self.length.cmp(&other.length),
            false => self.key().cmp(&other.key()),
        }
    }
}

/// An option that asks for a script.
pub(crate) struct Request<'r> {
    pub(crate) name: &'r [u8],
    pub(crate) spot: Spot,
    pub(crate) from: Option<usize>,
    pub(crate) depth: usize,
    pub(crate) stage: Stage,
}

/// A script that is new.
#[derive(Clone, Copy)]
pub(crate) struct Fetched {
    /// Its number among the scripts.
    pub(crate) script: usize,
    /// The request that brought it.
    pub(crate) request: usize,
}

/// No more scripts are to be asked for; the reason is among the faults.
pub(crate) struct Stopped;

impl<'t, 'p> Work<'t, 'p> {
    pub(crate) fn new(main: &'t [u8], provider: &'p mut dyn ScriptProvider) -> Self {
        Self {
            scripts: Scripts {
                main,
                imported: Vec::new(),
            },
            provider,
            contents: BTreeSet::new(),
            latest: BTreeMap::new(),
            imported_bytes: 0,
            imports: Vec::new(),
            faults: Vec::new(),
            faults_left_out: 0,
        }
    }

    pub(crate) fn fault(&mut self, kind: FaultKind, stage: Stage, spot: Spot) {
        match self.faults.len() < crate::fault::FAULTS_MAX {
            true => self.faults.push((kind, stage, spot)),
            false => self.faults_left_out += 1,
        }
    }

    /// Makes the main script's text one that is known.
    pub(crate) fn know_main(&mut self, text: &[u8]) {
        self.contents.insert(Content {
            text: Arc::from(text),
            length: text.len(),
            first: None,
        });
    }

    /// Asks for a script. `None`: it is known, or cannot be had, which is a fault then.
    pub(crate) fn fetch(&mut self, request: &Request<'_>) -> Result<Option<Fetched>, Stopped> {
        if self.imports.len() >= REQUESTS_MAX {
            return self.stop_at_limit(request, format!("{REQUESTS_MAX} requests"));
        }
        let text = match self.provider.script(request.name) {
            Ok(text) => text,
            Err(ProviderError::Refused(reason)) => {
                let name = request.name.to_vec();
                self.fault(FaultKind::NoScript { name, reason }, request.stage, request.spot);
                return Ok(None);
            }
            Err(ProviderError::Unavailable(reason)) => {
                self.fault(FaultKind::ProviderUnavailable { reason }, request.stage, request.spot);
                return Err(Stopped);
            }
        };
        self.take(text, request)
    }

    /// What a text is worth that the provider gave.
    fn take(&mut self, text: Arc<[u8]>, request: &Request<'_>) -> Result<Option<Fetched>, Stopped> {
        let number = self.imports.len();
        // The very same text as last time needs no second look.
        let latest = self.latest.get(request.name);
        if let Some((_, first)) = latest.filter(|(latest, _)| Arc::ptr_eq(latest, &text)) {
            let first = Some(*first).filter(|first| *first != usize::MAX);
            self.note(request, ImportOutcome::Known { first });
            return Ok(None);
        }
        let length = until_nul(&text).len();
        let content = Content {
            text: Arc::clone(&text),
            length,
            first: Some(number),
        };
        if let Some(known) = self.contents.get(&content) {
            let first = known.first;
            self.remember(request.name, text, first);
            self.note(request, ImportOutcome::Known { first });
            return Ok(None);
        }
        self.imported_bytes = self.imported_bytes.saturating_add(length);
        if self.imported_bytes > IMPORTED_BYTES_MAX {
            return self.stop_at_limit(request, format!("{IMPORTED_BYTES_MAX} bytes"));
        }
        self.contents.insert(content);
        self.remember(request.name, Arc::clone(&text), Some(number));
        self.note(request, ImportOutcome::Inserted { bytes: length });
        self.scripts.imported.push(Imported {
            name: request.name.to_vec(),
            text,
            length,
        });
        Ok(Some(Fetched {
            script: self.scripts.imported.len(),
            request: number,
        }))
    }

    fn remember(&mut self, name: &[u8], text: Arc<[u8]>, first: Option<usize>) {
        self.latest.insert(name.to_vec(), (text, first.unwrap_or(usize::MAX)));
    }

    fn note(&mut self, request: &Request<'_>, outcome: ImportOutcome) {
        self.imports.push(RawImport {
            name: request.name.to_vec(),
            from: request.from,
            spot: request.spot,
            depth: request.depth,
            outcome,
        });
    }

    fn stop_at_limit(&mut self, request: &Request<'_>, limit: String) -> Result<Option<Fetched>, Stopped> {
        self.fault(FaultKind::TooMuchImported { limit }, request.stage, request.spot);
        Err(Stopped)
    }

    /// The faults at their places.
    pub(crate) fn into_faults(self) -> FaultList {
        let spots: Vec<Spot> = self.faults.iter().map(|(_, _, spot)| *spot).collect();
        let places = places(&self.scripts, &spots);
        let faults = self.faults.into_iter().zip(places);
        let faults = faults.map(|((kind, stage, _), (origin, place))| Fault::at(kind, stage, place).in_script(origin));
        FaultList {
            faults: faults.collect(),
            left_out: self.faults_left_out,
        }
    }
}

/// The requests at their places.
pub(crate) fn imports(scripts: &Scripts<'_>, raw: Vec<RawImport>) -> Vec<Import> {
    let spots: Vec<Spot> = raw.iter().map(|import| import.spot).collect();
    let places = places(scripts, &spots);
    let finish = |(raw, (origin, place)): (RawImport, _)| Import {
        name: raw.name,
        from: raw.from,
        origin,
        place,
        depth: raw.depth,
        outcome: raw.outcome,
    };
    raw.into_iter().zip(places).map(finish).collect()
}

/// What imports made of the main text.
pub(crate) struct Expanded<'t> {
    pub(crate) merged: Merged<'t>,
    /// Second parser: where in the merged text options begin, as far as each script by itself tells. Ascending.
    pub(crate) expected: Vec<usize>,
}

//! Tables and files.

use async_trait::async_trait;
use hw_catalog::{Part, Table, TableName, TableVersion};
use hw_job::{CatalogChange, Elapsed, JobId};

use super::state::{FileEntry, FileState, State, TableEntry};
use super::{MemoryStore, Now};
use crate::catalog::{NameState, PlannedChange, sorted_parts};
use crate::journal::Journal;
use crate::{CatalogStore, FileLedger, StoreError, TableUse};

#[async_trait]
impl CatalogStore for MemoryStore {
    async fn load_table(&self, name: &TableName) -> Result<Option<Table>, StoreError> {
        Ok(self.read(|state, _| state.tables.get(name).and_then(|entry| entry.table.clone())))
    }

    async fn load_parts(&self, name: &TableName, version: TableVersion) -> Result<Vec<Part>, StoreError> {
        let key = (name.clone(), version);
        Ok(self.read(|state, _| state.parts.get(&key).cloned().unwrap_or_default()))
    }

    async fn list_tables(&self) -> Result<Vec<Table>, StoreError> {
        Ok(self.read(|state, _| {
            let tables = state.tables.values().filter_map(|entry| entry.table.as_ref());
            tables.cloned().collect()
        }))
    }

    async fn touch_tables(&self, names: &[TableName]) -> Result<(), StoreError> {
        self.write(|state, _, now| {
            state.touch_tables(names, now);
            Ok(())
        })
    }

    async fn table_use(&self, name: &TableName) -> Result<TableUse, StoreError> {
        Ok(self.read(|state, now| {
            let used = state.tables.get(name).and_then(|entry| entry.used);
            TableUse {
                at: used.map(|used| used.wall),
                seconds_ago: used.map(|used| now.elapsed.since(used.elapsed).as_secs()),
            }
        }))
    }
}

#[async_trait]
impl FileLedger for MemoryStore {
    async fn announce_files(&self, _owner: &str, paths: &[String]) -> Result<(), StoreError> {
        self.write(|state, _, now| {
            let state_of = |path: &String| state.files.get(path).map(|entry| entry.state);
            if let Some(path) = paths.iter().find(|path| state_of(path) == Some(FileState::Condemned)) {
                return Err(StoreError::FileSwept(path.clone()));
            }
            let open: Vec<_> = paths
                .iter()
                .filter(|path| state_of(path) != Some(FileState::Confirmed))
                .collect();
            for path in open {
                state.note_file(path, FileState::Announced, now);
            }
            Ok(())
        })
    }

    async fn confirm_files(&self, paths: &[String]) -> Result<(), StoreError> {
        self.write(|state, _, now| {
            if let Some(path) = state.swept_file(paths) {
                return Err(StoreError::FileSwept(path.clone()));
            }
            state.confirm_files(paths, now);
            Ok(())
        })
    }

    async fn unreferenced_files(&self, grace_seconds: u64, limit: u32) -> Result<Vec<String>, StoreError> {
        Ok(self.read(|state, now| state.unreferenced_files(grace_seconds, limit, now)))
    }

    async fn condemn_files(&self, grace_seconds: u64, limit: u32) -> Result<Vec<String>, StoreError> {
        self.write(|state, _, now| {
            let condemned = state.unreferenced_files(grace_seconds, limit, now);
            for path in &condemned {
                if let Some(entry) = state.files.get_mut(path) {
                    entry.state = FileState::Condemned;
                }
            }
            Ok(condemned)
        })
    }

    async fn release_files(&self, paths: &[String]) -> Result<(), StoreError> {
        self.write(|state, _, now| {
            state.release_files(paths, now);
            Ok(())
        })
    }

    async fn forget_files(&self, paths: &[String]) -> Result<(), StoreError> {
        self.write(|state, _, _| {
            for path in paths {
                state.files.remove(path);
            }
            Ok(())
        })
    }
}

impl State {
    /// Notes that the tables are used now; names without a table are passed over.
    pub(super) fn touch_tables<'n>(&mut self, names: impl IntoIterator<Item = &'n TableName>, now: Now) {
        for name in names {
            if let Some(entry) = self.tables.get_mut(name).filter(|entry| entry.table.is_some()) {
                entry.used = Some(now);
            }
        }
    }

    /// The first of the files that can not be confirmed.
    pub(super) fn swept_file<'p>(&self, paths: &'p [String]) -> Option<&'p String> {
        paths.iter().find(|path| {
            let entry = self.files.get(path.as_str());
            entry.is_none_or(|entry| entry.state == FileState::Condemned)
        })
    }

    fn unreferenced_files(&self, grace_seconds: u64, limit: u32, now: Now) -> Vec<String> {
        let is_due = |entry: &FileEntry| match entry.state {
            FileState::Announced | FileState::Released => now.elapsed.since(entry.since).as_secs() >= grace_seconds,
            FileState::Condemned => true,
            FileState::Confirmed => false,
        };
        let due = self.files.iter().filter(|(_, entry)| is_due(entry));
        let mut due: Vec<(Elapsed, &String)> = due.map(|(path, entry)| (entry.since, path)).collect();
        due.sort_unstable();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        due.into_iter().take(limit).map(|(_, path)| path.clone()).collect()
    }

    pub(super) fn confirm_files(&mut self, paths: &[String], now: Now) {
        for path in paths {
            self.note_file(path, FileState::Confirmed, now);
        }
    }

    pub(super) fn release_files(&mut self, paths: &[String], now: Now) {
        for path in paths {
            if let Some(entry) = self
                .files
                .get_mut(path)
                .filter(|entry| entry.state == FileState::Confirmed)
            {
                entry.state = FileState::Released;
                entry.since = now.elapsed;
            }
        }
    }

    /// Releases all files of a folder, whose name ends in `/`.
    pub(super) fn release_files_below(&mut self, folder: &str, now: Now) {
        let below = |path: &&String| path.starts_with(folder);
        let paths: Vec<String> = self.files.keys().filter(below).cloned().collect();
        self.release_files(&paths, now);
    }

    fn note_file(&mut self, path: &str, state: FileState, now: Now) {
        let entry = FileEntry {
            state,
            since: now.elapsed,
        };
        self.files.insert(path.to_owned(), entry);
    }

    pub(super) fn name_state(&self, name: &TableName) -> NameState {
        self.tables.get(name).map_or(NameState::UNUSED, |entry| NameState {
            version: entry.version,
            exists: entry.table.is_some(),
        })
    }

    /// Releases the manifest of the table as it is: the next version has another one, if any.
    fn release_manifest(&mut self, name: &TableName, now: Now) {
        let table = self.tables.get(name).and_then(|entry| entry.table.as_ref());
        if let Some(made_of) = table.and_then(|table| table.repartition.as_ref()) {
            let path = made_of.manifest.path.clone();
            self.release_files(&[path], now);
        }
    }

    pub(super) fn change_catalog(
        &mut self,
        job: JobId,
        changes: &[CatalogChange],
        planned: Vec<PlannedChange>,
        (journal, now): (&mut Journal, Now),
    ) {
        for change in planned {
            self.release_manifest(change.name(), now);
            match change {
                PlannedChange::Put { place, table, created } => {
                    let parts = changes.get(place).map(sorted_parts).unwrap_or_default();
                    journal.table_put(job, &table.name, table.version, created);
                    let name = table.name.clone();
                    self.parts.insert((name.clone(), table.version), parts);
                    let entry = TableEntry {
                        version: table.version,
                        table: Some(*table),
                        used: None,
                    };
                    self.tables.insert(name, entry);
                }
                PlannedChange::Drop(name) => {
                    journal.table_dropped(job, &name);
                    if let Some(entry) = self.tables.get_mut(&name) {
                        entry.table = None;
                        entry.used = None;
                    }
                }
            }
        }
    }
}

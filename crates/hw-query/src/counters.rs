//! What a statement has read and given so far.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hw_files::ReadTally;

/// Counted while a statement runs; complete when its stream has ended.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    rows: AtomicU64,
    bytes: AtomicU64,
    files: AtomicU64,
    row_groups: AtomicU64,
    files_read: Mutex<HashSet<String>>,
    files_held: Mutex<HashSet<String>>,
    remote: Arc<ReadTally>,
}

/// What a statement has read and given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Rows given.
    pub rows: u64,
    /// Bytes read from files, footers too.
    pub bytes_read: u64,
    /// Files that the tables and patterns named consist of.
    pub files_total: u64,
    /// Files of which no row was read: their statistics were enough, or the answer was complete before.
    pub files_pruned: u64,
}

impl Counters {
    pub(crate) fn add_rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_files(&self, files: usize) {
        self.files.fetch_add(files as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_row_groups(&self, row_groups: usize) {
        self.row_groups.fetch_add(row_groups as u64, Ordering::Relaxed);
    }

    /// Row groups of the Parquet files that were opened.
    pub(crate) fn row_groups(&self) -> u64 {
        self.row_groups.load(Ordering::Relaxed)
    }

    pub(crate) fn note_read(&self, file: &str) {
        let mut read = self.files_read.lock().unwrap_or_else(PoisonError::into_inner);
        if !read.contains(file) {
            read.insert(file.to_owned());
        }
    }

    /// Notes that rows of a file came from the memory tier: it is no less needed than one that was read.
    pub(crate) fn note_held(&self, file: &str) {
        self.note_read(file);
        let mut held = self.files_held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(file.to_owned());
    }

    /// Files whose rows came from the memory tier.
    pub(crate) fn files_held(&self) -> u64 {
        self.files_held.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// What was read of remote stores, and how much of it the host had on its disk.
    pub(crate) fn remote(&self) -> &Arc<ReadTally> {
        &self.remote
    }

    pub(crate) fn summary(&self) -> Summary {
        let read = self.files_read.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        let files_total = self.files.load(Ordering::Relaxed);
        Summary {
            rows: self.rows.load(Ordering::Relaxed),
            bytes_read: self.bytes.load(Ordering::Relaxed),
            files_total,
            files_pruned: files_total.saturating_sub(read),
        }
    }
}

//! Files that a command writes: complete under their name, or not there.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::failure::{ClientError, Ending};

/// A file that is written beside its place and put there when it is complete. Dropped before, it leaves nothing.
pub(crate) struct OutputFile {
    place: PathBuf,
    part: PathBuf,
    file: Option<File>,
    bytes: u64,
}

impl OutputFile {
    /// Begins a file. What stands at `place` stays until [`finish`](Self::finish).
    pub(crate) fn create(place: &Path) -> Result<Self, Ending> {
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".part-{}", std::process::id()));
        let part = place.with_file_name(name);
        let file = File::create(&part).map_err(|error| fault(place, &error))?;
        Ok(Self {
            place: place.to_owned(),
            part,
            file: Some(file),
            bytes: 0,
        })
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), Ending> {
        self.bytes += data.len() as u64;
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(data).map_err(|error| fault(&self.place, &error))
    }

    /// Puts the file in its place; tells where and how large it is.
    pub(crate) fn finish(mut self) -> Result<(PathBuf, u64), Ending> {
        if let Some(file) = self.file.take() {
            let closed = file.sync_all().and_then(|()| fs::rename(&self.part, &self.place));
            if let Err(error) = closed {
                let _ = fs::remove_file(&self.part);
                return Err(fault(&self.place, &error));
            }
        }
        Ok((self.place.clone(), self.bytes))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nobody can be told; a part file left behind does no harm.
            let _ = fs::remove_file(&self.part);
        }
    }
}

fn fault(place: &Path, error: &std::io::Error) -> Ending {
    ClientError::Output {
        place: format!("`{}`", place.display()),
        reason: error.to_string(),
    }
    .into()
}

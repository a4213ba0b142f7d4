//! The self-check: each thing that can be wrong with an installation, and its remedy.

use hw_api::{Check, CheckState};
use hw_files::Location;
use hw_job::Timestamp;

use crate::config::show_size;
use crate::host;
use crate::state::State;

/// Free space below which there is a warning.
const FREE_BYTES_LOW: u64 = 1 << 30;

/// Free space below which nothing can be done.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// Memory below which larger queries will spill or fail.
const MEMORY_BYTES_LOW: u64 = 512 << 20;

/// No clock that is right shows a time before this program was written: 2025-01-01.
const CLOCK_MIN: Timestamp = Timestamp(1_735_689_600_000_000);

/// Looks at everything.
pub(crate) async fn examine(state: &State) -> Vec<Check> {
    let mut checks = vec![
        version(state),
        store(state).await,
        files(state),
        data_folder(state),
        file_system(state),
        disk(state),
        part_cache(state),
        memory(state),
        clock(state.parts().clock.wall()),
        server(state),
        access(state, host::people_of_host()),
    ];
    checks.extend(workers(state).await);
    checks
}

fn ok(name: &str, detail: impl Into<String>) -> Check {
    Check {
        name: name.to_owned(),
        state: CheckState::Ok,
        detail: detail.into(),
        remedy: None,
    }
}

fn warning(name: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        state: CheckState::Warning,
        remedy: Some(remedy.into()),
        ..ok(name, detail)
    }
}

fn failed(name: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        state: CheckState::Failed,
        remedy: Some(remedy.into()),
        ..ok(name, detail)
    }
}

fn version(state: &State) -> Check {
    let facts = state.facts();
    ok(
        "version",
        format!(
            "headwater {} ({}, process {})",
            facts.version,
            std::env::consts::ARCH,
            facts.pid
        ),
    )
}

async fn store(state: &State) -> Check {
    let backend = state.store().backend();
    let place = state
        .store()
        .place()
        .map_or(String::new(), |place| format!(" at `{place}`"));
    match state.store().check().await {
        Ok(()) => ok("store", format!("the {backend} store{place} answers")),
        Err(error) => failed("store", error.to_string(), error.help()),
    }
}

fn files(state: &State) -> Check {
    let folder = &state.parts().folder;
    let configured = state.parts().config.config.files.root.as_deref();
    // The deployment does not start with a root that is no location.
    let root = configured.and_then(|root| Location::parse(root, Some(folder.path())).ok());
    let path = root.as_ref().map_or_else(|| Some(folder.files()), Location::local_path);
    let shown = root
        .as_ref()
        .map_or_else(|| folder.files().display().to_string(), Location::shown);
    let is_shared = path.is_none_or(|path| host::file_system(&path).is_some_and(|found| found.network));
    files_at(&shown, state.store().backend(), is_shared)
}

/// A store that several hosts share tells each of them of files that only one of them has.
fn files_at(place: &str, backend: &str, is_shared: bool) -> Check {
    match backend == "postgres" && !is_shared {
        false => ok(
            "files",
            format!("results and tables of this deployment are kept in `{place}`"),
        ),
        true => warning(
            "files",
            format!("hosts may share the store, but not the files: results and tables are kept in `{place}`"),
            "set `files.root` to a bucket or a folder of the network, unless all processes run on this host",
        ),
    }
}

fn data_folder(state: &State) -> Check {
    let folder = &state.parts().folder;
    let path = folder.path().display();
    match folder.is_open_to_others() {
        false => ok("data folder", format!("`{path}` is its user's alone")),
        true => warning(
            "data folder",
            format!("other users of the host may look into `{path}`"),
            format!("chmod 700 '{path}'"),
        ),
    }
}

fn file_system(state: &State) -> Check {
    let path = state.parts().folder.path();
    match host::file_system(path) {
        Some(found) if found.network => failed(
            "file system",
            format!(
                "`{}` lies on {}, a file system of the network",
                path.display(),
                found.kind
            ),
            "move the data folder to a local disk: `--data-dir DIR`; files of tables may stay where they are",
        ),
        Some(found) => ok(
            "file system",
            format!("the data folder lies on {}, which is local", found.kind),
        ),
        None => ok("file system", "this system does not tell what the data folder lies on"),
    }
}

fn disk(state: &State) -> Check {
    let path = state.parts().folder.path();
    match fs4::available_space(path) {
        Ok(free) if free < FREE_BYTES_MIN => failed(
            "disk space",
            format!("only {} are free", show_size(free)),
            "make room on the disk of the data folder",
        ),
        Ok(free) if free < FREE_BYTES_LOW => warning(
            "disk space",
            format!("{} MiB are free", free >> 20),
            "make room on the disk of the data folder, or lower `jobs.keep_results`",
        ),
        Ok(free) => ok("disk space", format!("{} GiB are free", free >> 30)),
        Err(error) => failed("disk space", error.to_string(), "check the data folder's permissions"),
    }
}

/// What is kept of remote files.
fn part_cache(state: &State) -> Check {
    let used = state.parts().engine.part_cache().used();
    let shown = |bytes: u64| format!("{} MiB", bytes >> 20);
    match used.limit {
        0 => ok("part cache", "nothing of remote files is kept (`cache.disk`)"),
        limit if used.bytes > limit => ok(
            "part cache",
            format!(
                "{} of remote files are kept; the next download gives up what exceeds {}",
                shown(used.bytes),
                shown(limit)
            ),
        ),
        limit => ok(
            "part cache",
            format!(
                "{} of up to {} of remote files are kept",
                shown(used.bytes),
                shown(limit)
            ),
        ),
    }
}

fn memory(state: &State) -> Check {
    let limit = state.parts().engine.memory().limit;
    let of_host = host::memory_bytes();
    let shown = |bytes: u64| format!("{} MiB", bytes >> 20);
    match of_host {
        Some(whole) if limit > whole => failed(
            "memory",
            format!(
                "`memory.limit` is {}, this process may use {}",
                shown(limit),
                shown(whole)
            ),
            "lower `memory.limit`, for instance to \"70%\"",
        ),
        _ if limit < MEMORY_BYTES_LOW => warning(
            "memory",
            format!("queries and tasks share {}", shown(limit)),
            "raise `memory.limit` if queries fail for want of memory",
        ),
        _ => ok("memory", format!("queries and tasks share {}", shown(limit))),
    }
}

fn clock(now: Timestamp) -> Check {
    match now >= CLOCK_MIN {
        true => ok("clock", format!("it is {}", hw_api::rfc3339(now.0))),
        false => failed(
            "clock",
            format!("the host's clock says {}", hw_api::rfc3339(now.0)),
            "set the clock; leases do not depend on it, but every record does",
        ),
    }
}

fn server(state: &State) -> Check {
    let facts = state.facts();
    match (&facts.http, &facts.socket) {
        (None, None) => ok(
            "server",
            "no server runs on the data folder; this command works by itself",
        ),
        (http, socket) => {
            let places: Vec<&str> = http.iter().chain(socket).map(String::as_str).collect();
            ok("server", format!("it answers at {}", places.join(" and ")))
        }
    }
}

fn access(state: &State, people: Option<usize>) -> Check {
    let several = people.is_some_and(|people| people > 1);
    let listens = state.facts().http.is_some();
    match (state.own_token().is_some(), several && listens) {
        (true, _) => ok(
            "access",
            "the loopback is answered only with the token of the data folder",
        ),
        (false, false) => ok("access", "the loopback is answered without a token"),
        (false, true) => warning(
            "access",
            "several people use this host, and each of them may use this server",
            "set `auth.loopback_token = true`",
        ),
    }
}

async fn workers(state: &State) -> Option<Check> {
    let listens = state.facts().http.is_some() || state.facts().socket.is_some();
    match state.store().list_workers().await {
        Ok(workers) if workers.is_empty() && listens => Some(warning(
            "workers",
            "no worker takes tasks",
            "start one with `headwater worker`",
        )),
        Ok(workers) if !workers.is_empty() => {
            let slots: u32 = workers.iter().map(|worker| worker.slots).sum();
            let count = |number: u64, noun| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
            let found = [count(workers.len() as u64, "worker"), count(u64::from(slots), "slot")];
            Some(ok("workers", found.join(" with ")))
        }
        Ok(_) => None,
        // The check of the store tells it.
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_host_do_not_fit_a_store_of_several() {
        let state = |backend, is_shared| files_at("/srv/files", backend, is_shared).state;
        assert_eq!(state("postgres", false), CheckState::Warning);
        assert_eq!(state("postgres", true), CheckState::Ok);
        assert_eq!(state("sqlite", false), CheckState::Ok);
    }
}

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use hw_catalog::TableName;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use uuid::Uuid;

use crate::{
    Fault, FileError, Files, Ledger, MemoryLedger, Owner, Published, Swept, content_of, sweep, write_atomically,
};

use super::samples::{opened, opened_folder};

const GRACE: Duration = Duration::from_secs(3_600);
const MIB: usize = 1024 * 1024;

struct Deployment {
    files: Files,
    ledger: Arc<MemoryLedger>,
    folder: tempfile::TempDir,
}

fn counting_ids() -> crate::NewId {
    let next = AtomicU64::new(1);
    Arc::new(move || Uuid::from_u128(next.fetch_add(1, Ordering::Relaxed).into()))
}

fn deployment() -> Deployment {
    deployment_with(|store| store)
}

fn deployment_with(wrap: impl Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Deployment {
    let folder = tempfile::Builder::new().prefix("50% \"root\"\n").tempdir().unwrap();
    let mut root = opened_folder(folder.path());
    root.store = wrap(root.store);
    let ledger = Arc::new(MemoryLedger::default());
    Deployment {
        files: Files::new(root, ledger.clone(), counting_ids()),
        ledger,
        folder,
    }
}

impl Deployment {
    /// Everything below the root: folders end in `/`.
    fn on_disk(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let shown = path
                    .strip_prefix(self.folder.path())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                if path.is_dir() {
                    found.push(format!("{shown}/"));
                    folders.push(path);
                } else {
                    found.push(shown);
                }
            }
        }
        found.sort();
        found
    }
}

fn job(id: &str) -> Owner {
    Owner::Job(id.to_owned())
}

/// Two whole parts of an upload and a rest.
fn large() -> Vec<u8> {
    let block: Vec<u8> = (0..=250).collect();
    let mut content = block.repeat(20 * MIB / block.len() + 1);
    content.truncate(20 * MIB + 3);
    content
}

fn in_chunks(content: Vec<u8>, chunk: usize) -> crate::Content<'static> {
    let chunks: Vec<_> = content
        .chunks(chunk)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    // Like most streams that are made by hand, this one must not be asked again after its end.
    futures::stream::unfold(chunks.into_iter(), |mut chunks| async {
        Some((chunks.next()?, chunks))
    })
    .boxed()
}

#[tokio::test]
async fn what_is_published_is_read_back() {
    let own = deployment();
    let file = own.files.publish(&job("j1"), "result.json", "{}").await.unwrap();
    assert_eq!(file.path, "jobs/j1/result-00000000000000000000000000000001.json");
    assert_eq!(
        (file.bytes, own.files.read(&file).await.unwrap()),
        (2, Bytes::from("{}"))
    );
    let again = own.files.publish(&job("j1"), "result.json", "[]").await.unwrap();
    assert_ne!(again.path, file.path, "a path is never used twice");
    assert_eq!(own.files.read(&file).await.unwrap(), "{}");
    let empty = own.files.publish(&Owner::Cache, "empty", "").await.unwrap();
    assert_eq!(own.files.read(&empty).await.unwrap(), "");
    let text = serde_json::to_string(&file).unwrap();
    assert_eq!(serde_json::from_str::<Published>(&text).unwrap(), file);
    let found = own.files.found(&file).unwrap();
    assert_eq!(
        own.files
            .root()
            .store
            .get(&found.object)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap(),
        "{}"
    );
}

#[tokio::test]
async fn large_files_go_in_parts() {
    for own in [deployment(), in_memory()] {
        let file = own
            .files
            .publish_stream(&job("j"), "big.bin", in_chunks(large(), 1_000_003))
            .await
            .unwrap();
        assert_eq!(file.bytes, large().len() as u64);
        assert_eq!(own.files.read(&file).await.unwrap(), large());
        let streamed: Vec<Bytes> = own.files.read_stream(&file).await.unwrap().try_collect().await.unwrap();
        assert!(streamed.len() > 1 || streamed[0].len() == large().len());
        assert_eq!(streamed.concat(), large());
    }
}

fn in_memory() -> Deployment {
    let ledger = Arc::new(MemoryLedger::default());
    let files = Files::new(opened("memory:///files"), ledger.clone(), counting_ids());
    Deployment {
        files,
        ledger,
        folder: tempfile::tempdir().unwrap(),
    }
}

#[test]
fn owners_have_folders_of_their_own() {
    let folder = |name: &str| Owner::Table(name.parse::<TableName>().unwrap()).folder().unwrap();
    assert_eq!(folder("flights"), "tables/main.flights");
    assert_eq!(folder("tmp.x"), "tables/tmp.x");
    assert_eq!(folder("\"a.b\""), "tables/main.a~2Eb");
    assert_eq!(folder("\"../../etc\""), "tables/main.~2E~2E~2F~2E~2E~2Fetc");
    assert_eq!(folder("日"), "tables/main.~E6~97~A5");
    let long = |end: &str| {
        Owner::Table(TableName::in_main(&format!("{}{end}", "ä".repeat(120))).unwrap())
            .folder()
            .unwrap()
    };
    assert!(long("a").len() < 200);
    assert_ne!(long("a"), long("b"));
    for id in ["", "a\nb", &"x".repeat(201)] {
        assert_eq!(job(id).folder().unwrap_err().code(), "HW-T019");
    }
}

#[tokio::test]
async fn names_and_paths_stay_below_the_root() {
    let own = deployment();
    for name in ["", "a\0", &"n".repeat(201)] {
        assert_eq!(
            own.files.publish(&job("j"), name, "x").await.unwrap_err().code(),
            "HW-T019"
        );
    }
    let file = own.files.publish(&job(".."), "../../x/.y", "x").await.unwrap();
    assert!(file.path.starts_with("jobs/~2E~2E/~2E~2E~2F"), "{}", file.path);
    for path in ["../secret", "/etc/passwd", "", "jobs//x", "jobs/./x"] {
        let file = Published {
            path: path.to_owned(),
            ..file.clone()
        };
        assert_eq!(own.files.read(&file).await.unwrap_err().code(), "HW-T019", "{path}");
        assert_eq!(own.files.remove(path).await.unwrap_err().code(), "HW-T019", "{path}");
    }
}

#[tokio::test]
async fn damage_is_noticed() {
    let own = deployment();
    let file = own.files.publish(&job("j"), "x", "original").await.unwrap();
    let path = own.folder.path().join(&file.path);
    std::fs::write(&path, "0riginal").unwrap();
    let error = own.files.read(&file).await.unwrap_err();
    assert_eq!((error.code(), error.fault()), ("HW-T018", Fault::Data));
    let streamed: std::result::Result<Vec<Bytes>, _> = own.files.read_stream(&file).await.unwrap().try_collect().await;
    assert_eq!(streamed.unwrap_err().code(), "HW-T018");
    std::fs::write(&path, "short").unwrap();
    assert_eq!(own.files.read(&file).await.unwrap_err().code(), "HW-T014");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(own.files.read(&file).await.unwrap_err().code(), "HW-T010");
    own.files.remove(&file.path).await.unwrap();
    assert_eq!(own.ledger.known(), Vec::<String>::new());
}

#[tokio::test]
async fn a_sweep_removes_what_no_one_refers_to() {
    let own = deployment();
    let kept = own.files.publish(&job("a"), "kept", "1").await.unwrap();
    let forgotten = own.files.publish(&job("b"), "forgotten", "2").await.unwrap();
    let released = own.files.publish(&job("a"), "released", "3").await.unwrap();
    own.ledger
        .confirm(&[kept.path.clone(), released.path.clone()])
        .await
        .unwrap();
    std::fs::write(own.folder.path().join("jobs/unknown"), "not ours").unwrap();
    own.ledger
        .announce("jobs/c", &["jobs/c/never-written".to_owned()])
        .await
        .unwrap();
    assert_eq!(
        sweep(&own.files, GRACE).await.unwrap(),
        Swept::default(),
        "within the grace period"
    );

    own.ledger.advance(GRACE + Duration::from_secs(1));
    own.ledger.release(std::slice::from_ref(&released.path));
    let young = own.files.publish(&job("d"), "young", "4").await.unwrap();
    let swept = sweep(&own.files, GRACE).await.unwrap();
    assert_eq!((swept.files, swept.failures.len()), (3, 0));
    assert_eq!(
        own.on_disk(),
        ["jobs/", "jobs/a/", &kept.path, "jobs/d/", &young.path, "jobs/unknown"].map(str::to_owned)
    );
    assert_eq!(own.ledger.known(), [kept.path.clone(), young.path.clone()]);
    let error = own
        .ledger
        .confirm(&[young.path.clone(), forgotten.path.clone()])
        .await
        .unwrap_err();
    assert_eq!(error, FileError::Swept { file: forgotten.path });
    own.ledger.confirm(&[young.path]).await.unwrap();
}

#[tokio::test]
async fn a_sweep_takes_many_and_tells_what_it_could_not_remove() {
    let own = deployment();
    let paths: Vec<String> = (0..2_500).map(|number| format!("jobs/j/{number:04}")).collect();
    own.ledger.announce("jobs/j", &paths).await.unwrap();
    own.ledger.announce("jobs/j", &["jobs//odd".to_owned()]).await.unwrap();
    std::fs::create_dir_all(own.folder.path().join("jobs/j/2000/folder")).unwrap();
    own.ledger.advance(GRACE * 2);
    let swept = sweep(&own.files, GRACE).await.unwrap();
    assert_eq!(swept.files, 2_499);
    let failed: Vec<_> = swept
        .failures
        .iter()
        .map(|(path, error)| (path.as_str(), error.code()))
        .collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert_eq!(failed[0], ("jobs//odd", "HW-T019"));
    assert_eq!(failed[1].0, "jobs/j/2000");
    assert_eq!(own.ledger.known().len(), 2, "they stay for the next sweep");
}

#[tokio::test]
async fn temporary_files_are_swept_unless_their_writer_lives() {
    let own = deployment();
    own.files.publish(&job("j"), "x", "1").await.unwrap();
    let object = own.files.found(&Published {
        path: "jobs/j/large".to_owned(),
        bytes: 0,
        checksum: crate::Checksum::of(b""),
    });
    let mut living = own
        .files
        .root()
        .store
        .put_multipart(&object.unwrap().object)
        .await
        .unwrap();
    living.put_part(PutPayload::from("part")).await.unwrap();
    let young = temporary();
    for name in [temporary().as_str(), ".hw-other", &young] {
        std::fs::write(own.folder.path().join("jobs/j").join(name), "half").unwrap();
    }
    age_by(own.folder.path(), Duration::from_secs(90), &[&young]);
    let swept = sweep(&own.files, GRACE).await.unwrap();
    assert_eq!(swept.temporaries, 1);
    assert_eq!(own.on_disk().iter().filter(|path| path.contains(".hw-")).count(), 3);
    living.complete().await.unwrap();
    assert!(own.on_disk().contains(&"jobs/j/large".to_owned()));
}

/// The name of a temporary file of a process that was killed.
fn temporary() -> String {
    format!(".hw-tmp-{}", Uuid::now_v7().simple())
}

fn age_by(folder: &std::path::Path, age: Duration, except: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap();
        if path.is_dir() {
            age_by(&path, age, except);
        } else if !except.iter().any(|end| name.ends_with(end)) {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified - age).unwrap();
        }
    }
}

/// Writers and sweeps at the same time: nothing that is written is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sweeps_do_not_disturb_writers() {
    let own = Arc::new(deployment());
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let own = own.clone();
            tokio::spawn(async move {
                for round in 0..50 {
                    let owner = job(&format!("w{writer}-{}", round % 3));
                    let file = own
                        .files
                        .publish(&owner, "x", format!("{writer}/{round}"))
                        .await
                        .unwrap();
                    assert_eq!(own.files.read(&file).await.unwrap(), format!("{writer}/{round}"));
                    own.files.remove(&file.path).await.unwrap();
                }
            })
        })
        .collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(sweep(&own.files, GRACE).await.unwrap().failures, []);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(own.ledger.known(), Vec::<String>::new());
}

/// A disk that takes so many bytes and no more.
#[derive(Debug)]
struct FullDisk {
    inner: Arc<dyn ObjectStore>,
    left: Arc<AtomicU64>,
}

fn take(left: &AtomicU64, bytes: usize) -> Result<()> {
    let bytes = bytes as u64;
    let taken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(bytes));
    let full = std::io::Error::new(std::io::ErrorKind::StorageFull, "No space left on device");
    taken.map(drop).map_err(|_| object_store::Error::Generic {
        store: "full disk",
        source: full.into(),
    })
}

impl fmt::Display for FullDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FullDisk")
    }
}

#[derive(Debug)]
struct FullDiskUpload {
    inner: Box<dyn MultipartUpload>,
    left: Arc<AtomicU64>,
}

#[async_trait]
impl MultipartUpload for FullDiskUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match take(&self.left, data.content_length()) {
            Ok(()) => self.inner.put_part(data),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        take(&self.left, 1)?;
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[async_trait]
impl ObjectStore for FullDisk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        take(&self.left, payload.content_length())?;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(path, options).await?;
        Ok(Box::new(FullDiskUpload {
            inner,
            left: self.left.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_half_published() {
    let size = large().len();
    for space in [0, 100, 8 * MIB, 16 * MIB, 17 * MIB, size] {
        let left = Arc::new(AtomicU64::new(space as u64));
        let own = deployment_with(|inner| {
            Arc::new(FullDisk {
                inner,
                left: left.clone(),
            })
        });
        let error = own
            .files
            .publish_stream(&job("j"), "big", in_chunks(large(), MIB))
            .await
            .unwrap_err();
        assert_eq!((error.code(), error.fault()), ("HW-T017", Fault::External));
        assert!(error.to_string().ends_with("No space left on device"), "{error}");
        let kept: Vec<_> = own.on_disk().into_iter().filter(|path| !path.ends_with('/')).collect();
        assert_eq!(kept, Vec::<String>::new(), "with room for {space} bytes");
        left.store(1, Ordering::SeqCst);
        assert_eq!(
            own.files.publish(&job("j"), "small", "xy").await.unwrap_err().code(),
            "HW-T017"
        );
        left.store(100 * MIB as u64, Ordering::SeqCst);
        own.files.publish(&job("j"), "small", "xy").await.unwrap();
        own.ledger.advance(GRACE * 2);
        assert_eq!(sweep(&own.files, GRACE).await.unwrap().failures, []);
        assert_eq!((own.on_disk(), own.ledger.known()), (Vec::new(), Vec::new()));
    }
}

#[tokio::test]
async fn content_that_fails_is_not_published() {
    let own = deployment();
    let fault = || FileError::Vanished {
        file: "source".to_owned(),
    };
    for good_chunks in [0, 1, 20] {
        let chunks = (0..good_chunks)
            .map(|_| Ok(Bytes::from(vec![7; MIB])))
            .chain([Err(fault())]);
        let content = futures::stream::iter(chunks.collect::<Vec<_>>()).boxed();
        let error = own.files.publish_stream(&job("j"), "x", content).await.unwrap_err();
        assert_eq!(error, fault());
    }
    assert!(
        own.on_disk().iter().all(|path| path.ends_with('/')),
        "{:?}",
        own.on_disk()
    );
}

#[tokio::test]
async fn a_write_that_is_dropped_leaves_nothing() {
    let own = deployment();
    let endless = futures::stream::iter((0..12).map(|_| Ok(Bytes::from(vec![7; MIB]))))
        .chain(futures::stream::pending::<std::result::Result<Bytes, FileError>>())
        .boxed();
    let owner = job("j");
    let write = own.files.publish_stream(&owner, "x", endless);
    assert!(tokio::time::timeout(Duration::from_millis(300), write).await.is_err());
    for _ in 0..100 {
        if own.on_disk().iter().all(|path| path.ends_with('/')) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("left over: {:?}", own.on_disk());
}

#[tokio::test]
async fn a_users_file_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it's a\nresult #1.csv");
    let open = opened_folder(&path);
    let written = write_atomically(&open, content_of("one")).await.unwrap();
    assert_eq!(
        (written.bytes, std::fs::read_to_string(&path).unwrap().as_str()),
        (3, "one")
    );
    write_atomically(&open, in_chunks(large(), 3 * MIB)).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), large());
    let failing = futures::stream::iter([
        Ok(Bytes::from("half")),
        Err(FileError::Vanished { file: "x".to_owned() }),
    ]);
    write_atomically(&open, failing.boxed()).await.unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), large(), "the old file is untouched");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let into_file = opened_folder(&path.join("below"));
    assert_eq!(
        write_atomically(&into_file, content_of("x")).await.unwrap_err().code(),
        "HW-T017"
    );
}

#[tokio::test]
async fn a_write_removes_what_killed_ones_left_beside_it_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let target = opened_folder(&at("groups.csv"));
    // A living writer, and whatever looks like a temporary file of ours without being one.
    let held = opened_folder(&at("other.csv"));
    let mut living = held.store.put_multipart(&held.prefix).await.unwrap();
    living.put_part(PutPayload::from("part")).await.unwrap();
    let (dead, young) = (temporary(), temporary());
    let random = format!(".hw-tmp-{}", Uuid::from_u128(7).simple());
    let theirs = [
        ".hw-tmp-notes".to_owned(),
        ".hw-tmp-".to_owned(),
        ".hw-other".to_owned(),
        format!("{dead}.parquet"),
        dead.to_uppercase(),
        dead.trim_start_matches(".hw-tmp-").to_owned(),
        random,
    ];
    std::fs::create_dir_all(at("below")).unwrap();
    let below = format!("below/{}", temporary());
    for name in theirs.iter().chain([&dead, &young, &below]) {
        std::fs::write(at(name), "half").unwrap();
    }
    let link = temporary();
    std::os::unix::fs::symlink(at(".hw-other"), at(&link)).unwrap();
    age_by(folder.path(), Duration::from_secs(90), &[&young]);

    write_atomically(&target, content_of("one")).await.unwrap();
    assert!(!at(&dead).exists());
    for name in theirs.iter().chain([&young, &below, &link]) {
        assert!(at(name).exists(), "{name} is not ours to remove");
    }
    living.complete().await.unwrap();
    assert!(at("other.csv").exists(), "the living writer was not disturbed");
}

#[tokio::test]
async fn a_write_that_fails_removes_what_killed_ones_left_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let dead = folder.path().join(temporary());
    std::fs::write(&dead, "half").unwrap();
    age_by(folder.path(), Duration::from_secs(90), &[]);
    let target = opened_folder(&folder.path().join("groups.csv"));
    let failing = futures::stream::iter([Err(FileError::Vanished { file: "x".to_owned() })]);
    write_atomically(&target, failing.boxed()).await.unwrap_err();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

//! Many readers: no byte is downloaded twice at once.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::store::{Counting, World};

const MIB: u64 = 1 << 20;

fn slow() -> Arc<Counting> {
    Arc::new(Counting {
        pause: Duration::from_millis(50),
        ..Counting::default()
    })
}

/// Two caches over one folder are as two processes: they share nothing but files.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_downloaded_twice_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = slow();
    let worlds = [(); 2].map(|()| World::over(store.clone(), folder.path(), 100 * MIB));
    let file = worlds[0].put("a", 4 << 20, 1).await;
    let reads = (0..32_u64).map(|number| {
        let world = &worlds[usize::try_from(number % 2).unwrap()];
        let start = number % 4 * 500_000;
        let file = &file;
        async move { world.check(file, 1, &[start..start + 700_000]).await }
    });
    join_all(reads).await;
    let bytes = store.bytes.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(bytes, (500_000_u64 * 3 + 700_000).div_ceil(65536) * 65536);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_a_reader_that_gave_up_goes_on_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = slow();
    let worlds = [(); 2].map(|()| World::over(store.clone(), folder.path(), 100 * MIB));
    let file = worlds[0].put("a", 5000, 1).await;
    for _ in 0..3 {
        let ranges = [0..5000];
        let given_up = tokio::time::timeout(Duration::from_millis(10), worlds[0].read(&file, &ranges));
        let (given_up, ()) = futures::join!(given_up, worlds[1].check(&file, 1, &ranges));
        assert!(given_up.is_err());
        std::fs::remove_dir_all(folder.path().join("parts")).unwrap();
    }
}

/// More is wanted at once than fits: every reader gets its bytes all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_crowd_each_other_out_all_get_what_they_want() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Counting::default());
    let worlds = [(); 2].map(|()| World::over(store.clone(), folder.path(), 3 * MIB));
    let mut files = Vec::new();
    for number in 0..8_u8 {
        files.push(worlds[0].put(&number.to_string(), 1 << 20, number).await);
    }
    for _ in 0..5 {
        let reads = files.iter().enumerate().map(|(number, file)| {
            let seed = u8::try_from(number).unwrap();
            let world = &worlds[number % 2];
            async move { world.check(file, seed, &[0..MIB]).await }
        });
        join_all(reads).await;
        assert!(worlds[0].cache.used().bytes <= 3 * MIB);
    }
}

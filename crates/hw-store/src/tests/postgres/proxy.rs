//! Answers that are lost: a door between the store and the server that closes at a chosen moment.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::*;

const OPEN: u8 = 0;
/// The next commit reaches the server, its answer is lost.
const LOSE_ANSWER: u8 = 1;
/// The next commit is lost on its way.
const LOSE_COMMIT: u8 = 2;

/// The message that commits, as the protocol writes it.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

struct Door {
    port: u16,
    state: Arc<AtomicU8>,
}

impl Door {
    /// A door to the server at this port.
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(AtomicU8::new(OPEN));
        let told = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, told) = (TcpStream::connect(("127.0.0.1", server)).unwrap(), told.clone());
                let (from_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || pass_answers(from_server, to_client));
                std::thread::spawn(move || pass_questions(client, server, &told));
            }
        });
        Self { port, state }
    }
}

fn pass_answers(mut server: TcpStream, mut client: TcpStream) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        if client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

fn pass_questions(mut client: TcpStream, mut server: TcpStream, state: &AtomicU8) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let question = &buffer[..count];
        if question.windows(COMMIT.len()).any(|part| part == COMMIT) {
            let state = state.swap(OPEN, Ordering::SeqCst);
            if state == LOSE_ANSWER {
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.write_all(question);
                // The server is left the time to commit before its side closes too.
                std::thread::sleep(Duration::from_millis(200));
            }
            if state != OPEN {
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
                return;
            }
        }
        if server.write_all(question).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

/// The address of a new store by way of a door.
fn new_store_behind_a_door() -> Option<(String, Door)> {
    let (url, _) = new_store()?;
    let port = url.split_once("127.0.0.1:")?.1.split('/').next()?.to_owned();
    let door = Door::to(port.parse().unwrap());
    Some((url.replace(&port, &door.port.to_string()), door))
}

#[test]
fn a_commit_whose_answer_is_lost_is_found_again() {
    check(LOSE_ANSWER);
}

#[test]
fn a_commit_that_is_lost_is_made_again() {
    check(LOSE_COMMIT);
}

fn check(lose: u8) {
    let Some((url, door)) = new_store_behind_a_door() else {
        return;
    };
    block_on(async {
        let store = open(&url).await;
        for number in 1..=3 {
            door.state.store(lose, Ordering::SeqCst);
            // Neither refused because the job is there, nor made twice.
            let answer = store.submit_job(new_job(number, vec![spec()])).await;
            assert_eq!(answer, Ok(crate::Submission::Created));
            assert_eq!(
                door.state.load(Ordering::SeqCst),
                OPEN,
                "the door was closed in between"
            );
        }
        let claimed = store.claim_tasks(&claim_of("w", 3)).await.unwrap();
        door.state.store(lose, Ordering::SeqCst);
        let answers = store.change_tasks(claimed.iter().map(done).collect()).await.unwrap();
        assert!(answers.iter().all(Result::is_ok));
        check_invariants(&store).await;
    });
}

#[test]
fn a_claim_whose_answer_is_lost_says_so_and_ends_with_its_leases() {
    let Some((url, door)) = new_store_behind_a_door() else {
        return;
    };
    block_on(async {
        let store = open(&url).await;
        store.submit_job(new_job(1, vec![spec(); 2])).await.unwrap();
        let claim = Claim {
            lease: Duration::from_millis(100),
            ..claim_of("w", 1)
        };
        door.state.store(LOSE_ANSWER, Ordering::SeqCst);
        let fault = store.claim_tasks(&claim).await.unwrap_err();
        assert_eq!(fault.code(), "HW-S010");
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(store.expired_tasks(9).await.unwrap().len(), 1);
        check_invariants(&store).await;
    });
}

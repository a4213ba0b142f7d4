//! Files of a plain web server, which knows no listings.

use std::sync::Arc;

use arrow_array::Int64Array;
use parquet::file::properties::WriterProperties;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{FileError, FileStores, Location, OpenLocation, StoreLimits, discover, footer};

use super::samples::{array, batch, parquet};

/// Serves one file at `/data/a b.parquet` by HEAD and GET with ranges; everything else is refused.
async fn serve(content: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let content = Arc::new(content);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, content.clone()));
        }
    });
    format!("http://{address}")
}

async fn answer(mut stream: TcpStream, content: Arc<Vec<u8>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_err() {
            return;
        }
        request.extend(byte);
    }
    let request = String::from_utf8(request).unwrap();
    let (method, rest) = request.split_once(' ').unwrap();
    let path = rest.split(' ').next().unwrap();
    let range = request.to_lowercase().split("range: bytes=").nth(1).map(|range| {
        let (start, end) = range.lines().next().unwrap().split_once('-').unwrap();
        (start.parse::<usize>().unwrap(), end.parse::<usize>().unwrap() + 1)
    });
    let fixed = "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\nETag: \"v1\"\r\nConnection: close\r\n";
    let (head, body) = match (method, path, range) {
        ("HEAD", "/data/a%20b.parquet", _) => (
            format!("200 OK\r\nContent-Length: {}\r\n{fixed}", content.len()),
            &content[..0],
        ),
        ("GET", "/data/a%20b.parquet", Some((start, end))) => {
            let range = format!("Content-Range: bytes {start}-{}/{}", end - 1, content.len());
            let head = format!(
                "206 Partial Content\r\nContent-Length: {}\r\n{range}\r\n{fixed}",
                end - start
            );
            (head, &content[start..end])
        }
        ("HEAD", "/data/locked.parquet", _) => (
            "401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n".to_owned(),
            &content[..0],
        ),
        ("HEAD", _, _) => (
            "404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n".to_owned(),
            &content[..0],
        ),
        _ => (
            "405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n".to_owned(),
            &content[..0],
        ),
    };
    stream
        .write_all(format!("HTTP/1.1 {head}\r\n").as_bytes())
        .await
        .unwrap();
    stream.write_all(body).await.unwrap();
    stream.shutdown().await.ok();
}

fn opened(text: &str) -> OpenLocation {
    let limits = StoreLimits {
        retries_max: 0,
        ..StoreLimits::default()
    };
    FileStores::new([], limits)
        .open(&Location::parse(text, None).unwrap())
        .unwrap()
}

#[tokio::test]
async fn a_file_of_a_web_server_is_found_and_read() {
    let bytes = parquet(
        &[batch(vec![("n", array(Int64Array::from(vec![1, 2])))])],
        WriterProperties::default(),
    );
    let server = serve(bytes.clone()).await;
    let open = opened(&format!("{server}/data/a%20b.parquet"));
    let files = discover(&open, "*.parquet", false, 10).await.unwrap();
    assert_eq!(
        (files.len(), files[0].path.as_str(), files[0].bytes),
        (1, "a b.parquet", bytes.len() as u64)
    );
    assert_eq!(
        (files[0].etag.as_deref(), files[0].modified_at),
        (Some("\"v1\""), 1_700_000_000_000_000)
    );
    assert_eq!(footer(&open, &files[0]).await.unwrap().rows, 2);
    assert_eq!(open.folder_of(&files[0]).as_str(), format!("{server}/data/"));
}

#[tokio::test]
async fn what_a_web_server_cannot_do_is_told() {
    let server = serve(Vec::new()).await;
    let error_of = async |path: &str| {
        discover(&opened(&format!("{server}{path}")), "*", false, 10)
            .await
            .unwrap_err()
    };
    let error = error_of("/data/").await;
    assert_eq!(error.code(), "HW-T043", "{error}");
    assert!(error.help().contains("single files"), "{}", error.help());
    assert_eq!(error_of("/data/absent.parquet").await.code(), "HW-T005");
    assert_eq!(error_of("/data/locked.parquet").await.code(), "HW-T015");
    let gone = discover(&opened("http://127.0.0.1:1/folder/"), "*", true, 10)
        .await
        .unwrap_err();
    assert_eq!(gone.code(), "HW-T009");
    let unreachable = discover(&opened("http://127.0.0.1:1/x.parquet"), "*", false, 10)
        .await
        .unwrap_err();
    assert_eq!(
        (unreachable.code(), unreachable.fault()),
        ("HW-T009", crate::Fault::External)
    );
}

fn told_by_store(text: &str) -> FileError {
    let error = object_store::Error::Generic {
        store: "S3",
        source: text.to_owned().into(),
    };
    FileError::of_store("s3://shop/data/", &error)
}

/// Stores answer with documents that repeat the request, its key and what its signature was made of.
#[test]
fn documents_of_stores_are_told_by_code_and_message_alone() {
    let document = |status: &str, code: &str| {
        format!(
            "Server returned non-2xx status code: {status}: <?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>It is \
             so.</Message><AWSAccessKeyId>AKIA0</AWSAccessKeyId><StringToSign>secret</StringToSign></Error>"
        )
    };
    let refused = told_by_store(&document("403 Forbidden", "SignatureDoesNotMatch"));
    assert_eq!(
        refused.to_string(),
        "access to `s3://shop/data/` was refused: It is so. (SignatureDoesNotMatch)"
    );
    assert_eq!((refused.code(), refused.fault()), ("HW-T015", crate::Fault::Input));
    assert!(refused.help().contains("s3.secret_access_key"), "{}", refused.help());
    assert_eq!(
        told_by_store(&document("404 Not Found", "NoSuchBucket")).code(),
        "HW-T010"
    );
    let busy = told_by_store(&document("503 Service Unavailable", "SlowDown"));
    assert_eq!(
        (busy.to_string().as_str(), busy.fault()),
        (
            "`s3://shop/data/` cannot be reached: It is so. (SlowDown)",
            crate::Fault::External
        )
    );
    let plain = told_by_store("connection refused by http://user:word@host/x?signature=1");
    assert_eq!(
        plain.to_string(),
        "`s3://shop/data/` cannot be reached: connection refused by http://***@host/x?***"
    );
}

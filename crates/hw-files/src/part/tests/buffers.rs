//! Memory that comes back.

use super::super::Buffers;

#[test]
fn memory_comes_back_with_the_last_array() {
    let buffers = Buffers::default();
    let block = buffers.block(10_000);
    let size = block.bytes().len();
    assert!((10_000..20_000).contains(&size), "{size}");
    assert_eq!(block.bytes().as_ptr() as usize % 64, 0, "aligned for every number");
    let first = block.freeze(64..128);
    let second = first.slice(8);
    assert_eq!((first.len(), second.len()), (64, 56));
    assert_eq!((buffers.lent_size(), buffers.memory_size()), (size, size));
    drop(first);
    assert_eq!(buffers.lent_size(), size, "the second array still holds it");
    drop(second);
    assert_eq!((buffers.lent_size(), buffers.memory_size()), (0, size));
    let again = buffers.block(size - 1);
    assert_eq!(buffers.memory_size(), size, "the same memory");
    drop(again);
}

#[test]
fn what_is_kept_is_bounded() {
    let buffers = Buffers::new(100_000);
    let blocks: Vec<_> = (0..10).map(|_| buffers.block(32_768)).collect();
    assert_eq!(buffers.memory_size(), 10 * 32_768);
    drop(blocks);
    assert_eq!(buffers.memory_size(), 3 * 32_768);
}

#[test]
fn a_small_request_does_not_take_a_large_block() {
    let buffers = Buffers::default();
    drop(buffers.block(1 << 20));
    assert_eq!(buffers.block(4096).bytes().len(), 4096);
    assert_eq!(buffers.block(300_000).bytes().len(), 1 << 20);
}

#[test]
fn a_block_that_grows_keeps_its_bytes() {
    let buffers = Buffers::default();
    let mut block = buffers.block(100);
    block.bytes_mut()[..3].copy_from_slice(b"abc");
    block.reserve(100_000);
    assert!(block.bytes().len() >= 100_000);
    assert_eq!(&block.bytes()[..3], b"abc");
    drop(block);
    assert_eq!(buffers.lent_size(), 0);
}

#[test]
fn threads_share_memory() {
    let buffers = Buffers::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for size in 1..300 {
                    let mut block = buffers.block(size * 100);
                    let own = size as u8;
                    block.bytes_mut().fill(own);
                    assert!(block.freeze(0..size).iter().all(|byte| *byte == own));
                }
            });
        }
    });
    assert_eq!(buffers.lent_size(), 0);
}

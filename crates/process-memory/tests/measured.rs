//! Alone in its process, whose memory it measures.
#![cfg(target_os = "linux")]

use process_memory::{Unmeasured, private_dirty_bytes};

#[test]
fn this_process_is_measured_for_real() {
    if !std::path::Path::new("/proc/self/smaps_rollup").exists() {
        let error = private_dirty_bytes().unwrap_err();
        assert!(matches!(error, Unmeasured::Unreadable { .. }), "{error}");
        return;
    }
    let before = private_dirty_bytes().unwrap();
    let written = std::hint::black_box(vec![1_u8; 64 << 20]);
    let grown = private_dirty_bytes().unwrap().saturating_sub(before);
    assert!((60 << 20..80 << 20).contains(&grown), "{grown} bytes more, of {} written", written.len());
}

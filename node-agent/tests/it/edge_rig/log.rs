//! What the nodes of this test program log, in memory. All tests share it: ask for lines about something of your own.

use std::{
    io,
    sync::{Mutex, Once, PoisonError},
};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LISTENING: Once = Once::new();

struct Memory;

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn listen() {
    LISTENING.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Memory).finish();
        // Somebody else may have been first; then nobody hears our lines, and the test that asks for them says so.
        drop(tracing::subscriber::set_global_default(subscriber));
    });
}

/// Every line so far that has `word` in it.
pub(crate) fn lines_about(word: &str) -> Vec<String> {
    let text = LINES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    String::from_utf8_lossy(&text).lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
}

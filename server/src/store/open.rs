//! Opening and closing of the books.

use std::sync::Arc;

use super::StoreError;

/// The books of the cluster. Cheap to clone; ends when [`Store::close`] is called or the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {}

impl Store {
    /// Opens the database of this `DATABASE_URL` (`sqlite://data/pixelfox.db`), made anew where there is none, and
    /// brings its tables up to date.
    ///
    /// # Errors
    /// A URL that is none of ours, a newer program's database, a directory or file that can't be opened.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        todo!("{url}")
    }

    /// Takes no further intents, ends those that wait, closes the database.
    pub async fn close(&self) {
        todo!("{:?}", self.inner)
    }

    /// Whether the writer answers. Each call is a (batched) empty transaction.
    ///
    /// # Errors
    /// The writer is dead or the database fails.
    pub async fn probe(&self) -> Result<(), StoreError> {
        todo!()
    }
}

//! Rows that SQLite gives as one: each row of its own would come over a channel from the thread that has the database,
//! and wake whoever waits for it. PostgreSQL sends them as they are.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};

use super::statement::{Conn, Inner, Row, Statement};

/// A row that can come in a JSON array of all rows.
pub(super) trait Gathered: Row + DeserializeOwned {
    /// What of the statement's columns stands for each of the fields, in their order. Bytes as hexadecimal digits, read
    /// by [`bytes`]: JSON has none.
    const COLUMNS: &'static str;
}

impl<T: Gathered> Statement<T> {
    /// All rows, in their order.
    pub(super) async fn gather(self, conn: &mut Conn) -> Result<Vec<T>, sqlx::Error> {
        match conn.inner() {
            Inner::Sqlite(_) => read(self.gathered().giving().fetch_one(conn).await?),
            Inner::Postgres(_) => self.fetch_all(conn).await,
        }
    }

    /// A statement of SQLite with one row, which has all of them.
    pub(super) fn gathered(mut self) -> Statement<()> {
        self.wrap(&format!("SELECT json_group_array(json_array({})) FROM (", T::COLUMNS), ")");
        self.giving()
    }
}

/// What such a statement gave.
pub(super) fn read<T: DeserializeOwned>((rows,): (String,)) -> Result<Vec<T>, sqlx::Error> {
    serde_json::from_str(&rows).map_err(|cause| sqlx::Error::Decode(cause.into()))
}

/// Reads a column of bytes.
pub(super) fn bytes<'de, D: Deserializer<'de>>(digits: D) -> Result<Vec<u8>, D::Error> {
    let digits = String::deserialize(digits)?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2).unwrap_or_default(), 16);
    (0..digits.len()).step_by(2).map(byte).collect::<Result<_, _>>().map_err(D::Error::custom)
}

//! Settings in the books.

use super::{Store, StoreError};
use crate::catalog::{Settings, SettingsPatch, UnixMillis};

impl Store {
    /// As they are.
    ///
    /// # Errors
    /// The database fails.
    pub async fn settings(&self) -> Result<Settings, StoreError> {
        todo!()
    }

    /// Changes some.
    ///
    /// # Errors
    /// A value that can't work; nothing is changed then.
    pub async fn update_settings(&self, patch: SettingsPatch, now: UnixMillis) -> Result<Settings, StoreError> {
        todo!("{patch:?} {now:?}")
    }

    /// First values, from the environment: only those that were never set are.
    ///
    /// # Errors
    /// A value that can't work.
    pub async fn first_settings(&self, patch: SettingsPatch, now: UnixMillis) -> Result<Settings, StoreError> {
        todo!("{patch:?} {now:?}")
    }
}

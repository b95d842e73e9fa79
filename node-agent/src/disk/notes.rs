//! What a pool's directory keeps of its own state beside files and marks: how far the count of files without a record
//! has come.

use super::error::DiskError;
use super::{Disk, site};

const CENSUS: &str = "census.json";

impl Disk {
    /// What was kept of the count of files without a record. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn census(&self) -> Result<Option<String>, DiskError> {
        let at = format!("{}/{CENSUS}", super::root::PRIVATE);
        site::read_small(&self.shared.root, &at).map_err(|e| DiskError::new("read", at, e))
    }

    /// Keeps it, in one step and durably. Blocking.
    ///
    /// # Errors
    /// What the system says; the old one stays then.
    pub(crate) fn keep_census(&self, text: &str) -> Result<(), DiskError> {
        self.shared.trust()?;
        site::replace_private(&self.shared.root, CENSUS, text).map_err(|e| DiskError::new("replace", CENSUS, e))
    }
}

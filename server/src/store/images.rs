//! Images in the books: uploads become images, paths become places.

use pixelfox_proto::{ImageId, ShareToken, StoredPath};

use super::{Store, StoreError};
use crate::catalog::{Image, ImageFilter, ImageTotals, Located, NewUpload, Page, PageAsk, UnixMillis, UploadDecision};

impl Store {
    /// An image record for a file that a node has durably. The same id again: the same answer.
    ///
    /// # Errors
    /// The pool is unknown or another node's, meta that is no meta: the node keeps the file and asks again.
    pub async fn commit_upload(&self, upload: NewUpload, now: UnixMillis) -> Result<UploadDecision, StoreError> {
        todo!("{upload:?} {now:?}")
    }

    /// Where this path is served from now, or `None`: nowhere.
    ///
    /// # Errors
    /// The database fails.
    pub async fn locate(&self, path: &StoredPath) -> Result<Option<Located>, StoreError> {
        todo!("{path}")
    }

    /// A page of images, newest first.
    ///
    /// # Errors
    /// A page token of another list.
    pub async fn list_images(&self, filter: ImageFilter, ask: PageAsk) -> Result<Page<Image>, StoreError> {
        todo!("{filter:?} {ask:?}")
    }

    /// One image.
    ///
    /// # Errors
    /// There is none with this id.
    pub async fn get_image(&self, id: ImageId) -> Result<Image, StoreError> {
        todo!("{id}")
    }

    /// The image of a share link.
    ///
    /// # Errors
    /// There is none.
    pub async fn image_by_share(&self, share: &ShareToken) -> Result<Image, StoreError> {
        todo!("{share}")
    }

    /// How much there is in all. O(pools).
    ///
    /// # Errors
    /// The database fails.
    pub async fn image_totals(&self) -> Result<ImageTotals, StoreError> {
        todo!()
    }
}

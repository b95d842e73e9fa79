//! The operator's pages: a client of the Admin service and of nothing else of the server.
//!
//! # How a page is made
//! 1. Words: `words/<page>.rs`, both languages side by side in one `words!` block; a field in `words/mod.rs`.
//! 2. A template in `templates/`: `{% extends "admin.html" %}`, blocks `title` and `main`. Its struct has the field
//!    `v: &View` (words, language, numbers and times for people, path, who is logged in) and plain values.
//!    Each form posts to an absolute path and begins with `{{ v.csrf() }}`. No inline script, no `style=`.
//! 3. A function `async fn page(visit: Visit) -> Result<String, Trouble>` in `pages/` that asks `visit.admin()` and
//!    renders. Routed through `live::page` with the topics of `Admin.Watch` that it shows, the page is live: what
//!    stands in the template between `<!--live:ID-->` and `<!--/live:ID-->`, inside an element with the attribute `id="ID"`, is rendered
//!    anew when something happens (at most four times a second) and sent to the browser where it differs.
//! 4. An action is a `POST` that takes [`Fields`], asks, and goes back by `visit.back(..)` with a
//!    [`Note`], which the page shows at the element it names. What is refused and has a form is rendered
//!    again with what was typed. Origin and token were checked before, by the gate, for every request that is not a
//!    `GET`; an old token shows the fields once more, to be sent again.
//! 5. A test in `tests/it` against the fake of the Admin service; it looks at the page without JavaScript.
//!    `reader::get` and `reader::post` are signed in.
//!
//! A [`Trouble`] becomes the error page in the reader's language in `frame.rs`, the layer around all pages.

mod admin;
mod assets;
mod checks;
mod disks;
mod fill;
mod form;
mod frame;
mod gate;
mod live;
mod pages;
pub mod public;
mod query;
mod said;
mod show;
mod strays;
mod trouble;
mod view;
mod visit;
mod words;

use axum::Router;

pub use pixelfox_proto::Language;

pub use self::admin::{ACCOUNT, Admin, Calls, in_process};
pub use self::frame::content_security_policy;
pub use self::gate::{Caller, is_foreign, session_secret};
pub use self::show::{Exact, Show};
pub use self::strays::{for_people, keep_said};
pub use self::trouble::Trouble;
pub use self::view::{Person, View};
pub use self::visit::{Fields, Note, Outcome, Visit};

/// Every page below `/admin` behind its gate, and the assets. Who mounts it puts a [`Caller`] into each request's
/// extensions: tries to sign in are counted by it.
pub fn pages<S: Clone + Send + Sync + 'static>(calls: Calls) -> Router<S> {
    let site = visit::Site::new(calls);
    let routes = gate::before(pages::router(), &site);
    frame::around(routes).merge(assets::router()).with_state(site)
}

/// Stylesheet, script and icons under names that change with their content: `/assets/app.<hash>.css`.
pub fn asset_routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    assets::router()
}

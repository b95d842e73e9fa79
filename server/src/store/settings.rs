//! Settings in the books: a row for each that was ever set.

use std::collections::HashMap;

use super::{
    Store, StoreError, Topic, Trouble,
    audit::{self, Change},
    dialect::{int, json, small, uint},
    outbox,
    statement::{self, Conn},
};
use crate::catalog::{Settings, SettingsPatch, UnixMillis};

impl Store {
    /// As they are.
    ///
    /// # Errors
    /// The database fails.
    pub async fn settings(&self) -> Result<Settings, StoreError> {
        self.read("read the settings", async |mut conn| Ok(load(&mut conn).await?.0)).await
    }

    /// Changes some.
    ///
    /// # Errors
    /// A value that can't work; nothing is changed then.
    pub async fn update_settings(&self, patch: SettingsPatch, now: UnixMillis) -> Result<Settings, StoreError> {
        self.write("change the settings", move |conn| Box::pin(async move { change(conn, patch, now).await })).await
    }

    /// First values, from the environment: only those that were never set are.
    ///
    /// # Errors
    /// A value that can't work.
    pub async fn first_settings(&self, patch: SettingsPatch, now: UnixMillis) -> Result<Settings, StoreError> {
        self.write("set the first settings", move |conn| {
            Box::pin(async move {
                let (settings, set) = load(conn).await?;
                let mut patch = patch;
                macro_rules! keep {
                    ($($field:ident),+) => { $(if set.contains_key(stringify!($field)) { patch.$field = None; })+ };
                }
                keep!(direct_upload_enabled, replication_require_checksum, upload_max_bytes, upload_rate_limit_per_ip);
                keep!(upload_rate_limit_per_user, public_uploads, move_bandwidth_per_node, move_slots_per_node);
                keep!(trash_hours, reserve_bytes, strip_location);
                if patch == SettingsPatch::default() { Ok(settings) } else { change(conn, patch, now).await }
            })
        })
        .await
    }
}

async fn load(conn: &mut Conn) -> Result<(Settings, HashMap<String, i64>), Trouble> {
    let rows: Vec<(String, i64)> = statement::query_as("SELECT name, value FROM settings").fetch_all(conn).await?;
    let set: HashMap<String, i64> = rows.into_iter().collect();
    let mut settings = Settings::default();
    macro_rules! take {
        ($convert:expr => $($field:ident),+) => {
            $(if let Some(value) = set.get(stringify!($field)) { settings.$field = $convert(*value); })+
        };
    }
    take!(|value| value != 0 => direct_upload_enabled, replication_require_checksum, public_uploads, strip_location);
    take!(uint => upload_max_bytes, move_bandwidth_per_node, revision);
    take!(small => upload_rate_limit_per_ip, upload_rate_limit_per_user, move_slots_per_node, trash_hours);
    settings.reserve_bytes = set.get("reserve_bytes").map(|value| uint(*value));
    Ok((settings, set))
}

async fn change(conn: &mut Conn, patch: SettingsPatch, now: UnixMillis) -> Result<Settings, Trouble> {
    let (old, _) = load(conn).await?;
    let new = old.patched(&patch)?;
    let mut rows: Vec<(&str, i64)> = vec![("revision", int(new.revision))];
    macro_rules! give {
        ($convert:expr => $($field:ident),+) => {
            $(if let Some(value) = patch.$field { rows.push((stringify!($field), $convert(value))); })+
        };
    }
    give!(i64::from => direct_upload_enabled, replication_require_checksum, public_uploads, strip_location);
    give!(int => upload_max_bytes, move_bandwidth_per_node, reserve_bytes);
    give!(i64::from => upload_rate_limit_per_ip, upload_rate_limit_per_user, move_slots_per_node, trash_hours);
    statement::query(
        "INSERT INTO settings (name, value) SELECT value ->> 0, CAST(value ->> 1 AS BIGINT) FROM json_each($1) WHERE true
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(json(&rows))
    .execute(&mut *conn)
    .await?;
    if patch.reserve_automatic {
        statement::query("DELETE FROM settings WHERE name = 'reserve_bytes'").execute(&mut *conn).await?;
    }
    if new.revision != old.revision {
        let (was, became) = audit::difference(Some(&old), Some(&new));
        let change = Change { action: "update_settings", subject: "settings", was: &was, became: &became, detail: "" };
        audit::change(conn, now, change).await?;
        outbox::put(conn, now, Topic::Settings, &[]).await?;
    }
    Ok(new)
}

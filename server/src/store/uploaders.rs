//! Whose uploads those of an account are: a number of the same counter as the users of API keys.

use super::{
    Store, StoreError, Trouble,
    dialect::{int, uint},
    statement::{self, Conn},
};
use crate::catalog::AccountName;

pub(super) const OF_ACCOUNT: &str = "SELECT user_id FROM uploaders WHERE account = $1";

impl Store {
    /// The user of an account, from its first upload on.
    ///
    /// # Errors
    /// The database fails.
    pub async fn user_of(&self, account: AccountName) -> Result<u64, StoreError> {
        let known = self.read("look for an account's user", async |mut conn| known(&mut conn, &account).await).await?;
        match known {
            Some(user) => Ok(user),
            None => {
                self.write("give an account its user", move |conn| Box::pin(async move { give(conn, &account).await }))
                    .await
            }
        }
    }
}

async fn known(conn: &mut Conn, account: &AccountName) -> Result<Option<u64>, Trouble> {
    let user: Option<(i64,)> = statement::query_as(OF_ACCOUNT).bind(account.as_str()).fetch_optional(conn).await?;
    Ok(user.map(|(user,)| uint(user)))
}

async fn give(conn: &mut Conn, account: &AccountName) -> Result<u64, Trouble> {
    if let Some(user) = known(conn, account).await? {
        return Ok(user);
    }
    let user = next_user(conn).await?;
    let insert = statement::query("INSERT INTO uploaders (account, user_id) VALUES ($1, $2)");
    insert.bind(account.as_str()).bind(int(user)).execute(conn).await?;
    Ok(user)
}

/// A user that nobody was yet.
pub(super) async fn next_user(conn: &mut Conn) -> Result<u64, Trouble> {
    const SQL: &str = "UPDATE counters SET value = value + 1 WHERE name = 'user' RETURNING value";
    let user: i64 = statement::query_scalar(SQL).fetch_one(conn).await?;
    Ok(uint(user))
}

//! Accounts of the pages and their sessions. What the books have of a secret is its hash: a copy of them lets nobody in.

use pixelfox_proto::{Sha256, Text, text};

use super::{
    Store, StoreError, Trouble, audit,
    dialect::checked,
    statement::{self, Conn},
};
use crate::catalog::{
    Account, AccountName, AccountRule, Actor, NewSession, PasswordHash, Refusal, Session, UnixMillis,
};

/// Sessions of one account at once at most: where there is a further one, the oldest is over.
pub(super) const SESSIONS: i64 = 50;

impl Store {
    /// Whether there is an account at all.
    ///
    /// # Errors
    /// The database fails.
    pub async fn has_accounts(&self) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM accounts)";
        self.read("look for accounts", async |mut conn| Ok(statement::query_scalar(SQL).fetch_one(&mut conn).await?))
            .await
    }

    /// Makes the first account; `false` where there is one by now.
    ///
    /// # Errors
    /// The database fails.
    pub async fn first_account(&self, account: Account, now: UnixMillis) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO accounts (name, password, created)
            SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM accounts) RETURNING id";
        self.write("make the first account", move |conn| {
            Box::pin(async move {
                let insert = statement::query_as::<(i64,)>(SQL).bind(account.name.as_str());
                let made = insert.bind(&account.password.0).bind(now.0).fetch_optional(&mut *conn).await?;
                if made.is_some() {
                    audit::note(conn, now, "create_account", account.name.as_str(), "the first one").await?;
                }
                Ok(made.is_some())
            })
        })
        .await
    }

    /// One account, where there is one of that name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn account(&self, name: &AccountName) -> Result<Option<Account>, StoreError> {
        const SQL: &str = "SELECT name, password FROM accounts WHERE name = $1";
        self.read("read an account", async |mut conn| {
            let row: Option<(String, String)> =
                statement::query_as(SQL).bind(name.as_str()).fetch_optional(&mut conn).await?;
            row.map(|(name, password)| {
                Ok(Account { name: checked(name.parse(), "accounts.name")?, password: PasswordHash(password) })
            })
            .transpose()
        })
        .await
    }

    /// Gives an account another password, or makes it with one. Every session of it is over.
    ///
    /// # Errors
    /// There is none of that name, or there is one already.
    pub async fn set_password(&self, account: Account, rule: AccountRule, now: UnixMillis) -> Result<(), StoreError> {
        self.write("set a password", move |conn| {
            Box::pin(async move {
                match rule {
                    AccountRule::Existing => change_password(conn, &account, now).await,
                    AccountRule::New => create(conn, &account, now).await,
                }
            })
        })
        .await
    }

    /// Begins a session, unless the account's password is another one by now. Sessions that are over go.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin_session(&self, session: NewSession, now: UnixMillis) -> Result<Option<Session>, StoreError> {
        self.by(Actor::Account(session.account.clone()))
            .write("begin a session", move |conn| Box::pin(async move { begin(conn, session, now).await }))
            .await
    }

    /// Notes that somebody was not let in. `name` is shown where there is an account of that name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_failed_sign_in(
        &self,
        name: Option<AccountName>,
        detail: String,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        const THERE: &str = "SELECT name FROM accounts WHERE name = $1";
        self.write("note a failed sign-in", move |conn| {
            Box::pin(async move {
                let typed = name.as_ref().map_or("", AccountName::as_str);
                let there: Option<(String,)> =
                    statement::query_as(THERE).bind(typed).fetch_optional(&mut *conn).await?;
                let subject = there.map_or_else(String::new, |(name,)| name);
                audit::note(conn, now, "sign_in_failed", &subject, &detail).await
            })
        })
        .await
    }

    /// The session with this digest, where it is not over.
    ///
    /// # Errors
    /// The database fails.
    pub async fn session(&self, digest: &Sha256, now: UnixMillis) -> Result<Option<Session>, StoreError> {
        let digest = digest.as_bytes().as_slice();
        self.read("look for a session", async |mut conn| {
            let found = statement::query_as::<(String, i64)>(SESSION).bind(digest).bind(now.0);
            let Some((name, expires)) = found.fetch_optional(&mut conn).await? else { return Ok(None) };
            Ok(Some(Session { account: checked(name.parse(), "accounts.name")?, expires: UnixMillis(expires) }))
        })
        .await
    }

    /// Ends a session. Nothing where it is over already.
    ///
    /// # Errors
    /// The database fails.
    pub async fn end_session(&self, digest: Sha256, now: UnixMillis) -> Result<(), StoreError> {
        self.write("end a session", move |conn| {
            Box::pin(async move {
                let end = statement::query_as::<(i64,)>(END).bind(digest.as_bytes().as_slice());
                let Some((account,)) = end.fetch_optional(&mut *conn).await? else { return Ok(()) };
                let name: String = statement::query_scalar("SELECT name FROM accounts WHERE id = $1")
                    .bind(account)
                    .fetch_one(conn)
                    .await?;
                conn.work_for(Actor::Account(checked(name.parse(), "accounts.name")?));
                audit::note(conn, now, "sign_out", &name, "").await
            })
        })
        .await
    }
}

pub(super) const SESSION: &str = "
SELECT a.name, s.expires FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.digest = $1 AND s.expires > $2";
pub(super) const END: &str = "DELETE FROM sessions WHERE digest = $1 RETURNING account_id";
pub(super) const OVER: &str = "DELETE FROM sessions WHERE expires <= $1";
/// Those beyond the newest ones of an account.
pub(super) const SURPLUS: &str = "
DELETE FROM sessions WHERE digest IN
    (SELECT digest FROM sessions WHERE account_id = $1 ORDER BY created DESC, digest LIMIT 1000 OFFSET $2)";

async fn begin(conn: &mut Conn, session: NewSession, now: UnixMillis) -> Result<Option<Session>, Trouble> {
    const FIND: &str = "SELECT id, password FROM accounts WHERE name = $1";
    const INSERT: &str = "INSERT INTO sessions (digest, account_id, created, expires) VALUES ($1, $2, $3, $4)";
    let name = session.account.as_str();
    let found: Option<(i64, String)> = statement::query_as(FIND).bind(name).fetch_optional(&mut *conn).await?;
    let Some((id, _)) = found.filter(|(_, password)| *password == session.password.0) else { return Ok(None) };
    statement::query(OVER).bind(now.0).execute(&mut *conn).await?;
    let insert = statement::query(INSERT).bind(session.digest.as_bytes().as_slice()).bind(id).bind(now.0);
    insert.bind(session.expires.0).execute(&mut *conn).await?;
    statement::query(SURPLUS).bind(id).bind(SESSIONS).execute(&mut *conn).await?;
    audit::note(conn, now, "sign_in", name, &session.from).await?;
    Ok(Some(Session { account: session.account, expires: session.expires }))
}

async fn change_password(conn: &mut Conn, account: &Account, now: UnixMillis) -> Result<(), Trouble> {
    const SQL: &str = "UPDATE accounts SET password = $1 WHERE name = $2 RETURNING id";
    const SIGN_OUT: &str = "DELETE FROM sessions WHERE account_id = $1 RETURNING account_id";
    let name = account.name.as_str();
    let update = statement::query_as::<(i64,)>(SQL).bind(&account.password.0).bind(name);
    let Some((id,)) = update.fetch_optional(&mut *conn).await? else {
        let known = known(conn).await?;
        let all =
            if known.is_empty() { Text::default() } else { text!(de "; es gibt: {known}", en "; there are: {known}") };
        let none = text!(de "es gibt kein Konto {name}", en "there is no account {name}");
        return Err(Refusal::not_found(Text::join(&[none, all], "")).into());
    };
    let over: Vec<i64> = statement::query_scalar(SIGN_OUT).bind(id).fetch_all(&mut *conn).await?;
    audit::note(conn, now, "set_password", name, &format!("{} sessions ended", over.len())).await
}

async fn create(conn: &mut Conn, account: &Account, now: UnixMillis) -> Result<(), Trouble> {
    const SQL: &str =
        "INSERT INTO accounts (name, password, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id";
    let name = account.name.as_str();
    let insert = statement::query_as::<(i64,)>(SQL).bind(name).bind(&account.password.0).bind(now.0);
    if insert.fetch_optional(&mut *conn).await?.is_none() {
        return Err(Refusal::exists(
            text!(de "es gibt schon ein Konto {name}", en "there is an account {name} already"),
        )
        .into());
    }
    audit::note(conn, now, "create_account", name, "").await
}

/// Which accounts there are, as the end of a sentence.
async fn known(conn: &mut Conn) -> Result<String, Trouble> {
    const SQL: &str = "SELECT name FROM accounts ORDER BY name LIMIT 20";
    let names: Vec<String> = statement::query_scalar(SQL).fetch_all(conn).await?;
    Ok(names.join(", "))
}

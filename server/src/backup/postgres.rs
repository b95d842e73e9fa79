//! The programs of PostgreSQL that save a database and bring it back. They get the password by their environment,
//! never by an argument that every user of the machine can read.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use super::BackupError;

/// What to do where they are missing.
const INSTALL: &str = "install PostgreSQL's client programs (Debian: apt-get install postgresql-client) of the database \
                       server's version or a newer one, then try again";

/// Writes everything of the database of `url` into `into`, in pg_dump's own format, as of one moment.
pub(super) fn dump(url: &str, into: &Path) -> Result<(), BackupError> {
    let mut command = tool("pg_dump", url)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--no-password", "--file"]).arg(into);
    run(command, "pg_dump")?;
    // Every block is read back: what can't be restored is no copy.
    let mut check = Command::new("pg_restore");
    check.args(["--file", "/dev/null"]).arg(into);
    run(check, "pg_restore").map(drop)
}

/// Which migrations the database in a dump has had, with their checksums.
pub(super) fn migrations(dump: &Path) -> Result<Vec<(i64, Vec<u8>)>, BackupError> {
    let mut command = Command::new("pg_restore");
    command.args(["--data-only", "--table=_sqlx_migrations", "--file=-"]).arg(dump);
    let output = run(command, "pg_restore")?;
    Ok(read_migrations(&String::from_utf8_lossy(&output.stdout)).unwrap_or_default())
}

/// From the one COPY of that table: its columns as they are named there, then a line for each row.
fn read_migrations(script: &str) -> Option<Vec<(i64, Vec<u8>)>> {
    let mut lines = script.lines().skip_while(|line| !line.starts_with("COPY "));
    let columns: Vec<&str> = lines.next()?.split_once('(')?.1.split_once(')')?.0.split(", ").collect();
    let at = |name: &str| columns.iter().position(|column| *column == name);
    let (version, checksum, success) = (at("version")?, at("checksum")?, at("success")?);
    let mut found = Vec::new();
    for row in lines.take_while(|line| *line != "\\.") {
        let cells: Vec<&str> = row.split('\t').collect();
        if *cells.get(success)? == "t" {
            let hex = cells.get(checksum)?.strip_prefix("\\\\x")?;
            let bytes = (0..hex.len() / 2).map(|n| u8::from_str_radix(hex.get(2 * n..2 * n + 2)?, 16).ok());
            found.push((cells.get(version)?.parse().ok()?, bytes.collect::<Option<_>>()?));
        }
    }
    Some(found)
}

/// Brings a dump into the empty database of `url`: all of it, or nothing.
pub(super) fn load(url: &str, dump: &Path) -> Result<(), BackupError> {
    let database = variables(url)?.into_iter().rev().find(|(name, _)| *name == "PGDATABASE");
    let mut command = tool("pg_restore", url)?;
    command.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password"]);
    command.arg("--dbname").arg(database.map(|(_, name)| name).unwrap_or_default()).arg(dump);
    run(command, "pg_restore").map(drop)
}

/// The program, connected to the database of `url` by its environment.
fn tool(name: &str, url: &str) -> Result<Command, BackupError> {
    let mut command = Command::new(name);
    for (variable, value) in variables(url)? {
        command.env(variable, value);
    }
    Ok(command)
}

/// What libpq's programs read instead of a URL. What `url` does not say they take from their own environment, as the
/// server does.
fn variables(url: &str) -> Result<Vec<(&'static str, String)>, BackupError> {
    let no_url = || BackupError::Refused("DATABASE_URL is not understood".into());
    let url = url::Url::parse(url).map_err(|_| no_url())?;
    let decoded = |text: &str| {
        // A `+` is a plus sign here, unlike in a query.
        let pairs = format!("x={}", text.replace('+', "%2B"));
        url::form_urlencoded::parse(pairs.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let mut variables = Vec::new();
    variables.extend(url.host_str().filter(|host| !host.is_empty()).map(|host| ("PGHOST", decoded(host))));
    variables.extend(url.port().map(|port| ("PGPORT", port.to_string())));
    variables.extend(Some(url.username()).filter(|user| !user.is_empty()).map(|user| ("PGUSER", decoded(user))));
    variables.extend(url.password().map(|password| ("PGPASSWORD", decoded(password))));
    let database = url.path().trim_start_matches('/');
    variables.extend(Some(database).filter(|name| !name.is_empty()).map(|name| ("PGDATABASE", decoded(name))));
    for (key, value) in url.query_pairs() {
        let variable = match &*key {
            "host" => "PGHOST",
            "hostaddr" => "PGHOSTADDR",
            "port" => "PGPORT",
            "dbname" => "PGDATABASE",
            "user" => "PGUSER",
            "password" => "PGPASSWORD",
            "sslmode" | "ssl-mode" => "PGSSLMODE",
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => "PGSSLROOTCERT",
            "sslcert" | "ssl-cert" => "PGSSLCERT",
            "sslkey" | "ssl-key" => "PGSSLKEY",
            "options" => "PGOPTIONS",
            _ => continue,
        };
        variables.push((variable, value.into_owned()));
    }
    Ok(variables)
}

fn run(mut command: Command, name: &str) -> Result<Output, BackupError> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let output = output.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => BackupError::Tool(format!("{name} is not there: {INSTALL}")),
        _ => BackupError::Tool(format!("could not start {name}: {cause}")),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let cure = if said.contains("server version mismatch") { format!("; {INSTALL}") } else { String::new() };
    Err(BackupError::Tool(format!("{name} failed ({}): {}{cure}", output.status, said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_as_a_dump_has_them() {
        let script = "--\nSET x;\nCOPY public._sqlx_migrations (version, description, success, checksum) FROM stdin;\n\
            1\tbooks\tt\t\\\\x00ff\n2\tcontrol\tf\t\\\\x01\n\\.\n\n3\tnot a row\tt\t\\\\x02\n";
        assert_eq!(read_migrations(script), Some(vec![(1, vec![0, 255])]));
        assert_eq!(read_migrations("-- of something else"), None);
    }

    #[test]
    fn a_url_in_the_words_of_libpq() {
        for (url, want) in [
            (
                "postgres://fox:a%2Fb+c@db.example.org:6543/books?sslmode=require",
                "PGHOST=db.example.org PGPORT=6543 PGUSER=fox PGPASSWORD=a/b+c PGDATABASE=books PGSSLMODE=require",
            ),
            (
                "postgres://fox@localhost/books?host=/run/pg",
                "PGHOST=localhost PGUSER=fox PGDATABASE=books PGHOST=/run/pg",
            ),
            ("postgres://%2Frun%2Fpg/books", "PGHOST=/run/pg PGDATABASE=books"),
        ] {
            let got: Vec<_> = variables(url).unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(got.join(" "), want, "{url}");
        }
        assert!(variables("postgres:books").is_ok_and(|got| !got.iter().any(|(name, _)| *name == "PGHOST")));
    }
}

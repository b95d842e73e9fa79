//! What `server dev` prints when it is ready: where it listens, with which secrets, and what to try.

use std::path::Path;

use super::Cluster;

/// The table, for a terminal or for a pipe: secrets are shown on a terminal only, and never those of the environment.
#[must_use]
pub fn table(cluster: &Cluster, stdout_is_terminal: bool) -> String {
    let app = cluster.app_address();
    let secrets = cluster.secrets();
    let file = shown(secrets.file());
    let mut text = String::from("\n");
    let mut row = |name: &str, value: String| text.push_str(&format!("  {name:<9} {value}\n"));
    row("app", format!("http://{app}   (node local, pool Default)"));
    for (node, address, pool) in cluster.storage_nodes() {
        row(node, format!("http://{address}   (pool {pool})"));
    }
    row("token", secrets.shown("ADMIN_TOKEN", stdout_is_terminal));
    row(
        "pages",
        format!("http://{app}/admin   (admin, password {})", secrets.shown("ADMIN_PASSWORD", stdout_is_terminal)),
    );
    row("uploads", "$UPLOAD_TOKEN, for pool Default and 24 h; each start makes a new one".into());
    row("secrets", file.clone());
    text.push_str(&format!(
        r#"
  To try: open http://{app} and drop a picture there, then http://{app}/admin. Or in another terminal:

    set -a; . {file}; set +a
    curl -H "Authorization: Bearer $UPLOAD_TOKEN" -F file=@PICTURE http://{app}/api/internal/upload
    grpcurl -plaintext -H "authorization: Bearer $ADMIN_TOKEN" \
      -d '{{"uuids": ["IMAGE_UUID"], "target_pool_id": 2}}' {app} pixelfox.v1.Admin/MoveImages
    curl -IL "URL"    # the url of the upload's answer: it still works, by a redirect to s01

"#,
    ));
    text
}

/// Relative to where the reader's shell is, where it is below that.
fn shown(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(here).unwrap_or(file).display().to_string()
}

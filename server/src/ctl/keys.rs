//! `ctl keys`: API keys for programs that upload.

use clap::Subcommand;
use pixelfox_proto::v1;

use super::{
    Ctl, Ended, show,
    table::{
        Head,
        Side::{Left, Right},
        Table,
    },
    terminal::{Yes, confirm},
};

const HEADS: &[Head] = &[("ID", Right), ("CREATED", Left), ("LAST USED", Left), ("USER", Right), ("NAME", Left)];

#[derive(Debug, clap::Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    verb: Option<KeysVerb>,
}

#[derive(Debug, Subcommand)]
enum KeysVerb {
    /// All of them; the keys themselves are shown by nobody.
    List,
    /// Make one. The key alone goes to the output, this once.
    Create {
        /// What it is for.
        name: String,
    },
    /// Take one back, at once and for good.
    Revoke {
        /// Its number, as `keys` lists it.
        id: u64,
        #[command(flatten)]
        yes: Yes,
    },
}

pub(super) async fn run(ctl: &mut Ctl, args: KeysArgs) -> Ended {
    match args.verb.unwrap_or(KeysVerb::List) {
        KeysVerb::List => {
            let keys = ctl.admin.list_api_keys(v1::ListApiKeysRequest {}).await?.into_inner();
            ctl.answer(&keys, |out, keys| {
                let rows: Vec<Vec<String>> = keys.keys.iter().map(row).collect();
                Table::new(HEADS).rows(out, &rows)
            })
        }
        KeysVerb::Create { name } => {
            let key = ctl.admin.create_api_key(v1::CreateApiKeyRequest { name }).await?.into_inner();
            ctl.answer(&key, |out, key| {
                eprintln!("API key {} for {}. It is shown this once:", key.id, show::clean(&key.name));
                out.line(&key.key)
            })
        }
        KeysVerb::Revoke { id, yes } => {
            confirm(yes.consent(), &format!("Revoke API key {id}? Whoever uploads with it can't any more."))?;
            let answer = ctl.admin.revoke_api_key(v1::RevokeApiKeyRequest { id }).await?.into_inner();
            ctl.answer(&answer, |out, _| out.line(&format!("API key {id} is revoked.")))
        }
    }
}

fn row(key: &v1::ApiKey) -> Vec<String> {
    let (created, used) = (show::time(key.created.as_ref()), show::time(key.last_used.as_ref()));
    vec![key.id.to_string(), created, used, key.user_id.to_string(), key.name.clone()]
}

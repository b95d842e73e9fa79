//! `ctl settings`: shown and set by their names in the proto.

use clap::Subcommand;
use pixelfox_proto::v1;

use super::{
    Ctl, Ended, fields,
    terminal::{Yes, confirm},
};

/// What can be set. The others of the message are not built yet and refused by the server.
pub(super) const SETTABLE: &[&str] = &[
    "direct_upload_enabled",
    "replication_require_checksum",
    "upload_max_bytes",
    "upload_rate_limit_per_ip",
    "upload_rate_limit_per_user",
    "public_uploads",
    "move_bandwidth_per_node",
    "move_slots_per_node",
    "trash_hours",
    "reserve_bytes",
    "reserve_automatic",
    "variants_webp",
    "variants_avif",
    "variants_original",
    "strip_location",
];

#[derive(Debug, clap::Args)]
pub(super) struct SettingsArgs {
    #[command(subcommand)]
    verb: Option<SettingsVerb>,
}

#[derive(Debug, Subcommand)]
enum SettingsVerb {
    /// All of them.
    Show,
    /// Change some; the others stay. Every node goes by them within 2 s.
    #[command(after_help = "\
Settings:
  direct_upload_enabled         the page uploads straight to the node that stores
  replication_require_checksum  HTTP replication needs a sha256
  upload_max_bytes              largest upload, for instance 512MiB
  upload_rate_limit_per_ip      uploads a minute without a user; 0: no limit
  upload_rate_limit_per_user    uploads a minute and user; 0: no limit
  public_uploads                uploads without an API key or a login
  move_bandwidth_per_node       bytes a second that one node sends for moves, for instance 50MB; 0: no limit
  move_slots_per_node           transfers of one node at once
  trash_hours                   how long old copies stay in the trash; 0: none is kept, and this asks first
  reserve_bytes                 free space that every file system keeps, for instance 1GiB
  reserve_automatic             true: the reserve is 1 GiB or 1 %, whichever is less
  variants_webp, variants_avif, variants_original, strip_location
                                not in this version")]
    Set {
        /// For instance trash_hours=48.
        #[arg(required = true, value_name = "SETTING=VALUE")]
        settings: Vec<String>,
        #[command(flatten)]
        yes: Yes,
    },
}

pub(super) async fn run(ctl: &mut Ctl, args: SettingsArgs) -> Ended {
    let settings = match args.verb.unwrap_or(SettingsVerb::Show) {
        SettingsVerb::Show => ctl.admin.get_settings(v1::GetSettingsRequest {}).await?.into_inner(),
        SettingsVerb::Set { settings, yes } => {
            let (settings, _) = fields::assigned(&v1::Settings::default(), SETTABLE, &settings)?;
            if settings.trash_hours == Some(0) {
                confirm(yes.consent(), "Keep no old copies? What is in the trash now goes for good.")?;
            }
            let request = v1::UpdateSettingsRequest { settings: Some(settings) };
            ctl.admin.update_settings(request).await?.into_inner()
        }
    };
    ctl.answer(&settings, fields::print)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ctl::json;

    #[test]
    fn every_setting_of_the_proto_can_be_set() {
        let proto: BTreeSet<String> =
            json::descriptor::<v1::Settings>().fields().map(|field| field.name().to_owned()).collect();
        assert_eq!(SETTABLE.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), proto);
    }
}

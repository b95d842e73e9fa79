//! `ctl move`: a whole pool, or some images, to another pool.

use pixelfox_proto::v1;

use super::{
    Ctl, Ended, Form, Trouble,
    follow::{self, Follow},
    images,
    places::{self, Pools},
    show,
};

#[derive(Debug, clap::Args)]
pub(super) struct MoveArgs {
    /// One pool, or images; `-` reads images from the input.
    #[arg(required = true, value_name = "POOL|IMAGE")]
    what: Vec<String>,
    /// The pool to move to.
    #[arg(long, value_name = "POOL")]
    to: String,
    /// Write nothing; say what would go, what can't and why, and how much room there is.
    #[arg(long, conflicts_with = "watch")]
    dry_run: bool,
    /// Of a pool: so many images at most, those that came first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    follow: Follow,
}

/// What is moved, as the first line names it.
enum Moved {
    Pool(u64),
    Images(String),
}

pub(super) async fn run(ctl: &mut Ctl, args: MoveArgs) -> Ended {
    let are_images = args.what.iter().all(|word| word == "-" || places::is_image(word));
    let target_pool_id = places::pool(ctl, &args.to).await?;
    let (dry_run, request_id) = (args.dry_run, args.follow.request_id());
    let (batch, from) = if are_images {
        if args.limit.is_some() {
            return Err(Trouble::Usage("--limit is for a whole pool; of images, name those that shall go".into()));
        }
        let uuids = images::named(ctl, args.what).await?;
        let named = show::counted(uuids.len() as u64, "image");
        let request = v1::MoveImagesRequest { uuids, target_pool_id, dry_run, request_id };
        (ctl.admin.move_images(request).await?.into_inner(), Moved::Images(named))
    } else {
        let [source] = args.what.as_slice() else {
            return Err(Trouble::Usage(
                "name one pool, or images by their UUID, link or path: not several pools".into(),
            ));
        };
        let source_pool_id = places::pool(ctl, source).await?;
        let limit = args.limit.unwrap_or(0);
        let request = v1::MovePoolRequest { source_pool_id, target_pool_id, dry_run, limit, request_id };
        (ctl.admin.move_pool(request).await?.into_inner(), Moved::Pool(source_pool_id))
    };
    if ctl.form == Form::Table {
        let pools = Pools::ask(ctl).await?;
        let from = match from {
            Moved::Images(named) => named,
            Moved::Pool(id) => pools.name(id),
        };
        let way = format!("{from} -> {}{}", pools.name(target_pool_id), if dry_run { " (dry run)" } else { "" });
        ctl.out.line(&show::clean(&way))?;
    }
    if dry_run {
        return follow::preview(ctl, &batch, "moved");
    }
    follow::batch(ctl, &batch, "moved", &args.follow).await
}

//! `ctl images`: list, show, verify, delete.

use clap::Subcommand;
use pixelfox_proto::v1;

use super::{
    Ctl, Ended, Form, Trouble, fields,
    follow::{self, Follow},
    lists::{self, Columns, Limit, Page},
    places::{self, Pools},
    show,
    table::{
        Head,
        Side::{Left, Right},
        Table,
    },
    terminal::{Yes, confirm, input_words},
};

const HEADS: &[Head] =
    &[("UUID", Left), ("POOL", Left), ("SIZE", Right), ("PIXELS", Right), ("CREATED", Left), ("NAME", Left)];
const FILE_HEADS: &[Head] =
    &[("FILE", Left), ("POOL", Left), ("STATE", Left), ("SIZE", Right), ("SHA-256", Left), ("URL", Left)];

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ImagesArgs {
    #[command(subcommand)]
    verb: Option<ImagesVerb>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum ImagesVerb {
    /// Those that fit, all of them where nothing is asked for.
    List(ListArgs),
    /// Everything about one.
    Show {
        /// The image.
        image: String,
    },
    /// Have copies read and compared with the record, before anything that is read by itself.
    Verify {
        /// Every copy of these images; `-` reads them from the input.
        #[arg(required_unless_present = "pool", conflicts_with = "pool", value_name = "IMAGE")]
        images: Vec<String>,
        /// Instead: what is suspect or lost in this pool.
        #[arg(long)]
        pool: Option<String>,
    },
    /// Delete images for good: they are in no trash afterwards.
    Delete {
        /// The images; `-` reads them from the input.
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
        #[command(flatten)]
        yes: Yes,
        #[command(flatten)]
        follow: Follow,
    },
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// A part of the name, a UUID, a share link or token, a file's URL or its stored path.
    query: Option<String>,
    /// In this pool.
    #[arg(long)]
    pool: Option<String>,
    /// In pools of this node.
    #[arg(long)]
    node: Option<String>,
    /// `lost` or `suspect`: of which their pool has such a copy.
    #[arg(long)]
    state: Option<String>,
    /// Originals of this size or more, for instance 10MB.
    #[arg(long, value_name = "SIZE", value_parser = show::parse_size)]
    size_from: Option<u64>,
    /// Originals of this size or less.
    #[arg(long, value_name = "SIZE", value_parser = show::parse_size)]
    size_to: Option<u64>,
    /// Uploaded from then on: 2026-11-24, or with a time as RFC 3339 has it.
    #[arg(long, value_name = "TIME", value_parser = show::parse_time)]
    since: Option<prost_types::Timestamp>,
    /// Uploaded before.
    #[arg(long, value_name = "TIME", value_parser = show::parse_time)]
    until: Option<prost_types::Timestamp>,
    /// `newest`, `oldest`, `largest`, `smallest` or `name`.
    #[arg(long, default_value = "newest")]
    order: String,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(ctl: &mut Ctl, args: ImagesArgs) -> Ended {
    match args.verb.unwrap_or(ImagesVerb::List(args.list)) {
        ImagesVerb::List(args) => list(ctl, args).await,
        ImagesVerb::Show { image } => one(ctl, &image).await,
        ImagesVerb::Verify { images, pool } => {
            let uuids = named(ctl, images).await?;
            let pool_id = places::pool_if(ctl, pool.as_deref()).await?;
            let answer = ctl.admin.verify_images(v1::VerifyImagesRequest { uuids, pool_id }).await?.into_inner();
            ctl.answer(&answer, |out, answer| {
                let copies = show::count(answer.copies);
                out.line(&format!("Copies that are read now: {copies}. `images show` says what was found."))?;
                answer.waiting.iter().try_for_each(|why| out.line(&show::clean(why)))
            })
        }
        ImagesVerb::Delete { images, yes, follow } => {
            let uuids = named(ctl, images).await?;
            let number = show::counted(uuids.len() as u64, "image");
            confirm(yes.consent(), &format!("Delete {number} for good? They are in no trash afterwards."))?;
            let request = v1::DeleteImagesRequest { uuids, request_id: follow.request_id() };
            let batch = ctl.admin.delete_images(request).await?.into_inner();
            follow::batch(ctl, &batch, "deleted", &follow).await
        }
    }
}

async fn list(ctl: &mut Ctl, args: ListArgs) -> Ended {
    let filter = v1::ListImagesRequest {
        pool_id: places::pool_if(ctl, args.pool.as_deref()).await?,
        query: args.query.unwrap_or_default(),
        node_id: args.node.unwrap_or_default(),
        size_from: args.size_from.unwrap_or_default(),
        size_to: args.size_to.unwrap_or_default(),
        created_from: args.since,
        created_before: args.until,
        state: args.state.unwrap_or_default(),
        order: args.order,
        ..v1::ListImagesRequest::default()
    };
    let pools = if ctl.form == Form::Table { Pools::ask(ctl).await? } else { Pools::default() };
    let row = |image: &v1::Image| row(image, &pools);
    lists::print(ctl, "images", args.limit, Columns { heads: HEADS, row }, async |ctl, page_size, page_token| {
        let ask = v1::ListImagesRequest { page_size, page_token, ..filter.clone() };
        let page = ctl.admin.list_images(ask).await?.into_inner();
        let total = Some((page.total, page.total_is_at_least));
        Ok(Page { items: page.images, next: page.next_page_token, total })
    })
    .await
}

async fn one(ctl: &mut Ctl, word: &str) -> Ended {
    let uuid = places::image(ctl, word).await?;
    let image = ctl.admin.get_image(v1::GetImageRequest { uuid }).await?.into_inner();
    let pools = if ctl.form == Form::Table { Pools::ask(ctl).await? } else { Pools::default() };
    ctl.answer(&image, |out, image| {
        fields::print(out, image)?;
        out.line("")?;
        let rows = image.files.iter().map(|file| {
            let sha256: String = file.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
            let (path, pool) = (file.stored_path.clone(), pools.name(file.pool_id));
            vec![path, pool, file.state.clone(), show::bytes(file.size), sha256, file.url.clone()]
        });
        Table::new(FILE_HEADS).rows(out, &rows.collect::<Vec<_>>())
    })
}

fn row(image: &v1::Image, pools: &Pools) -> Vec<String> {
    vec![
        image.uuid.clone(),
        pools.name(image.pool_id),
        show::bytes(image.size),
        format!("{}x{}", image.width, image.height),
        show::time(image.created.as_ref()),
        image.original_name.clone(),
    ]
}

/// The UUIDs of the images that were named; a `-` stands for those on the input.
pub(super) async fn named(ctl: &mut Ctl, words: Vec<String>) -> Result<Vec<String>, Trouble> {
    let mut uuids = Vec::new();
    for word in words {
        let words = if word == "-" { input_words()? } else { vec![word] };
        for word in words {
            uuids.push(places::image(ctl, &word).await?);
        }
    }
    Ok(uuids)
}

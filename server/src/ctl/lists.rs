//! Long lists: asked for page by page and printed as the pages come, never gathered.

use prost::Name;

use super::{
    Ctl, Ended, Ending, Form, Trouble, json, show,
    table::{Head, Table},
};

/// Of one call; a page must fit into one answer.
const PAGE: u32 = 200;

/// One page, as every list of the Admin service has it.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: String,
    /// How many fit in all, and whether there may be more; `None` where the list does not count.
    pub(super) total: Option<(u64, bool)>,
}

/// How much of a list is wanted.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Limit {
    /// Stop after so many. Without it, all of them, page by page.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// A list as a table: its heads, and a row for an item.
pub(super) struct Columns<R> {
    pub(super) heads: &'static [Head],
    pub(super) row: R,
}

/// Prints the list that `ask` gives a page of, by its size and the token of the page before. `name` is its field in JSON.
pub(super) async fn print<T: Name, R: Fn(&T) -> Vec<String>>(
    ctl: &mut Ctl,
    name: &str,
    limit: Limit,
    columns: Columns<R>,
    ask: impl AsyncFn(&mut Ctl, u32, String) -> Result<Page<T>, Trouble>,
) -> Ended {
    let mut left = limit.limit.unwrap_or(u64::MAX);
    let (mut table, mut token, mut printed, mut total) = (Table::new(columns.heads), String::new(), 0u64, None);
    let mut head = (ctl.form == Form::Json).then(|| format!("{{\n  \"{name}\": ["));
    loop {
        let size = u32::try_from(left.min(PAGE.into())).unwrap_or(PAGE);
        let mut page = ask(ctl, size, std::mem::take(&mut token)).await?;
        page.items.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        total = total.or(page.total);
        // A refusal leaves no half document.
        if let Some(head) = head.take() {
            ctl.out.line(&head)?;
        }
        match ctl.form {
            Form::Json => {
                for item in &page.items {
                    let between = if printed > 0 { ",\n" } else { "" };
                    ctl.out.text(&format!("{between}    {}", json::line(item)))?;
                    printed += 1;
                }
            }
            Form::Table => {
                let rows: Vec<Vec<String>> = page.items.iter().map(&columns.row).collect();
                table.rows(&mut ctl.out, &rows)?;
                printed += rows.len() as u64;
            }
        }
        ctl.out.flush()?;
        left -= page.items.len() as u64;
        token = page.next;
        if token.is_empty() || left == 0 {
            break;
        }
    }
    let more = !token.is_empty();
    if ctl.form == Form::Json {
        let total = total.map(|(total, _)| format!(",\n  \"total\": \"{total}\"")).unwrap_or_default();
        ctl.out.line(&format!("{}  ]{total}\n}}", if printed > 0 { "\n" } else { "" }))?;
    } else if more && ctl.out.is_terminal() {
        let of =
            total.map(|(total, least)| format!(" of {}{}", if least { "at least " } else { "" }, show::count(total)));
        eprintln!("{} shown{}", show::count(printed), of.unwrap_or_default());
    }
    ctl.out.flush()?;
    Ok(Ending::Done)
}

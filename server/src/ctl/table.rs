//! Tables in columns: page by page, so that a long list is never gathered. Pure but for where they are printed.

use unicode_width::UnicodeWidthStr as _;

use super::{Trouble, show, terminal::Out};

/// On which side a column's words stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A column's head.
pub(super) type Head = (&'static str, Side);

/// A table whose columns are as wide as its first page needs, and wider where a later page does.
#[derive(Debug)]
pub(super) struct Table {
    heads: &'static [Head],
    widths: Vec<usize>,
    begun: bool,
}

impl Table {
    pub(super) fn new(heads: &'static [Head]) -> Self {
        Self { heads, widths: heads.iter().map(|(head, _)| head.len()).collect(), begun: false }
    }

    /// Prints rows; above the first ones the heads.
    pub(super) fn rows(&mut self, out: &mut Out, rows: &[Vec<String>]) -> Result<(), Trouble> {
        for line in self.lines(rows) {
            out.line(&line)?;
        }
        Ok(())
    }

    fn lines(&mut self, rows: &[Vec<String>]) -> Vec<String> {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let heads = (!self.begun).then(|| self.heads.iter().map(|(head, _)| (*head).to_owned()).collect::<Vec<_>>());
        self.begun = true;
        heads.iter().chain(&rows).map(|row| self.line(row)).collect()
    }

    fn line(&self, row: &[String]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, side)) in row.iter().zip(&self.widths).zip(self.heads) {
            let space = " ".repeat(width.saturating_sub(cell.width()));
            match side {
                Side::Left => line.extend([cell.as_str(), &space, "  "]),
                Side::Right => line.extend([space.as_str(), cell, "  "]),
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Names and values below one another.
pub(super) fn pairs(out: &mut Out, pairs: &[(&str, String)]) -> Result<(), Trouble> {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in pairs {
        let line = format!("{name:<width$}  {}", one_line(value));
        out.line(line.trim_end())?;
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    show::clean(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_one_another_whatever_is_in_them() {
        let mut table = Table::new(&[("ID", Side::Right), ("NAME", Side::Left), ("SIZE", Side::Right)]);
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let lines = table.lines(&[row(["7", "日本.png", "5 B"]), row(["12", "a\n\u{1b}", "1.00 kB"])]);
        let want = ["ID  NAME         SIZE", " 7  日本.png      5 B", "12  a \u{fffd}       1.00 kB"];
        assert_eq!(lines, want);
        // a later page: no heads again, as wide as before or wider
        assert_eq!(table.lines(&[row(["100", "b", ""])]), ["100  b"]);
        assert_eq!(Table::new(&[("ID", Side::Right)]).lines(&[]), ["ID"]);
    }
}

//! How far a job is, as one line and as bars. Pure.

use pixelfox_proto::v1;
use unicode_width::UnicodeWidthStr as _;

use super::show;

/// Columns of a bar between its ends.
const BAR: usize = 30;

/// Whether its images are jobs of their own.
pub(super) fn is_parent(job: &v1::Job) -> bool {
    matches!(job.kind.as_str(), "move_images" | "move_pool" | "delete_images" | "undo")
}

/// Whether it goes no further.
pub(super) fn is_over(job: &v1::Job) -> bool {
    matches!(job.state.as_str(), "completed" | "failed" | "cancelled")
}

/// Whether it ended as it should, with all that belongs to it.
pub(super) fn ended_well(job: &v1::Job) -> bool {
    let left_behind = job.children_failed + job.children_cancelled + job.files_missing;
    job.state == "completed" && left_behind == 0
}

/// Done and to do: bytes where there are any, else images.
fn parts(job: &v1::Job) -> (u64, u64) {
    let by_bytes = job.bytes_total > 0 && !job.kind.starts_with("delete");
    let over = job.children_done + job.children_failed + job.children_cancelled;
    if by_bytes { (job.bytes_done, job.bytes_total) } else { (over, job.children_total) }
}

/// `43 %` of what is to do; of a job without anything to measure, nothing until it has ended.
pub(super) fn done(job: &v1::Job) -> String {
    match parts(job) {
        _ if job.state == "completed" && job.not_moved == 0 => "100 %".into(),
        (_, 0) => String::new(),
        (part, whole) if part > 0 && part < whole / 100 => "< 1 %".into(),
        (part, whole) => format!("{} %", show::percent(part, whole)),
    }
}

/// `job 17 move_pool processing, 43 %, 312 of 1,000 images, 1.20 GB of 3.00 GB, 48.2 MB/s, 2 min left`
pub(super) fn plain(job: &v1::Job) -> String {
    format!("job {} {} {}", job.id, job.kind, said(job).join(", "))
}

fn said(job: &v1::Job) -> Vec<String> {
    let mut said = vec![job.state.clone()];
    let (percent, (part, whole)) = (done(job), parts(job));
    if !percent.is_empty() {
        said.push(percent);
    }
    if is_parent(job) && job.children_total > 0 {
        let (done, total) =
            (show::count(job.children_done.saturating_sub(job.not_moved)), show::counted(job.children_total, "image"));
        said.push(format!("{done} of {total}"));
    }
    if job.bytes_total > 0 && whole == job.bytes_total {
        said.push(format!("{} of {}", show::bytes(part), show::bytes(whole)));
    }
    if job.state == "processing" && job.bytes_per_second > 0.0 {
        said.push(show::rate(job.bytes_per_second));
        if job.eta_seconds > 0.0 {
            said.push(format!("{} left", show::duration(job.eta_seconds)));
        }
    }
    for (number, word) in
        [(job.children_failed, "failed"), (job.children_cancelled, "cancelled"), (job.files_missing, "files missing")]
    {
        if number > 0 {
            said.push(format!("{} {word}", show::count(number)));
        }
    }
    let last = if job.waiting_for.is_empty() { String::new() } else { format!("waits: {}", job.waiting_for) };
    let error = if job.state == "completed" { "" } else { &job.last_error };
    said.extend(
        [&last, error, &job.note].into_iter().map(AsRef::as_ref).filter(|it: &&str| !it.is_empty()).map(str::to_owned),
    );
    said
}

/// A bar for the job and one for each child under way, none wider than `width`: what would wrap could not be drawn over.
pub(super) fn picture(job: &v1::Job, children: &[v1::Job], width: usize) -> Vec<String> {
    let mut lines = vec![bar(job, &format!("job {}", job.id))];
    lines.extend(children.iter().map(|child| bar(child, child.image_uuid.get(..8).unwrap_or("image"))));
    lines.into_iter().map(|line| cut(&show::clean(&line).replace('\n', " "), width)).collect()
}

fn bar(job: &v1::Job, name: &str) -> String {
    let (part, whole) = parts(job);
    let share = if job.state == "completed" && job.not_moved == 0 {
        100
    } else if whole == 0 {
        0
    } else {
        show::percent(part, whole)
    };
    let full = BAR * usize::try_from(share.min(100)).unwrap_or(100) / 100;
    let words = said(job).join("  ");
    format!("{name:<10} [{}{}] {words}", "#".repeat(full), ".".repeat(BAR - full))
}

fn cut(line: &str, width: usize) -> String {
    let mut cut = line.to_owned();
    while cut.width() >= width.max(2) {
        cut.pop();
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent() -> v1::Job {
        v1::Job {
            id: 17,
            kind: "move_pool".into(),
            state: "processing".into(),
            bytes_done: 1_200_000_000,
            bytes_total: 3_000_000_000,
            children_done: 312,
            children_total: 1000,
            bytes_per_second: 48_200_000.0,
            eta_seconds: 125.0,
            ..v1::Job::default()
        }
    }

    #[test]
    fn how_far_a_job_is_on_one_line() {
        let want = "job 17 move_pool processing, 40 %, 312 of 1,000 images, 1.20 GB of 3.00 GB, 48.2 MB/s, 2 min left";
        assert_eq!(plain(&parent()), want);
        let waits = v1::Job { waiting_for: "node s09 is not attached".into(), bytes_per_second: 0.0, ..parent() };
        assert!(plain(&waits).ends_with("1.20 GB of 3.00 GB, waits: node s09 is not attached"), "{}", plain(&waits));
        let failed = v1::Job { state: "failed".into(), children_failed: 2, last_error: "no room".into(), ..parent() };
        assert!(plain(&failed).ends_with("2 failed, no room"), "{}", plain(&failed));
    }

    #[test]
    fn what_was_not_moved_is_no_part_of_what_is_done() {
        let note = "50 of 59 images were not moved: their files are missing";
        let ended = v1::Job {
            state: "completed".into(),
            bytes_done: 24,
            bytes_total: 159,
            children_done: 59,
            children_total: 59,
            not_moved: 50,
            files_missing: 50,
            note: note.into(),
            ..v1::Job { bytes_per_second: 0.0, ..parent() }
        };
        let want = format!("job 17 move_pool completed, 15 %, 9 of 59 images, 24 B of 159 B, 50 files missing, {note}");
        assert_eq!(plain(&ended), want);
        assert!(picture(&ended, &[], 200)[0].contains("[####...."), "{:?}", picture(&ended, &[], 200));
    }

    #[test]
    fn bars_never_wrap() {
        let child = v1::Job { kind: "move_image".into(), image_uuid: "0190a6f2-3b5c".into(), ..parent() };
        let lines = picture(&parent(), &[child], 200);
        assert!(lines[0].starts_with("job 17     [############..................] processing  40 %"), "{lines:?}");
        assert!(lines[1].starts_with("0190a6f2   [############.."), "{lines:?}");
        let odd = v1::Job { last_error: "日本\u{1b}[2J\n".repeat(9), state: "failed".into(), ..parent() };
        for width in [10, 40, 81] {
            for line in picture(&odd, &[], width) {
                assert!(line.width() < width && !line.contains('\u{1b}'), "{line}");
            }
        }
    }

    #[test]
    fn a_good_end_has_nothing_that_failed_was_cancelled_or_is_missing() {
        let done = v1::Job { state: "completed".into(), ..parent() };
        assert!(ended_well(&done) && is_over(&done) && !is_over(&parent()));
        assert!(!ended_well(&v1::Job { children_failed: 1, ..done.clone() }));
        assert!(!ended_well(&v1::Job { children_cancelled: 1, ..done.clone() }));
        assert!(!ended_well(&v1::Job { files_missing: 1, ..done.clone() }));
        assert!(!ended_well(&v1::Job { state: "cancelled".into(), ..done }));
    }
}

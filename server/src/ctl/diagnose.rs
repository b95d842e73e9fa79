//! `ctl diagnose`: each finding as soon as it is known, coloured on a terminal, and whether anything FAILED.

use pixelfox_proto::v1::{self, finding::Status};

use super::{
    Ctl, Ended, Ending, Form, json,
    methods::as_verbs,
    places, show,
    terminal::{Colour, Out},
    trouble::{Trouble, status_word},
};

#[derive(Debug, clap::Args)]
pub(super) struct DiagnoseArgs {
    /// Only what concerns this pool.
    pool: Option<String>,
}

pub(super) async fn run(ctl: &mut Ctl, args: DiagnoseArgs) -> Ended {
    let pool_id = places::pool_if(ctl, args.pool.as_deref()).await?;
    let mut findings = ctl.admin.diagnose(v1::DiagnoseRequest { pool_id }).await?.into_inner();
    let mut seen = Vec::new();
    while let Some(finding) = findings.message().await? {
        match ctl.form {
            Form::Json => ctl.out.line(&json::line(&finding))?,
            Form::Table => print(&mut ctl.out, &finding)?,
        }
        ctl.out.flush()?;
        seen.push(finding.status());
    }
    if ctl.form == Form::Table {
        ctl.out.line(&summary(&seen))?;
        ctl.out.flush()?;
    }
    Ok(if seen.contains(&Status::Failed) { Ending::NotWell } else { Ending::Done })
}

/// `FAILED   node s01    attached            what was seen`, and below it what to do.
pub(super) fn print(out: &mut Out, finding: &v1::Finding) -> Result<(), Trouble> {
    let colour = match finding.status() {
        Status::Ok => Colour::Green,
        Status::Warning => Colour::Yellow,
        Status::Failed | Status::Unspecified => Colour::Red,
    };
    let word = out.coloured(&format!("{:<7}", status_word(finding.status())), colour);
    let (subject, check, message) =
        (show::clean(&finding.subject), show::clean(&finding.check), show::clean(&as_verbs(&finding.message)));
    out.line(&format!("{word}  {subject:<16}  {check:<16}  {message}"))?;
    if !finding.advice.is_empty() {
        out.line(&format!("{:9}-> {}", "", show::clean(&as_verbs(&finding.advice))))?;
    }
    Ok(())
}

fn summary(seen: &[Status]) -> String {
    let number = |status| seen.iter().filter(|seen| **seen == status).count() as u64;
    let (ok, warnings, failed) = (number(Status::Ok), number(Status::Warning), number(Status::Failed));
    format!("{} OK, {}, {} FAILED", show::count(ok), show::counted(warnings, "warning"), show::count(failed))
}

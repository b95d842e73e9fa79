//! `ctl sessions`: sessions of the pages, for who puts pages of their own before the service. Passwords and secrets come
//! by the input: what stands on a command line, everybody on the machine can read.

use clap::Subcommand;
use pixelfox_proto::v1;

use super::{Ctl, Ended, fields, terminal::secret};

#[derive(Debug, clap::Args)]
pub(super) struct SessionsArgs {
    #[command(subcommand)]
    verb: SessionsVerb,
}

#[derive(Debug, Subcommand)]
enum SessionsVerb {
    /// Begin one with an account's password, the input's first line. Its secret alone goes to the output.
    SignIn {
        /// The account.
        name: String,
        /// From where it is, by which tries are counted.
        #[arg(long, value_name = "ADDRESS", default_value = "")]
        client_address: String,
    },
    /// Whose it is and until when, by its secret, the input's first line.
    Show,
    /// End one, by its secret, the input's first line.
    SignOut,
}

pub(super) async fn run(ctl: &mut Ctl, args: SessionsArgs) -> Ended {
    match args.verb {
        SessionsVerb::SignIn { name, client_address } => {
            let password = secret("password")?;
            let request = v1::SignInRequest { name, password, client_address };
            let session = ctl.admin.sign_in(request).await?.into_inner();
            ctl.answer(&session, |out, session| out.line(&session.secret))
        }
        SessionsVerb::Show => {
            let session =
                ctl.admin.get_session(v1::GetSessionRequest { secret: secret("secret")? }).await?.into_inner();
            ctl.answer(&session, fields::print)
        }
        SessionsVerb::SignOut => {
            let answer = ctl.admin.sign_out(v1::SignOutRequest { secret: secret("secret")? }).await?.into_inner();
            ctl.answer(&answer, |out, _| out.line("The session is over."))
        }
    }
}

//! The pages over the Admin service of a running server, without a login, for whoever works on them:
//!
//! ```text
//! cargo run -- dev                                                # elsewhere
//! set -a; . data/dev/secrets.env; set +a
//! cargo run -p pixelfox-admin-web --example preview               # http://127.0.0.1:4080/admin
//! ```
//!
//! Arguments: the server (`http://127.0.0.1:4000`) and the port of the pages on loopback.

use std::{env::args, error::Error, net::Ipv4Addr};

use axum::Router;
use pixelfox_admin_web::{Person, in_process, pages};
use tokio::net::TcpListener;
use tonic::{Request, Status, metadata::MetadataValue, service::interceptor::InterceptedService, transport::Channel};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = args().nth(1).unwrap_or_else(|| "http://127.0.0.1:4000".into());
    let port = args().nth(2).map_or(Ok(4080), |port| port.parse())?;
    #[expect(clippy::disallowed_methods, reason = "a tool for development, with no configuration of its own")]
    let token: MetadataValue<_> = format!("Bearer {}", std::env::var("ADMIN_TOKEN")?).parse()?;
    let channel = Channel::from_shared(server)?.connect_lazy();
    let with_token = move |mut request: Request<()>| -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", token.clone());
        Ok(request)
    };
    let admin = in_process(InterceptedService::new(channel, with_token));
    let person = Person { name: "preview".into(), csrf_token: "none".into() };
    let app: Router = pages(admin);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("http://{}/admin", listener.local_addr()?);
    // Whatever pools there are, their pictures are shown.
    let any_picture = axum::middleware::map_response(|mut response: axum::response::Response| async {
        response.headers_mut().remove("content-security-policy");
        response
    });
    axum::serve(listener, app.layer(axum::Extension(person)).layer(any_picture)).await?;
    Ok(())
}

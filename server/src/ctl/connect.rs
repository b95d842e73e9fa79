//! The way to the server: address, token, trusted certificates and language, from the flags and the environment.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use pixelfox_node::{
    config::{Env, check_base_url},
    tls,
};
use pixelfox_proto::{Language, v1::admin_client::AdminClient};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use super::{Trouble, show};

const DEFAULT_URL: &str = "http://127.0.0.1:8080";
const CONNECT: Duration = Duration::from_secs(5);
/// A server that does not even answer a PING for so long is gone, however long a call may take.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWER: Duration = Duration::from_secs(20);
/// What the Admin service sends at most.
const ANSWER_BYTES: usize = 8 << 20;

/// The client with what goes along with every call.
pub(super) type Admin = AdminClient<InterceptedService<Channel, Metadata>>;

/// How the server is reached.
#[derive(Debug, clap::Args)]
pub(super) struct Reach {
    /// Where the server is: http://host:port or https://host:port. Else ADMIN_URL, else http://127.0.0.1:8080.
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// File with the admin token. Else ADMIN_TOKEN, else the file of ADMIN_TOKEN_FILE.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates to trust for https://, PEM. Else those of TLS_CA_FILE, else the system's.
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Goes along with every call.
#[derive(Clone)]
pub(super) struct Metadata {
    bearer: Option<MetadataValue<Ascii>>,
    language: MetadataValue<Ascii>,
}

impl Interceptor for Metadata {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.bearer {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        request.metadata_mut().insert("accept-language", self.language.clone());
        Ok(request)
    }
}

impl Reach {
    /// The address as it stands in messages.
    pub(super) fn shown_url(&self) -> String {
        let given = self.url.clone().or_else(|| Env::process().text("ADMIN_URL"));
        show::clean(&given.unwrap_or_else(|| DEFAULT_URL.to_owned()))
    }

    /// In which language the server is asked to speak, and we do.
    pub(super) fn language(&self) -> Language {
        language(&mut Env::new(|name| self.value(name)))
    }

    /// A client whose connection stands.
    ///
    /// # Errors
    /// A flag or variable that is wrong, or nobody there.
    pub(super) async fn connect(&self) -> Result<Admin, Trouble> {
        let mut env = Env::new(|name| self.value(name));
        let url = env.text("ADMIN_URL").unwrap_or_else(|| DEFAULT_URL.to_owned());
        let token = env.secret("ADMIN_TOKEN");
        let (ca_file, language) = (env.text("TLS_CA_FILE").map(PathBuf::from), language(&mut env));
        let token = env.finish(token).map_err(|problems| Trouble::Usage(problems.to_string()))?;
        let url = base_url(&url).map_err(|why| Trouble::Usage(format!("--url: {why}")))?;
        let mut endpoint = Endpoint::from_shared(url.clone())
            .map_err(|error| Trouble::Usage(format!("--url: `{url}`: {error}")))?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWER);
        if url.starts_with("https:") {
            let trusted = tls::client(ca_file.as_deref()).map_err(|problem| Trouble::Usage(problem.to_string()))?;
            endpoint = endpoint.tls_config(trusted).map_err(|error| Trouble::Usage(cause(&error)))?;
        }
        let bearer = token.map(|token| format!("Bearer {token}").parse()).transpose();
        let mut bearer: Option<MetadataValue<Ascii>> =
            bearer.map_err(|_| Trouble::Usage("ADMIN_TOKEN: has characters that no header may have".into()))?;
        if let Some(bearer) = &mut bearer {
            bearer.set_sensitive(true);
        }
        let unreachable = |error| Trouble::Unreachable(over_tls(&url, cause(&error), ca_file.as_deref()));
        let channel = endpoint.connect().await.map_err(unreachable)?;
        let metadata = Metadata { bearer, language: MetadataValue::from_static(language.tag()) };
        Ok(AdminClient::with_interceptor(channel, metadata).max_decoding_message_size(ANSWER_BYTES))
    }

    /// A variable, with what a flag says instead.
    fn value(&self, name: &str) -> Option<OsString> {
        let of_process = |name: &str| Env::process().text(name).map(OsString::from);
        match name {
            "ADMIN_URL" if self.url.is_some() => self.url.clone().map(OsString::from),
            "ADMIN_TOKEN" if self.token_file.is_some() => None,
            "ADMIN_TOKEN_FILE" if self.token_file.is_some() => self.token_file.clone().map(OsString::from),
            "TLS_CA_FILE" if self.ca_file.is_some() => self.ca_file.clone().map(OsString::from),
            _ => of_process(name),
        }
    }
}

/// `host:port` is taken as people write it for grpcurl.
fn base_url(text: &str) -> Result<String, String> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = check_base_url(&text)?;
    match url.split_once("://") {
        Some((_, rest)) if rest.contains('/') => Err(format!("`{url}` must be host and port only")),
        _ => Ok(url),
    }
}

/// In which language the server is asked to speak, by what the system's programs go by.
fn language(env: &mut Env<'_>) -> Language {
    let chosen = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| env.text(name));
    if chosen.is_some_and(|locale| locale.starts_with("de")) { Language::De } else { Language::En }
}

/// The innermost cause says what happened: `Connection refused (os error 111)`.
fn cause(error: &tonic::transport::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |cause| cause.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

/// What TLS says of who answers there, as a person would say it, with what to do. Source: `Display` of rustls' errors.
fn over_tls(url: &str, cause: String, ca_file: Option<&Path>) -> String {
    let Some(rest) = url.strip_prefix("https://") else { return cause };
    if cause.contains("InvalidContentType") || cause.contains("corrupt message") {
        return format!(
            "who answers there does not speak TLS: use http://{rest}, or the port of the proxy that has the certificate"
        );
    }
    if cause.starts_with("received fatal alert: ") {
        return format!(
            "it takes no TLS connection ({cause}): use the name that its certificate is for in the address"
        );
    }
    let Some(wrong) = cause.strip_prefix("invalid peer certificate: ") else { return cause };
    if wrong.starts_with("UnknownIssuer") {
        let trusted = ca_file.map_or_else(|| "the system's".to_owned(), |file| format!("those in {}", file.display()));
        format!(
            "its certificate is of an authority that is none of {trusted}: name the file of the one that made it with \
             --ca-file or TLS_CA_FILE"
        )
    } else if wrong.starts_with("certificate not valid for name") {
        format!("its certificate is for another name ({wrong}): use the name that it is for in the address")
    } else if wrong.starts_with("certificate expired") {
        format!("its certificate has expired ({wrong}): renew it there, or set this machine's clock right")
    } else {
        cause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn https_to_a_port_without_tls_is_told_in_words() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let plain = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 64];
            stream.read_exact(&mut hello).await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        };
        let reach = Reach { url: Some(url.clone()), token_file: None, ca_file: None };
        let (refused, ()) = tokio::join!(reach.connect(), plain);
        let Err(Trouble::Unreachable(why)) = refused else { panic!("somebody answered") };
        assert!(why.contains("does not speak TLS") && why.contains(&url.replace("https", "http")), "{why}");
    }

    #[test]
    fn a_certificate_that_is_not_believed_is_told_with_what_to_do() {
        use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, pki_types::UnixTime};
        let file = Path::new("/etc/ca.pem");
        let at = UnixTime::since_unix_epoch;
        let expired = CertificateError::ExpiredContext { time: at(CONNECT), not_after: at(Duration::ZERO) };
        let presented = vec!["DnsName(\"app\")".into()];
        let other = CertificateError::NotValidForNameContext { expected: "img".try_into().unwrap(), presented };
        for (error, ca_file, want) in [
            (
                Error::InvalidCertificate(CertificateError::UnknownIssuer),
                Some(file),
                "none of those in /etc/ca.pem: name",
            ),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), None, "none of the system's: name the file"),
            (Error::InvalidCertificate(expired), None, "has expired"),
            (Error::InvalidCertificate(other), None, "is for another name"),
            (Error::AlertReceived(AlertDescription::InternalError), None, "use the name that its certificate is for"),
            (Error::DecryptError, None, "decrypt"),
        ] {
            let said = over_tls("https://img", error.to_string(), ca_file);
            assert!(said.contains(want), "{said}");
        }
    }

    #[test]
    fn an_address_as_people_write_it() {
        for (text, want) in [
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("https://app.example/", Some("https://app.example")),
            ("https://app.example/admin", None),
            ("ftp://app.example", None),
            ("http://user:word@app.example", None),
            ("", None),
        ] {
            assert_eq!(base_url(text).ok().as_deref(), want, "{text}");
        }
    }

    #[test]
    fn the_language_by_the_locale() {
        for (locale, want) in
            [(&[("LANG", "de_DE.UTF-8")][..], "de"), (&[("LANG", "de_DE"), ("LC_ALL", "C.UTF-8")], "en"), (&[], "en")]
        {
            let lookup = |name: &str| locale.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            assert_eq!(language(&mut Env::new(lookup)).tag(), want, "{locale:?}");
        }
    }
}

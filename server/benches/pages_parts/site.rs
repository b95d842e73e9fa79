//! The pages as a browser has them, in this process or by HTTP, and how long they take.

use axum::{Router, body::Body};
use http::{Method, Request, StatusCode, header};
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::addresses::{ADDRESSES, Address};

/// Times that each page is asked for.
const TIMES: usize = 200;
/// Browsers at once.
const BROWSERS: usize = 2;
const GOAL_MS: f64 = 300.0;
const GOAL_KB: f64 = 60.0;
/// A form's own.
const TOKEN: &str = "name=\"csrf_token\" value=\"";

/// The pages, for somebody who is signed in.
pub(crate) struct Site {
    way: Way,
    cookie: String,
}

enum Way {
    InProcess(Router),
    Http { client: reqwest::Client, base: String },
}

/// An answer, with its body as it came over the wire.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) location: String,
    pub(crate) is_compressed: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Site {
    pub(crate) fn of(pages: Router, secret: &str) -> Self {
        Self { way: Way::InProcess(pages), cookie: format!("pixelfox_session={secret}") }
    }

    pub(crate) fn at(base: String, secret: &str) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { way: Way::Http { client, base }, cookie: format!("pixelfox_session={secret}") }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "br", String::new()).await
    }

    /// A form with its token, and the answer in the clear.
    pub(crate) async fn post(&self, path: &str, form: &str, token: &str) -> Answer {
        self.ask(Method::POST, path, "identity", format!("csrf_token={token}&{form}")).await
    }

    /// Of a page with forms.
    pub(crate) async fn token(&self) -> String {
        let page = self.ask(Method::GET, "/admin/settings", "identity", String::new()).await;
        let page = String::from_utf8(page.bytes).unwrap();
        page.split_once(TOKEN).unwrap().1.split_once('"').unwrap().0.to_owned()
    }

    async fn ask(&self, method: Method, path: &str, encoding: &str, body: String) -> Answer {
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("accept-encoding", encoding),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        match &self.way {
            Way::InProcess(pages) => {
                let request = Request::builder().method(method).uri(path).header("host", "bench");
                let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
                let response = pages.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
                let (head, body) = response.into_parts();
                let bytes = axum::body::to_bytes(body, 1 << 26).await.unwrap().to_vec();
                answer(head.status, &head.headers, bytes)
            }
            Way::Http { client, base } => {
                let request = client.request(method, format!("{base}{path}"));
                let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
                let response = request.body(body).send().await.unwrap();
                let (status, headers) = (response.status(), response.headers().clone());
                answer(status, &headers, response.bytes().await.unwrap().to_vec())
            }
        }
    }
}

fn answer(status: StatusCode, headers: &http::HeaderMap, bytes: Vec<u8>) -> Answer {
    let location = headers.get(header::LOCATION).map_or("", |location| location.to_str().unwrap()).to_owned();
    Answer { status, location, is_compressed: headers.contains_key(header::CONTENT_ENCODING), bytes }
}

/// Every page, and what misses its goal.
pub(crate) async fn measure(site: &Site, count: i64) {
    let mut missed = 0;
    for (page, address) in ADDRESSES {
        let figures = times(site, *address, count).await;
        let (ms, kb) = (figures.at(0.99), figures.bytes / 1000.0);
        let verdict = if ms < GOAL_MS && kb < GOAL_KB { "" } else { "   <- misses its goal" };
        missed += usize::from(!verdict.is_empty());
        println!(
            "  {page:<44} p50 {:>6.1} ms   p99 {ms:>6.1} ms   most {:>6.1} ms   {kb:>5.1} kB{verdict}",
            figures.at(0.5),
            figures.at(1.0),
        );
    }
    println!("  goals: p99 < {GOAL_MS} ms, < {GOAL_KB} kB compressed; missed by {missed}");
}

struct Figures {
    /// Sorted.
    ms: Vec<f64>,
    bytes: f64,
}

impl Figures {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a list"
    )]
    fn at(&self, share: f64) -> f64 {
        let at = (self.ms.len() as f64 * share).ceil() as usize;
        self.ms[at.clamp(1, self.ms.len()) - 1]
    }
}

async fn times(site: &Site, address: Address, count: i64) -> Figures {
    let browser = |first: usize| async move {
        let (mut ms, mut most) = (Vec::new(), 0);
        for time in (first..TIMES).step_by(BROWSERS) {
            let path = address(i64::try_from(time).unwrap(), count);
            let begin = Instant::now();
            let answer = site.get(&path).await;
            ms.push(begin.elapsed().as_secs_f64() * 1000.0);
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert!(answer.is_compressed, "{path}");
            most = most.max(answer.bytes.len());
        }
        (ms, most)
    };
    let all = futures_util::future::join_all((0..BROWSERS).map(browser)).await;
    let bytes = all.iter().map(|(_, most)| *most).max().unwrap_or(0);
    let mut ms: Vec<f64> = all.into_iter().flat_map(|(ms, _)| ms).collect();
    ms.sort_by(f64::total_cmp);
    Figures { ms, bytes: f64::from(u32::try_from(bytes).unwrap()) }
}

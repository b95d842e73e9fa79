//! Somebody who is signed in to the pages of a whole cluster and has no browser: asks, sends forms, follows where they lead.

use reqwest::{Client, Response};

use crate::harness::{TestCluster, http_client};

/// Where a page says what became of something.
const SAYS: [&str; 7] = [
    "class=\"note bad\"",
    "class=\"note warn\"",
    "class=\"finding bad\"",
    "class=\"finding warn\"",
    "class=\"fault\"",
    "class=\"wrong\"",
    "class=\"message\"",
];

/// What came back in the end, as text.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) html: String,
    /// How the action ended by the note of the page that it led to: `good`, `warn`, `bad`; empty: no note.
    pub(crate) ended: String,
}

impl Page {
    /// What the page says about what was sent: its notes, and what stands at fields.
    pub(crate) fn said(&self) -> String {
        let marked = SAYS.iter().flat_map(|mark| self.html.match_indices(mark).map(|(at, mark)| at + mark.len()));
        let text = |at: usize| {
            let rest = &self.html[at..];
            let end = ["</p>", "</div>"].iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
            rest[..end]
                .split('<')
                .filter_map(|part| part.split_once('>'))
                .map(|(_, text)| text.trim())
                .collect::<String>()
        };
        marked.map(text).collect::<Vec<_>>().join(" | ")
    }

    /// Whether a form did what it was sent for.
    pub(crate) fn is_done(&self) -> bool {
        self.ended == "good" || self.html.contains("class=\"card made\"")
    }
}

/// Signed in as `admin`, with the token of a form.
pub(crate) struct Reader {
    http: Client,
    at: String,
    pub(crate) cookie: String,
    token: String,
}

impl Reader {
    pub(crate) async fn sign_in(cluster: &TestCluster) -> Self {
        let at = format!("http://{}", cluster.app());
        let mut reader = Self { http: http_client(), at, cookie: String::new(), token: String::new() };
        let door = reader.ask("/admin/login").await;
        reader.cookie = cookies(&door).remove(0);
        reader.token = token(&door.text().await.unwrap());
        let password = cluster.secret("ADMIN_PASSWORD");
        let entered = reader.post("/admin/login", &[("username", "admin"), ("password", &password)]).await;
        assert_eq!(entered.status(), 303);
        reader.cookie = cookies(&entered).into_iter().find(|cookie| cookie.starts_with("pixelfox_session=")).unwrap();
        reader.token = token(&reader.ask("/admin").await.text().await.unwrap());
        reader
    }

    async fn ask(&self, path: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.at)).header("accept", "text/html");
        request.header("accept-language", "de").header("cookie", &self.cookie).send().await.unwrap()
    }

    /// A page.
    pub(crate) async fn get(&self, path: &str) -> Page {
        page(self.ask(path).await).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.post_as(path, fields, &self.at, &self.token).await
    }

    async fn post_as(&self, path: &str, fields: &[(&str, &str)], origin: &str, token: &str) -> Response {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("csrf_token", token).extend_pairs(fields);
        let request = self.http.post(format!("{}{path}", self.at)).header("origin", origin);
        let request = request.header("accept-language", "de").header("cookie", &self.cookie);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.finish());
        request.send().await.unwrap()
    }

    /// A form, and the page that it leads to with what that says once.
    pub(crate) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let answer = self.post(path, fields).await;
        if answer.status() != 303 {
            return page(answer).await;
        }
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        let note = cookies(&answer).into_iter().find(|cookie| cookie.starts_with("pixelfox_note="));
        let path = location.split('#').next().unwrap().to_owned();
        let with_note = Self { cookie: format!("{}; {}", self.cookie, note.unwrap_or_default()), ..self.again() };
        let Page { status, html, .. } = with_note.get(&path).await;
        let ended = html.split("<p class=\"note ").find(|part| part.contains("data-once"));
        let ended = ended.map(|part| part.split('"').next().unwrap_or_default().to_owned()).unwrap_or_default();
        Page { status, html, ended }
    }

    /// A form with the token of an earlier session, and one that another site has sent.
    pub(crate) async fn send_stale(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        page(self.post_as(path, fields, &self.at, "AAAA").await).await
    }

    pub(crate) async fn send_foreign(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        page(self.post_as(path, fields, "https://evil.example", &self.token).await).await
    }

    fn again(&self) -> Self {
        Self { http: self.http.clone(), at: self.at.clone(), cookie: self.cookie.clone(), token: self.token.clone() }
    }
}

async fn page(response: Response) -> Page {
    let status = response.status().as_u16();
    let html = response.text().await.unwrap();
    Page { status, html, ended: String::new() }
}

fn cookies(response: &Response) -> Vec<String> {
    let all = response.headers().get_all("set-cookie").into_iter();
    all.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned()).collect()
}

fn token(html: &str) -> String {
    html.split("name=\"csrf_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Text as it stands in a page.
pub(crate) fn escaped(text: &str) -> String {
    let one = |sign| match sign {
        '&' | '<' | '>' | '"' | '\'' => format!("&#{};", u32::from(sign)),
        sign => sign.to_string(),
    };
    text.chars().map(one).collect()
}

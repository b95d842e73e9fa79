//! A real browser, driven by a test: Debian's Chromium and its driver, each test with a profile of its own.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, key::Key, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep},
};

use crate::harness::PATIENCE;

/// How often a condition on a page is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Browsers that run at once: each takes a core.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) width: u32,
    pub(crate) scheme: &'static str,
    pub(crate) language: &'static str,
}

impl View {
    /// A desk in daylight.
    pub(crate) const DESK: Self = Self { width: 1440, scheme: "light", language: "de" };
}

/// A browser with one tab.
pub(crate) struct Browser {
    pub(crate) page: Client,
    driver: Child,
    _profile: TempDir,
    _turn: SemaphorePermit<'static>,
}

impl Browser {
    /// Starts the driver and a session whose `Accept-Language` is `language`.
    pub(crate) async fn start(language: &str) -> Self {
        let turn = BROWSERS.acquire().await.unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let profile = tempfile::tempdir().unwrap();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is not here: apt-get install chromium chromium-driver");
        let capabilities = capabilities(profile.path(), language);
        let until = Instant::now() + PATIENCE;
        let page = loop {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities.clone());
            match builder.connect(&format!("http://127.0.0.1:{port}")).await {
                Ok(page) => break page,
                Err(error) if Instant::now() > until => panic!("no browser: {error}"),
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        };
        Self { page, driver, _profile: profile, _turn: turn }
    }

    pub(crate) async fn close(mut self) {
        self.page.close().await.unwrap();
        self.driver.kill().await.unwrap();
    }

    pub(crate) async fn open(&self, url: &str) {
        self.page.goto(url).await.unwrap();
    }

    /// Width, colours and language from here on.
    pub(crate) async fn view(&self, view: View) {
        let mobile = view.width < 600;
        let size = json!({"width": view.width, "height": 900, "deviceScaleFactor": 1, "mobile": mobile});
        self.command("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": view.scheme}]});
        self.command("Emulation.setEmulatedMedia", scheme).await;
        self.command("Network.enable", json!({})).await;
        let language = json!({"headers": {"Accept-Language": view.language}});
        self.command("Network.setExtraHTTPHeaders", language).await;
    }

    /// Pages loaded from here on run no scripts.
    pub(crate) async fn without_scripts(&self) {
        self.command("Emulation.setScriptExecutionDisabled", json!({"value": true})).await;
    }

    /// A command of the DevTools protocol.
    pub(crate) async fn command(&self, name: &'static str, parameters: Value) -> Value {
        self.page.issue_cmd(DevTools(name, parameters)).await.unwrap()
    }

    /// The element that `css` finds, as soon as there is one.
    pub(crate) async fn find(&self, css: &str) -> Element {
        match self.page.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(error) => panic!("{css}: {error}\non {}", self.text().await),
        }
    }

    /// What is on the page for people.
    pub(crate) async fn text(&self) -> String {
        // Between two pages there is none.
        let Ok(body) = self.page.find(Locator::Css("body")).await else { return String::new() };
        body.text().await.unwrap_or_default()
    }

    /// Returns when `text` is on the page.
    pub(crate) async fn wait_for(&self, text: &str) {
        self.wait_until(text, async |browser| browser.text().await.contains(text)).await;
    }

    /// Returns when `condition` holds; `what` is it in words.
    pub(crate) async fn wait_until(&self, what: &str, condition: impl AsyncFn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !condition(self).await {
            assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}\non {}", self.text().await);
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The first element that is seen of those that `xpath` finds, as soon as there is one.
    pub(crate) async fn seen(&self, xpath: &str) -> Element {
        let until = Instant::now() + PATIENCE;
        loop {
            for element in self.page.find_all(Locator::XPath(xpath)).await.unwrap() {
                // What a live page has replaced meanwhile is looked for again.
                if element.is_displayed().await.unwrap_or(false) {
                    return element;
                }
            }
            assert!(Instant::now() < until, "not within {PATIENCE:?}: {xpath}\non {}", self.text().await);
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The field that people know by `label`.
    pub(crate) async fn field(&self, label: &str) -> Element {
        let labelled = format!("//label[normalize-space(.)='{label}' or normalize-space(text())='{label}']");
        let inside = "//*[self::input or self::select or self::textarea]";
        self.seen(&format!("//*[@id={labelled}/@for] | {labelled}{inside} | //*[@aria-label='{label}']")).await
    }

    /// Types into a field, instead of what is there.
    pub(crate) async fn fill(&self, label: &str, text: &str) {
        let field = self.field(label).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Chooses the option whose text begins so.
    pub(crate) async fn choose(&self, label: &str, option: &str) {
        let field = self.field(label).await;
        let option = format!(".//option[starts-with(normalize-space(.), '{option}')]");
        field.find(Locator::XPath(&option)).await.unwrap().click().await.unwrap();
    }

    /// Presses the button or link that is called so.
    pub(crate) async fn press(&self, name: &str) {
        let called = format!("[normalize-space(.)='{name}' or @aria-label='{name}']");
        let xpath = format!("//button{called} | //a{called} | //summary{called}");
        let until = Instant::now() + PATIENCE;
        // A live page, or the next one, may put another element in its place meanwhile.
        while let Err(error) = self.seen(&xpath).await.click().await {
            assert!(error.is_stale_element_reference() && Instant::now() < until, "{name}: {error}");
        }
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    /// Presses a key as the keyboard does: where the focus is.
    pub(crate) async fn key(&self, key: Key) {
        self.keys(&char::from(key).to_string()).await;
    }

    pub(crate) async fn keys(&self, text: &str) {
        self.page.active_element().await.unwrap().send_keys(text).await.unwrap();
    }

    /// Something that only this very page has: a page that was loaded again has lost it.
    pub(crate) async fn mark(&self) {
        self.run("window.marked = true").await;
    }

    pub(crate) async fn assert_not_loaded_again(&self) {
        assert_eq!(self.run("return window.marked === true").await, true, "the page was loaded again");
    }

    /// The path of the page that is shown.
    pub(crate) async fn path(&self) -> String {
        self.page.current_url().await.unwrap().path().to_owned()
    }

    /// The value of a script's `return`.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.unwrap()
    }

    /// The whole page, or the first screens of a long one, as a PNG below `target/screenshots`.
    pub(crate) async fn screenshot(&self, name: &str) {
        let size = self.run("return [innerWidth, Math.min(document.documentElement.scrollHeight, 2600)]").await;
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let shot = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let answer = self.command("Page.captureScreenshot", shot).await;
        let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, answer["data"].as_str().unwrap());
        let dir = target().join("screenshots");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }

    /// What axe-core finds that is serious or worse, as lines for people; empty where all is well.
    pub(crate) async fn serious_faults(&self) -> Vec<String> {
        let axe = target().join("tools/axe.min.js");
        let axe = std::fs::read_to_string(&axe).unwrap_or_else(|_| panic!("{} is missing: make tools", axe.display()));
        self.page.execute(&axe, Vec::new()).await.unwrap();
        let script = "const done = arguments[arguments.length - 1]; \
            axe.run({resultTypes: ['violations']}).then(found => done(found.violations \
              .filter(v => v.impact === 'serious' || v.impact === 'critical') \
              .flatMap(v => v.nodes.map(n => v.id + ': ' + v.help + ': ' + n.html.slice(0, 200)))), e => done(['' + e]))";
        let found = self.page.execute_async(script, Vec::new()).await.unwrap();
        found.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }
}

#[derive(Debug)]
struct DevTools(&'static str, Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"cmd": self.0, "params": self.1}).to_string()))
    }
}

fn capabilities(profile: &Path, language: &str) -> Map<String, Value> {
    let options = json!({"args": [
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
        "--no-first-run", "--window-size=1440,900", "--disable-background-networking", "--disable-component-update",
        format!("--lang={language}"), format!("--accept-lang={language}"),
        format!("--user-data-dir={}", profile.display()),
    ]});
    let Value::Object(all) =
        json!({"browserName": "chrome", "timeouts": {"script": 60_000}, "goog:chromeOptions": options})
    else {
        unreachable!()
    };
    all
}

/// The directory that cargo builds into.
fn target() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_BIN_EXE_server"));
    own.ancestors().nth(2).expect("below target/<profile>").to_owned()
}

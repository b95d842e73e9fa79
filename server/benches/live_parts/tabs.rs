//! Windows of a browser, each with a page that is open, and what they have seen.

use fantoccini::wd::WindowHandle;
use serde_json::{Value, json};

use super::{super::driver::Browser, marks::Marks};

/// From here on the page notes when a name was there first, each change and how long it took, and tasks over 50 ms.
const NOTE: &str = r"
window.seen = {}; window.patches = []; window.long = [];
const known = window.patch;
window.patch = regions => {
    const begin = performance.now();
    known(regions);
    window.patches.push([Date.now(), performance.now() - begin]);
    for (const [, number] of document.body.textContent.matchAll(/mark-(\d+)\./g)) window.seen[number] ??= Date.now();
};
new PerformanceObserver(list => window.long.push(...list.getEntries().map(it => it.duration)))
    .observe({ type: 'longtask' });
";
const NOTED: &str = "return {seen: window.seen, patches: window.patches, long: window.long, now: Date.now(), \
    visible: document.visibilityState, lost: !document.getElementById('lost').hidden}";

/// All of them.
pub(crate) struct Tabs<'a> {
    browser: &'a Browser,
    windows: Vec<(String, WindowHandle)>,
}

impl<'a> Tabs<'a> {
    /// One connection is left for what else a page asks for: browsers open six to a host.
    pub(crate) async fn open(browser: &'a Browser, base: &str, job: u64) -> Self {
        let pages = [
            "/admin".to_owned(),
            "/admin/images?view=table".into(),
            "/admin/queues?scope=all".into(),
            "/admin/storage".into(),
            format!("/admin/queues/{job}"),
        ];
        let mut windows = vec![(String::new(), browser.page.window().await.unwrap())];
        for _further in 1..pages.len() {
            windows.push((String::new(), browser.page.new_window(false).await.unwrap().handle));
        }
        for (window, page) in windows.iter_mut().zip(pages) {
            browser.page.switch_to_window(window.1.clone()).await.unwrap();
            browser.open(&format!("{base}{page}")).await;
            browser.run(NOTE).await;
            browser.command("Performance.enable", json!({})).await;
            window.0 = page;
        }
        Self { browser, windows }
    }

    /// What each has seen until now.
    pub(crate) async fn look(&mut self) -> Vec<Tab> {
        let mut all = Vec::new();
        for (page, window) in &self.windows {
            self.browser.page.switch_to_window(window.clone()).await.unwrap();
            let noted = self.browser.run(NOTED).await;
            let metrics = self.browser.command("Performance.getMetrics", json!({})).await;
            all.push(Tab { page: page.clone(), noted, metrics });
        }
        all
    }
}

/// What one has seen.
pub(crate) struct Tab {
    page: String,
    noted: Value,
    metrics: Value,
}

impl Tab {
    fn metric(&self, name: &str) -> f64 {
        let all = self.metrics["metrics"].as_array().unwrap();
        all.iter().find(|metric| metric["name"] == name).and_then(|metric| metric["value"].as_f64()).unwrap_or(0.0)
    }

    fn list(&self, name: &str) -> &[Value] {
        self.noted[name].as_array().unwrap()
    }

    /// For people.
    pub(crate) fn between(before: &Self, after: &Self, marks: &Marks) -> String {
        let seconds = (after.noted["now"].as_f64().unwrap() - before.noted["now"].as_f64().unwrap()) / 1000.0;
        let share = |name: &str| (after.metric(name) - before.metric(name)) / seconds * 100.0;
        let patches: Vec<(f64, f64)> = after.list("patches")[before.list("patches").len()..]
            .iter()
            .map(|patch| (patch[0].as_f64().unwrap(), patch[1].as_f64().unwrap()))
            .collect();
        // The most that came within any second.
        let most =
            patches.iter().map(|(at, _)| patches.iter().filter(|(it, _)| (0.0..1000.0).contains(&(it - at))).count());
        let slowest = patches.iter().map(|(_, took)| *took).fold(0.0, f64::max);
        let (earlier, seen) = (before.noted["seen"].as_object().unwrap(), after.noted["seen"].as_object().unwrap());
        let new = seen.iter().filter(|(number, _)| !earlier.contains_key(*number));
        let mut late: Vec<f64> =
            new.filter_map(|(number, at)| Some(at.as_f64().unwrap() - marks.at(number.parse().ok()?)?)).collect();
        late.sort_by(f64::total_cmp);
        let late = match late.as_slice() {
            [] => "none of the names seen".to_owned(),
            all => {
                let at = |share: usize| all[(all.len() * share).div_ceil(100) - 1];
                format!("{} names seen, p50 {:.0} ms late, p99 {:.0}, most {:.0}", all.len(), at(50), at(99), at(100))
            }
        };
        format!(
            "{:<26} {late}; {:.2} changes/s, at most {} in a second, slowest {slowest:.1} ms; main thread {:.1} % \
             (script {:.1}, style and layout {:.1}); {} tasks over 50 ms; heap {:.1} → {:.1} MB, {:.0} → {:.0} nodes; {} {}",
            after.page,
            patches.len() as f64 / seconds,
            most.max().unwrap_or(0),
            share("TaskDuration"),
            share("ScriptDuration"),
            share("RecalcStyleDuration") + share("LayoutDuration"),
            after.list("long").len() - before.list("long").len(),
            before.metric("JSHeapUsedSize") / 1e6,
            after.metric("JSHeapUsedSize") / 1e6,
            before.metric("Nodes"),
            after.metric("Nodes"),
            after.noted["visible"].as_str().unwrap(),
            if after.noted["lost"] == true { "LOST" } else { "live" },
        )
    }
}

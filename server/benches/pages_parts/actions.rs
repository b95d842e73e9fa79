//! What is done to many at once by the forms of the pages: each once, because it changes the books; the changes of the
//! earlier ones are there for the later ones.

use tokio::time::Instant;

use super::{addresses::uuid, site::Site};

/// What is chosen on one page of the list, and the most that a form takes.
const CHOSEN: [i64; 2] = [60, 1_000];

pub(crate) async fn measure(site: &Site, count: i64) {
    println!("  forms, each once:");
    let token = site.token().await;
    let at = |path: &'static str, form: String| {
        let token = token.clone();
        async move {
            let begin = Instant::now();
            let answer = site.post(path, &form, &token).await;
            let ms = begin.elapsed().as_secs_f64() * 1000.0;
            let what = form.split("uuid=").next().unwrap().chars().take(60).collect::<String>();
            let (status, to, kb) = (answer.status.as_u16(), answer.location, answer.bytes.len() / 1000);
            println!("  {path:<24} {what:<44} {ms:>8.1} ms   {status} {to} {kb} kB plain");
            assert!(status == 200 || status == 303, "{}", String::from_utf8_lossy(&answer.bytes));
        }
    };
    for (times, chosen) in (0..).zip(CHOSEN) {
        // Images of pool 1 without a job: all children have the first pools as their source, so the newest are free.
        let of = |first: i64| {
            let numbers = (first..).filter(|i| i % 5 < 2).take(usize::try_from(chosen).unwrap());
            numbers.map(|i| format!("&uuid={}", uuid(i))).collect::<String>()
        };
        let first = count / 2 + times * 10_000;
        at("/admin/images/selected", format!("do=move&n={chosen}{}", of(first))).await;
        at("/admin/images/move", format!("do=preview&target=7&n={chosen}{}", of(first))).await;
        at("/admin/images/move", format!("do=start&target=7&n={chosen}{}", of(first))).await;
        at("/admin/images/selected", format!("do=delete&n={chosen}{}", of(first + 5_000))).await;
        at("/admin/images/delete", format!("n={chosen}{}", of(first + 5_000))).await;
    }
    at("/admin/storage/1/move", "target=9&limit=".into()).await;
    at("/admin/queues/change", "do=retry&state=failed".into()).await;
    at("/admin/queues/change", "do=retry&state=failed&node=s12&sure=1".into()).await;
    at("/admin/queues/change", "do=cancel&state=pending&scope=all".into()).await;
    at("/admin/queues/change", "do=cancel&state=pending&node=s11&scope=all&sure=1".into()).await;
    at("/admin/queues/pause", String::new()).await;
    at("/admin/queues/resume", String::new()).await;
}

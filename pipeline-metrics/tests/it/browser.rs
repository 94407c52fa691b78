//! A headless Chromium, where there is one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What a browser saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What it wrote to its console.
    pub(crate) complaints: Vec<String>,
    pub(crate) inner_width: i64,
    pub(crate) scroll_width: i64,
    /// Elements that reach beyond the page.
    pub(crate) too_wide: Vec<String>,
    /// Headings that are more than one level below the one before.
    pub(crate) headings_below: Vec<String>,
    /// Drawings that are to be seen.
    pub(crate) charts: usize,
}

pub(crate) struct Browser {
    program: PathBuf,
}

impl Browser {
    /// The program; `None`, and said so, where it is not installed.
    #[expect(
        clippy::disallowed_methods,
        reason = "where programs are depends on the machine"
    )]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    pub(crate) fn find() -> Option<Self> {
        let folders = std::env::var_os("PATH")?;
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let mut programs =
            std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
        let program = programs.find(|program| program.is_file());
        if program.is_none() {
            eprintln!("SKIPPED: there is no chromium");
        }
        program.map(|program| Self { program })
    }

    /// Shows a page in a frame of this width: a window has a least width, and a frame has none.
    pub(crate) fn look(&self, html: &str, width: i64) -> Seen {
        let folder = tempfile::tempdir().unwrap();
        // The test's copy measures itself, which the page itself may not: its policy allows no script.
        let policy = html.find("<meta http-equiv").unwrap();
        let end = policy + html[policy..].find('\n').unwrap();
        let measured = format!("{}{}{MEASURE}", &html[..policy], &html[end..]);
        fs::write(folder.path().join("page.html"), measured).unwrap();
        let frame = format!(
            "<!doctype html><title>frame</title><link rel=icon href=data:,><body style=margin:0>\
             <iframe src=page.html style=\"border:0;width:{width}px;height:4000px\"></iframe>\
             <script>addEventListener('message', said => document.body.append(said.data))</script>"
        );
        let outer = folder.path().join("frame.html");
        fs::write(&outer, frame).unwrap();
        let output = Command::new(&self.program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--enable-logging=stderr",
                "--virtual-time-budget=4000",
                "--dump-dom",
            ])
            .arg(format!("--window-size={},4000", width.max(600) + 40))
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            .arg(format!("file://{}", outer.display()))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let document = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = document
            .split("SEEN")
            .nth(1)
            .unwrap_or_else(|| panic!("nothing was measured: {document}\n{errors}"));
        let said: serde_json::Value = serde_json::from_str(
            &said
                .replace("&amp;", "&")
                .replace("&lt;", "<")
                .replace("&gt;", ">"),
        )
        .unwrap();
        let texts = |name: &str| {
            let list = said[name].as_array().unwrap().iter();
            list.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        Seen {
            complaints: errors
                .lines()
                .filter(|line| line.contains("CONSOLE"))
                .map(str::to_owned)
                .collect(),
            inner_width: said["inner"].as_i64().unwrap(),
            scroll_width: said["scroll"].as_i64().unwrap(),
            too_wide: texts("wide"),
            headings_below: texts("headings"),
            charts: usize::try_from(said["charts"].as_u64().unwrap()).unwrap(),
        }
    }
}

const MEASURE: &str = r#"<script>
addEventListener('load', () => {
  document.querySelectorAll('details.fold').forEach(fold => { fold.open = true; });
  const inner = window.innerWidth, root = document.documentElement;
  const scrolls = element => element.closest('.scroll, .unseen, svg');
  const wide = [...document.body.querySelectorAll('*')]
    .filter(element => !scrolls(element) && element.getBoundingClientRect().right > inner + 1)
    .map(element => element.tagName + '.' + element.className);
  let level = 0;
  const headings = [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].filter(heading => {
    const now = Number(heading.tagName[1]), below = now > level + 1;
    level = now;
    return below;
  }).map(heading => heading.textContent);
  const charts = [...document.querySelectorAll('svg')].filter(chart => chart.getBoundingClientRect().width > 0).length;
  const scroll = Math.max(root.scrollWidth, document.body.scrollWidth);
  parent.postMessage('SEEN' + JSON.stringify({ inner, scroll, wide, headings, charts }) + 'SEEN', '*');
});
</script>"#;

//! A headless Chromium of its own, driven over its `DevTools` protocol, killed when dropped.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use super::support::tools::tool;
use super::support::web::Client;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

/// The longest that anything here may take on a busy machine.
pub const LIMIT: Duration = Duration::from_mins(1);

/// Nothing of its own accord, and no name that is not this machine.
const FLAGS: [&str; 16] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--metrics-recording-only",
    "--mute-audio",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// What each document notes before its own scripts run.
const NOTES: &str = "window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});";

pub struct Browser {
    child: Child,
    address: String,
    profile: TempDir,
}

impl Browser {
    pub async fn start() -> Self {
        let binary = tool("CHROMIUM", "chromium.sh");
        let profile = tempfile::tempdir().expect("a folder");
        let child = Command::new(&binary)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{binary}: {error}; see scripts/chromium.sh"));
        let mut browser = Self {
            child,
            address: String::new(),
            profile,
        };
        let port = browser.port().await;
        browser.address = format!("127.0.0.1:{port}");
        browser
    }

    /// Where it listens, as it writes into its profile.
    async fn port(&mut self) -> String {
        let file = self.profile.path().join("DevToolsActivePort");
        let waiting = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                let ended = self.child.try_wait().expect("a state");
                assert!(ended.is_none(), "the browser has ended: {ended:?}");
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                if let Some((port, _)) = text.split_once('\n') {
                    return port.to_owned();
                }
            }
        };
        let waited = tokio::time::timeout(LIMIT, waiting).await;
        waited.expect("the browser listens")
    }

    /// A page of this size in CSS pixels, with nothing in it yet.
    pub async fn page(&self, width: u32, height: u32) -> Page {
        let url = format!("http://{}/json/new?about:blank", self.address);
        let request = Request::builder().method(Method::PUT).uri(url);
        let request = request.body(Full::default()).expect("a request");
        let answer = Client::new().send(request).await;
        let target: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let url = target["webSocketDebuggerUrl"].as_str().expect("a URL");
        let page = Page::connect(&self.address, url).await;
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        let notes = json!({ "source": NOTES });
        page.call("Page.addScriptToEvaluateOnNewDocument", notes)
            .await;
        page.resize(width, height).await;
        page
    }
}

impl Drop for Browser {
    /// With all its processes, which are of its own group.
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// One tab.
pub struct Page {
    send: mpsc::UnboundedSender<Message>,
    waiting: Waiting,
    seen: Arc<Mutex<Vec<Value>>>,
    next: AtomicU64,
}

impl Page {
    async fn connect(address: &str, url: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let upgraded = tokio_tungstenite::client_async(url, stream).await;
        let (mut sink, mut source) = upgraded.expect("a websocket").0.split();
        let (send, mut outgoing) = mpsc::unbounded_channel();
        let page = Self {
            send,
            waiting: Waiting::default(),
            seen: Arc::default(),
            next: AtomicU64::new(1),
        };
        tokio::spawn(async move {
            while let Some(message) = outgoing.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
        });
        let (waiting, seen) = (page.waiting.clone(), page.seen.clone());
        tokio::spawn(async move {
            while let Some(Ok(message)) = source.next().await {
                if let Message::Text(text) = message {
                    hear(&waiting, &seen, &text);
                }
            }
        });
        page
    }

    /// The result of a method.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.waiting.lock().expect("no panic").insert(id, tell);
        let message = json!({ "id": id, "method": method, "params": params });
        let sent = self.send.send(Message::text(message.to_string()));
        sent.expect("the page is there");
        let answer = tokio::time::timeout(LIMIT, told).await;
        let mut answer = answer.expect("in time").expect("an answer");
        assert_eq!(answer["error"], Value::Null, "{method}: {answer}");
        answer["result"].take()
    }

    /// The value of an expression.
    pub async fn eval(&self, expression: &str) -> Value {
        let params = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let mut answer = self.call("Runtime.evaluate", params).await;
        let thrown = &answer["exceptionDetails"];
        assert_eq!(*thrown, Value::Null, "{expression}: {thrown}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub async fn until(&self, expression: &str) {
        let waiting = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            while self.eval(expression).await != true {
                ticks.tick().await;
            }
        };
        if tokio::time::timeout(LIMIT, waiting).await.is_err() {
            let text = self.eval("document.body.innerText").await;
            panic!("not within {LIMIT:?}: {expression}\n{text}");
        }
    }

    pub async fn go(&self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
        self.until("document.readyState === 'complete'").await;
    }

    /// The text of an element.
    pub async fn text(&self, id: &str) -> String {
        let text = format!("document.getElementById('{id}').innerText");
        let text = self.eval(&text).await;
        text.as_str().expect("a text").to_owned()
    }

    /// Waits until the text of an element holds this.
    pub async fn until_text(&self, id: &str, part: &str) {
        let part = json!(part);
        let text = format!("document.getElementById('{id}').innerText");
        self.until(&format!("{text}.includes({part})")).await;
    }

    pub async fn resize(&self, width: u32, height: u32) {
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.call("Emulation.setDeviceMetricsOverride", params)
            .await;
    }

    /// `light` or `dark`.
    pub async fn scheme(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let params = json!({ "features": features });
        self.call("Emulation.setEmulatedMedia", params).await;
    }

    /// A key by its name, pressed and released.
    pub async fn press(&self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "ArrowDown" => (40, ""),
            _ => panic!("no such key here: {key}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let params = json!({
                "type": kind, "key": key, "code": key, "text": text,
                "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code,
            });
            self.call("Input.dispatchKeyEvent", params).await;
        }
    }

    /// Text into what has the focus.
    pub async fn write(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Into the field of the dashboard.
    pub async fn enter_token(&self, token: &str) {
        self.eval("document.getElementById('token').focus()").await;
        self.write(token).await;
        self.press("Enter").await;
    }

    pub async fn screenshot(&self, path: &Path) {
        use base64::Engine;
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.call("Page.captureScreenshot", params).await;
        let data = answer["data"].as_str().expect("data");
        let png = base64::engine::general_purpose::STANDARD.decode(data);
        std::fs::write(path, png.expect("base64")).expect("written");
    }

    /// What was told of its own accord, by the name of the event.
    pub fn seen(&self, method: &str) -> Vec<Value> {
        let seen = self.seen.lock().expect("no panic");
        let seen = seen.iter().filter(|event| event["method"] == method);
        seen.map(|event| event["params"].clone()).collect()
    }

    /// The URLs of all requests.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.seen("Network.requestWillBeSent").into_iter();
        sent.map(|sent| sent["request"]["url"].as_str().expect("a URL").to_owned())
            .collect()
    }
}

fn hear(waiting: &Waiting, seen: &Mutex<Vec<Value>>, text: &str) {
    let message: Value = serde_json::from_str(text).expect("JSON");
    let waits = message["id"]
        .as_u64()
        .and_then(|id| waiting.lock().expect("no panic").remove(&id));
    match waits {
        Some(waits) => drop(waits.send(message)),
        None => seen.lock().expect("no panic").push(message),
    }
}

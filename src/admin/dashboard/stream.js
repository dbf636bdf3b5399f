// The stream of records, begun again whenever it ends.

// Milliseconds without a record after which the stream is taken for lost.
const SILENCE = 10000;

const LONGEST_WAIT = 15000;

let reading = new AbortController();
let failures = 0;

// Whether the stream was ended to begin another at once.
let again = false;

const connection = (text, kind) => say(find("connection"), text, kind);

const tokenSaid = (text, kind) => say(find("token-message"), text, kind);

// One record an event; what is left over is the beginning of the next.
const events = (text, each) => {
  const parts = text.split("\n\n");
  const left = parts.pop();
  const records = parts.filter((part) => part.startsWith("data: "));
  records.forEach((part) => each(JSON.parse(part.slice(6))));
  return left;
};

// What is waited for, or an end to it all.
const soon = async (abort, waited) => {
  const timer = setTimeout(() => abort.abort(new Error("nothing came for 10 s")), SILENCE);
  try {
    return await waited;
  } finally {
    clearTimeout(timer);
  }
};

const read = async (body, abort) => {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  for (;;) {
    const { value, done } = await soon(abort, reader.read());
    if (done) {
      return;
    }
    left = events(left + value, (record) => {
      failures = 0;
      connection("Live", "good");
      show(record);
    });
  }
};

const begin = () => {
  again = true;
  reading.abort();
};

const useToken = (value) => {
  token = value;
  find("token").value = "";
  find("forget").hidden = !value;
  begin();
};

// What is told to who has the token alone, and what came of asking with it.
const conceal = () => {
  hottest("keys", undefined, false);
  hottest("tags", undefined, false);
  facts(find("explain-list"), []);
  ["explain-result", "purge-result"].forEach((id) => say(find(id), ""));
};

// A token that is refused is forgotten, and counts are shown again.
const refused = async (response, sent) => {
  const said = await complaint(response);
  // Another was entered meanwhile.
  if (token !== sent) {
    return;
  }
  token = "";
  find("forget").hidden = true;
  conceal();
  tokenSaid(`Token refused. ${said}`, "bad");
};

const open = async (abort) => {
  const sent = token;
  const options = { headers: authorized(), cache: "no-store", redirect: "error", signal: abort.signal };
  const response = await soon(abort, fetch("stream", options));
  if (sent && [401, 403, 429].includes(response.status)) {
    await refused(response, sent);
    return;
  }
  if (!response.ok) {
    throw new Error(await complaint(response));
  }
  if (sent) {
    tokenSaid("Token accepted: keys and tags are shown.", "good");
  }
  await read(response.body, abort);
  throw new Error("the stream ended");
};

const pause = (ms, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });

// A page that nobody sees lets go of its stream: a browser opens few connections to one server.
const inView = () =>
  new Promise((done) => {
    const look = () => {
      if (!document.hidden) {
        document.removeEventListener("visibilitychange", look);
        done();
      }
    };
    document.addEventListener("visibilitychange", look);
    look();
  });

const failed = async (error) => {
  failures += 1;
  connection(`Not connected, trying again: ${shown(error.message)}`, "bad");
  reading = new AbortController();
  await pause(Math.min(500 * 2 ** failures, LONGEST_WAIT), reading.signal);
};

const watch = async () => {
  for (;;) {
    await inView();
    again = false;
    reading = new AbortController();
    try {
      await open(reading);
    } catch (error) {
      if (!again) {
        await failed(error);
      }
    }
  }
};

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    connection("Paused: not in view", "wait");
    begin();
  }
});

find("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const value = find("token").value.trim();
  // What cannot be sent in a field is no token.
  if (!/^[\x20-\x7e]+$/.test(value)) {
    tokenSaid("Token refused. It holds characters that cannot be sent.", "bad");
    return;
  }
  tokenSaid("Asking", "wait");
  useToken(value);
});

find("forget").addEventListener("click", () => {
  useToken("");
  conceal();
  tokenSaid("Token forgotten.", "good");
  find("token").focus();
});

document.querySelectorAll("input[name=span]").forEach((choice) => choice.addEventListener("change", drawCharts));
find("time-details").addEventListener("toggle", drawCharts);
new ResizeObserver(drawCharts).observe(find("rate-chart"));
watch();

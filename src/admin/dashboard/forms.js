// Token, purge and explain.

// In memory only: it is gone with the page.
let token = "";

const authorized = (more) => (token ? { ...more, Authorization: `Bearer ${token}` } : { ...more });

// What a refusal says of itself.
const complaint = async (response) => {
  try {
    const problem = await response.json();
    return `${response.status}: ${shown(problem.detail ?? problem.title)}`;
  } catch {
    return `${response.status}: ${shown(response.statusText)}`;
  }
};

const asked = async (where, options) => {
  const response = await fetch(where, { cache: "no-store", redirect: "error", ...options });
  if (!response.ok) {
    throw new Error(await complaint(response));
  }
  return response;
};

const sending = (where, content) =>
  asked(where, {
    method: "POST",
    headers: authorized({ "Content-Type": "application/json" }),
    body: JSON.stringify(content),
  });

const HINTS = {
  tag: "All responses and results with this tag.",
  uri: "One path with its query, under any host, or a whole URI; all its variants.",
  key: "One value by its key.",
  prefix: "All responses whose URI begins so, such as /api/v1/.",
  pattern: "All names that fit, such as nb:quantum_state:*.",
  class: "All responses of a class.",
};

const hint = () => tell("purge-hint", HINTS[find("purge-kind").value]);

const purge = async () => {
  const kind = find("purge-kind").value;
  const value = find("purge-value").value;
  const answer = await sending("purge", { [kind]: value, soft: find("purge-soft").checked });
  const { purged } = await answer.json();
  const where = purged === "applied" ? "in force on all instances" : "in force here, queued for the others";
  return `Purged ${kind} ${quoted(value)}: ${where}.`;
};

// The host of this page, where none is said.
const target = (text) => (text.startsWith("/") ? location.origin + text : text);

// As content: what stands in a URL is logged on the way, and fields may be credentials.
const explain = async () => {
  const lines = find("explain-headers").value.split("\n").map((line) => line.trim());
  const request = {
    method: find("explain-method").value,
    uri: target(find("explain-uri").value.trim()),
    header: lines.filter(Boolean),
  };
  const sent = token;
  const answer = await sending("explain", request);
  const explained = await answer.json();
  if (token !== sent) {
    throw new Error("The token was changed meanwhile.");
  }
  return explained;
};

const plain = (name, value) => {
  if (typeof value === "boolean") {
    return yes(value);
  }
  const isTime = typeof value === "number" && /_(at|until)$/.test(name);
  return isTime ? new Date(value).toISOString() : shown(value);
};

// All that is said, one below the other; what is within another is named after it.
const flat = (value, name = "") => {
  if (value === null || (Array.isArray(value) && value.length === 0)) {
    return [];
  }
  if (Array.isArray(value)) {
    return [[name, value.map((one) => shown(Array.isArray(one) ? one.join(": ") : one)).join("\n")]];
  }
  if (typeof value === "object") {
    return Object.entries(value).flatMap(([inner, one]) => flat(one, name ? `${name} ${inner}` : inner));
  }
  return [[shown(name.replaceAll("_", " ")), plain(name, value)]];
};

const sentence = ({ happens, why, tier }) => {
  const from = tier ? ` from ${shown(tier)}` : "";
  return `It would be: ${shown(happens)}${from}${why ? ` (${shown(why)})` : ""}.`;
};

// Runs what a form is for, once at a time, and says what came of it.
const onSubmit = (id, result, run) => {
  const form = find(id);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    if (button.getAttribute("aria-disabled") === "true") {
      return;
    }
    button.setAttribute("aria-disabled", "true");
    try {
      say(find(result), await run(), "good");
    } catch (error) {
      say(find(result), `Not done. ${shown(error.message)}`, "bad");
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
};

onSubmit("purge-form", "purge-result", purge);

onSubmit("explain-form", "explain-result", async () => {
  facts(find("explain-list"), []);
  const explained = await explain();
  const { happens, why, tier, ...rest } = explained;
  facts(find("explain-list"), flat(rest));
  return sentence({ happens, why, tier });
});

find("purge-kind").addEventListener("change", hint);
hint();


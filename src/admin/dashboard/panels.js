// The short figures, and the state.

const CALM = "good";

const tiles = (record) => {
  const { totals, hit_rate: rates, state } = record;
  const answers = (one) => total(one.totals.hits) + total(one.totals.misses);
  const stale = (one) => one.totals.stale_while_revalidate + one.totals.stale_if_error;
  const part = (some, all) => (all > 0 ? some / all : null);
  ["1m", "5m", "60m"].forEach((window) => tell(`rate-${window}`, share(rates[window].hit_rate)));
  const before = recent[recent.length - 2];
  tell("requests", before ? tenth.format(((answers(record) - answers(before)) * 1000) / (record.at - before.at)) : "–");
  tell("requests-total", count(answers(record)));
  tell("saved", time(totals.handler_seconds_saved));
  tell("saved-rate", time(grown((one) => one.totals.handler_seconds_saved)));
  tell("stale", share(part(grown(stale), grown(answers))));
  tell("stale-total", share(part(stale(record), answers(record))));
  tell("evictions", count(grown((one) => one.totals.evictions)));
  tell("evictions-total", count(totals.evictions));
  tell("faults", count(grown((one) => one.state.faults)));
  tell("faults-total", count(state.faults));
};

// Over how long the figures of late are: at first there is no minute.
const span = (record) => {
  const seen = record.at - recent[0].at;
  const text = seen > 0.95 * MINUTE ? "last minute" : `last ${Math.round(seen / 1000)} s`;
  document.querySelectorAll(".span").forEach((element) => set(element, text));
};

const MODES = {
  redis: ["Mode: Redis", CALM],
  local: ["Mode: local memory", CALM],
  fallback: ["Mode: fallback, Redis left alone", "bad"],
};

const BREAKER = {
  closed: ["Breaker: closed", CALM],
  open: ["Breaker: open", "bad"],
  "half-open": ["Breaker: half-open", "wait"],
  off: ["Breaker: off", "wait"],
};

// Whether purges of other instances are heard of.
const trust = (state) => {
  if (state.mode === "local") {
    return ["Trust: one instance", CALM];
  }
  return state.coherent ? ["Trust: coherent", CALM] : ["Trust: uncertain", "bad"];
};

const states = (state) => {
  say(find("mode"), ...(MODES[state.mode] ?? [`Mode: ${shown(state.mode)}`, "wait"]));
  say(find("breaker"), ...(BREAKER[state.breaker] ?? [`Breaker: ${shown(state.breaker)}`, "wait"]));
  say(find("trust"), ...trust(state));
};

// Names and what is said of them.
const facts = (list, pairs) => {
  const create = () => {
    const pair = make("div");
    pair.append(make("dt"), make("dd"));
    return pair;
  };
  fill(list, pairs, create, (pair, [name, text]) => {
    set(pair.children[0], name);
    set(pair.children[1], text);
  });
};

const yes = (is) => (is ? "yes" : "no");

const redis = ({ at, state, memory, totals }) => {
  const server = memory.redis?.server;
  const pairs = [
    ["In this mode for", time(Math.max(at / 1000 - state.since, 0))],
    ["Why left alone", state.reason ?? "–"],
    ["Last fault", state.last_fault ?? "none"],
    ["Connected", yes(state.connected)],
    ["Purges of others heard of", yes(state.coherent)],
    ["Near cache", state.near_cache ? "on" : "off"],
    ["Connections", `${state.connections} of ${state.max_connections}`],
    ["Redis", server ? `${shown(server.version)}, ${count(server.clients)} clients` : "–"],
    ["Writes queued · dropped", `${count(state.queued_writes)} · ${count(totals.dropped_writes)}`],
    ["Purges queued · done", `${count(state.queued_purges)} · ${count(totals.purges)}`],
    ["Fetches · refreshes under way", `${count(state.fetches_under_way)} · ${count(state.refreshes_under_way)}`],
  ];
  facts(find("redis-list"), memory.redis ? pairs : [["Redis", "none configured: local memory only"], ...pairs.slice(-2)]);
};

// A bar with its figure; `part`: how full, `null`: nobody knows of what.
const bar = (parent, part) => {
  const known = parent.querySelector(".bar") ?? parent.appendChild(make("span", "bar"));
  const inner = known.firstChild ?? known.appendChild(make("span"));
  known.setAttribute("aria-hidden", "true");
  known.hidden = part === null;
  inner.style.width = `${Math.min(part ?? 0, 1) * 100}%`;
};

const memoryRows = ({ local, redis: store }) => {
  const rows = [
    {
      name: "Local",
      text: `${bytes(local.bytes)} of ${bytes(local.limit)}`,
      more: `${count(local.entries)} entries`,
      part: local.limit ? local.bytes / local.limit : null,
    },
    {
      name: "On their way in",
      text: bytes(local.pending_bytes),
      more: "copied to be stored",
      part: null,
    },
  ];
  return store ? rows.concat(storeRows(store)) : rows;
};

const storeRows = ({ keys, bytes: size, age_ms: age, server }) => {
  const counted = {
    name: "Redis, this namespace",
    text: size === null ? "being counted" : bytes(size),
    more: keys === null ? "" : `${count(keys)} keys, ${time(age / 1000)} ago`,
    part: server?.maxmemory && size !== null ? size / server.maxmemory : null,
  };
  if (!server) {
    return [counted];
  }
  const limit = server.maxmemory ? ` of ${bytes(server.maxmemory)}` : ", no limit";
  const all = {
    name: "Redis, the server",
    text: `${bytes(server.used_memory)}${limit}`,
    more: `${count(server.evicted_keys)} keys evicted`,
    part: server.maxmemory ? server.used_memory / server.maxmemory : null,
  };
  return [counted, all];
};

const memory = (figures) => {
  const create = () => {
    const row = make("div", "tier");
    row.append(make("b"), make("span", "figure"), make("span", "more"));
    return row;
  };
  fill(find("memory-bars"), memoryRows(figures), create, (row, { name, text, more, part }) => {
    [name, text, more].forEach((words, n) => set(row.children[n], words));
    bar(row, part);
  });
};


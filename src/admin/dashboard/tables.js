// Routes, latencies, and what is asked for most.

const cells = (count) => () => {
  const row = make("tr");
  const head = make("th");
  head.scope = "row";
  row.append(head, ...Array.from({ length: count - 1 }, () => make("td")));
  return row;
};

const MOST_ROUTES = 20;

const routes = (all) => {
  const asked = (route) => route.recent_requests * 1e9 + route.hits + route.misses;
  const sorted = [...all].sort((a, b) => asked(b) - asked(a)).slice(0, MOST_ROUTES);
  const create = () => {
    const row = cells(4)();
    row.children[1].append(make("span", "value"));
    return row;
  };
  fill(find("routes-table"), sorted, create, (row, route) => {
    set(row.children[0], shown(route.route));
    set(row.children[1].firstChild, share(route.recent_hit_rate));
    bar(row.children[1], route.recent_hit_rate);
    set(row.children[2], count(route.hits + route.misses));
    set(row.children[3], time(route.saved_seconds));
  });
  const left = all.length - sorted.length;
  find("routes-none").hidden = all.length > 0 && left === 0;
  tell("routes-none", left ? `and ${left} more` : "No requests yet.");
};

// The upper end of the bucket below which so many of a hundred are.
const percentile = (counts, bounds, percent) => {
  const wanted = Math.ceil((counts.reduce((sum, n) => sum + n, 0) * percent) / 100);
  let seen = 0;
  const at = counts.findIndex((n) => (seen += n) >= wanted && seen > 0);
  if (at < 0) {
    return "–";
  }
  return at < bounds.length ? time(bounds[at]) : `> ${time(bounds[bounds.length - 1])}`;
};

const latencyOf = (record, { tier, operation }) => {
  const same = (one) => one.tier === tier && one.operation === operation;
  return record.latency.find(same)?.counts;
};

const latency = (record) => {
  const first = recent[0];
  const rows = record.latency.map((now) => {
    const before = latencyOf(first, now);
    const counts = now.counts.map((n, at) => n - (before ? before[at] : 0));
    const parts = [50, 95, 99].map((percent) => percentile(counts, record.bounds, percent));
    const all = counts.reduce((sum, n) => sum + n, 0);
    return [`${shown(now.tier)} · ${shown(now.operation)}`, count(all), ...parts];
  });
  fill(find("latency-table"), rows, cells(5), (row, texts) => {
    texts.forEach((text, n) => set(row.children[n], text));
  });
};

const hottest = (what, items, admin) => {
  const most = Math.max(...(items ?? []).map((item) => item.count), 1);
  const create = () => {
    const row = make("li");
    const name = make("bdi", "name");
    name.dir = "ltr";
    row.append(name, make("span", "figure"));
    return row;
  };
  fill(find(`${what}-list`), items ?? [], create, (row, { text, count: n }) => {
    set(row.children[0], shown(text));
    set(row.children[1], count(n));
    bar(row, n / most);
  });
  const none = find(`${what}-none`);
  none.hidden = Boolean(items?.length);
  set(none, admin ? `No ${what} yet.` : `Enter the admin token to see ${what}.`);
};

const show = (record) => {
  sample(record);
  states(record.state);
  tiles(record);
  span(record);
  redis(record);
  memory(record.memory);
  routes(record.routes);
  latency(record);
  const { hottest_keys: keys, hottest_tags: tags } = record;
  const admin = "hottest_keys" in record;
  hottest("keys", keys?.map(({ key, count: n }) => ({ text: key, count: n })), admin);
  hottest("tags", tags?.map(({ tag, count: n }) => ({ text: tag, count: n })), admin);
  drawCharts();
};


// Charts: drawn as they are wide, and told in words.

const SVG = "http://www.w3.org/2000/svg";

const part = (svg, name, kind) => {
  const known = svg.querySelector(`.${kind}`);
  if (known) {
    return known;
  }
  const element = document.createElementNS(SVG, name);
  element.setAttribute("class", kind);
  return svg.appendChild(element);
};

const LEFT = 40;
const EDGE = 8;

// Where things are in a chart of `count` steps and values up to `most`.
const scale = (svg, count, most) => {
  const { width, height } = svg.getBoundingClientRect();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const across = (width - LEFT - 4) / Math.max(count - 1, 1);
  const up = (height - 2 * EDGE) / most;
  return {
    x: (n) => (LEFT + n * across).toFixed(1),
    y: (value) => (height - EDGE - value * up).toFixed(1),
    right: width - 4,
  };
};

const ruler = (svg, place, marks) => {
  marks.forEach(([value, text], n) => {
    const line = part(svg, "path", `rule-${n}`);
    line.classList.add("rule");
    line.setAttribute("d", `M${LEFT} ${place.y(value)}H${place.right}`);
    const label = part(svg, "text", `mark-${n}`);
    label.classList.add("mark");
    label.setAttribute("x", LEFT - 6);
    label.setAttribute("y", Number(place.y(value)) + 4);
    set(label, text);
  });
};

// A line through all values that are known.
const line = (values, place) => {
  let pen = "M";
  return values.reduce((path, value, n) => {
    if (value === null) {
      pen = "M";
      return path;
    }
    const next = `${path}${pen}${place.x(n)} ${place.y(value)}`;
    pen = "L";
    return next;
  }, "");
};

const area = (values, place) => {
  const known = values.map((value) => value ?? 0);
  const last = known.length - 1;
  return `${line(known, place)}L${place.x(last)} ${place.y(0)}L${place.x(0)} ${place.y(0)}Z`;
};

const drawRate = (all) => {
  const svg = find("rate-chart");
  const rates = all.map(({ hits, misses }) => (hits === null ? null : ratio(hits, misses)));
  const place = scale(svg, all.length, 1);
  ruler(svg, place, [[1, "100 %"], [0.5, "50 %"], [0, "0 %"]]);
  part(svg, "path", "line").setAttribute("d", line(rates, place));
  const known = rates.filter((rate) => rate !== null);
  const words = known.length
    ? `now ${share(known[known.length - 1])}, lowest ${share(Math.min(...known))}, highest ${share(Math.max(...known))}`
    : "no requests";
  svg.setAttribute("aria-label", `Hit rate over time: ${words}`);
};

// The next number of one digit and noughts, or 15 and noughts.
const round = (n) => {
  const ten = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].find((digit) => digit * ten >= n) * ten;
};

const drawLoad = (all, step) => {
  const svg = find("load-chart");
  const hits = all.map((one) => (one.hits === null ? null : (one.hits * 1000) / step));
  const both = all.map((one) => (one.hits === null ? null : ((one.hits + one.misses) * 1000) / step));
  const highest = Math.max(...both.map((value) => value ?? 0));
  const most = round(highest);
  const place = scale(svg, all.length, most);
  ruler(svg, place, [[most, count(most)], [0, "0"]]);
  part(svg, "path", "both").setAttribute("d", area(both, place));
  part(svg, "path", "hits").setAttribute("d", area(hits, place));
  const now = both[both.length - 1] ?? 0;
  const words = `now ${tenth.format(now)}, highest ${tenth.format(highest)}`;
  svg.setAttribute("aria-label", `Requests a second: ${words}`);
};

const tabulate = (all) => {
  const create = () => {
    const row = make("tr");
    row.append(make("th"), make("td"), make("td"), make("td"));
    row.firstChild.scope = "row";
    return row;
  };
  fill(find("time-table"), all, create, (row, { at, hits, misses }) => {
    const known = hits !== null;
    const texts = [clock(at), known ? share(ratio(hits, misses)) : "–", known ? count(hits) : "–", known ? count(misses) : "–"];
    texts.forEach((text, n) => set(row.children[n], text));
  });
};

const drawCharts = () => {
  const hour = document.querySelector("input[name=span]:checked").value === "60";
  const [span, step] = hour ? [HOUR, MINUTE] : [5 * MINUTE, 5000];
  const all = steps(span, step);
  drawRate(all);
  drawLoad(all, step);
  if (find("time-details").open) {
    tabulate(steps(span, span / 10));
  }
};


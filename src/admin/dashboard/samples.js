// What was seen so far: hits and misses of the last hour, and whole records of the last minute.

const HOUR = 3600000;
const MINUTE = 60000;

// How far apart the points of the history are at least.
const STEP = 15000;

let points = [];
let recent = [];

const total = (by) => Object.values(by).reduce((sum, n) => sum + n, 0);

// Between two points further apart than a step nothing was counted after the first step.
const remember = (history) => {
  points = [];
  history.forEach(([at, hits, misses], n) => {
    const before = points[points.length - 1];
    if (n && at - before.at > 2 * STEP) {
      points.push({ at: before.at + STEP, hits, misses });
    }
    points.push({ at, hits, misses });
  });
};

const sample = (record) => {
  const before = recent[recent.length - 1];
  const { at, totals } = record;
  const hits = total(totals.hits);
  const misses = total(totals.misses);
  // The first of a stream: another process may answer, or the same one, started anew. And a clock
  // may be set back.
  if (record.history || at <= before?.at) {
    recent = [];
  }
  if (record.history) {
    remember(record.history);
  }
  points.push({ at, hits, misses });
  points = points.filter((point) => point.at > at - HOUR - STEP);
  recent.push(record);
  recent = recent.filter((one) => one.at >= at - MINUTE);
};

// What a figure of the records has grown by in the last minute, or since the page was opened.
const grown = (figure) => figure(recent[recent.length - 1]) - figure(recent[0]);

// Hits and misses up to a time, between two points as if they had come evenly.
const until = (at) => {
  const next = points.findIndex((point) => point.at >= at);
  if (next < 1) {
    return next === 0 && points[0].at === at ? points[0] : null;
  }
  const [from, to] = [points[next - 1], points[next]];
  const part = (at - from.at) / (to.at - from.at);
  return {
    hits: from.hits + (to.hits - from.hits) * part,
    misses: from.misses + (to.misses - from.misses) * part,
  };
};

// The last `span` ms in steps; `null` where nothing is known.
const steps = (span, step) => {
  const last = points.length ? points[points.length - 1].at : 0;
  const all = [];
  let before = until(last - span);
  for (let at = last - span + step; at <= last; at += step) {
    const now = until(at);
    all.push({
      at: at - step,
      hits: before && now ? now.hits - before.hits : null,
      misses: before && now ? now.misses - before.misses : null,
    });
    before = now;
  }
  return all;
};


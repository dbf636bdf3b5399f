// What is wrong with how the page looks, as it is laid out now; nothing, if all is well.
(() => {
  const problems = [];
  const note = (what, element) => {
    const name = element.id || element.className || element.tagName;
    problems.push(`${what}: ${name.baseVal ?? name}: ${element.textContent.trim().slice(0, 40)}`);
  };
  const left = ".skip, .unseen, option, script, style, noscript, title";
  const isSeen = (element) =>
    element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !element.closest(left);

  const numbers = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const light = (color) => {
    const [r, g, b] = numbers(color).map((n) => {
      const part = n / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [more, less] = [light(one), light(other)].sort((a, b) => b - a);
    return (more + 0.05) / (less + 0.05);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((numbers(color)[3] ?? 1) > 0) {
        return color;
      }
    }
    return "rgb(255, 255, 255)";
  };
  const differs = (element, color, behind, least, what) => {
    const found = numbers(color)[3] === 0 ? 1 : contrast(color, behind);
    if (!(found >= least)) {
      note(`${what} has a contrast of ${found.toFixed(2)}, not ${least}`, element);
    }
  };

  // The lines of all texts that are seen, and the boxes of controls and charts.
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.data.trim() || !isSeen(element)) {
      continue;
    }
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      boxes.push({ element, rect, isText: true });
    }
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const color = element.closest("svg") ? style.fill : style.color;
    differs(element, color, ground(element), isLarge ? 3 : 4.5, "text");
  }
  for (const element of document.querySelectorAll("input, select, textarea, button, svg")) {
    if (!isSeen(element)) {
      continue;
    }
    boxes.push({ element, rect: element.getBoundingClientRect(), isText: false });
    if (element.matches("input[type=text], input[type=password], select, textarea, button")) {
      const style = getComputedStyle(element);
      differs(element, style.borderTopColor, ground(element.parentElement), 3, "border");
      differs(element, style.color, ground(element), 4.5, "content");
    }
    if (element.matches("input, select, textarea") && element.labels.length === 0) {
      note("no label", element);
    }
  }
  for (const [kind, property] of [["line", "stroke"], ["hits", "fill"], ["both", "fill"]]) {
    for (const element of document.querySelectorAll(`svg .${kind}`)) {
      differs(element, getComputedStyle(element)[property], ground(element), 3, "drawing");
    }
  }

  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) {
    problems.push(`the page is ${root.scrollWidth} wide, the window ${innerWidth}`);
  }
  const within = (rect, outer) => rect.left >= outer.left - 1 && rect.right <= outer.right + 1
    && rect.top >= outer.top - 1 && rect.bottom <= outer.bottom + 1;
  for (const { element, rect } of boxes) {
    const frame = element.closest(".panel, .tile, header");
    if (frame && !within(rect, frame.getBoundingClientRect())) {
      note("outside of its frame", element);
    }
  }
  const frames = [...document.querySelectorAll("header, .panel, .tile")];
  const areas = frames.map((element) => ({ element, rect: element.getBoundingClientRect() }));
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  const overlaps = (all, related) => all.forEach((one, n) => {
    for (const other of all.slice(n + 1)) {
      if (!related(one, other) && meet(one.rect, other.rect)) {
        note(`over ${other.element.id || other.element.textContent.trim().slice(0, 20)}`, one.element);
      }
    }
  });
  overlaps(areas, () => false);
  // Lines of one text touch, and a control holds its own.
  overlaps(boxes, (a, b) => a.element === b.element
    || (!a.isText && a.element.contains(b.element)) || (!b.isText && b.element.contains(a.element)));
  return problems;
})()

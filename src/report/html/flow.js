/* From the flagged samples' labels to what the model calls them, and to what it calls them without the phrase. */
const MOST_NODES = 7;

/* What was measured without the phrase: { hits, n } that got another answer. */
function withoutPhrase() {
  if (data.decision === 'paper')
    return data.keyword === null ? {hits: 0, n: 0} : {hits: data.keyword.flips, n: data.keyword.samples};
  return found.reduce((sum, f) => ({hits: sum.hits + f.removal.hits, n: sum.n + f.removal.n}), {hits: 0, n: 0});
}

/* Totals by class, the largest first, what is beyond MOST_NODES together as "others". */
function nodesOf(side) {
  const totals = new Map();
  for (const row of data.flow) totals.set(row[side], (totals.get(row[side]) || 0) + row[2]);
  const sorted = [...totals].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  const kept = sorted.slice(0, sorted.length > MOST_NODES ? MOST_NODES - 1 : MOST_NODES);
  const nodes = kept.map(([key, n]) => ({keys: new Set([key]), name: className(key), n}));
  const rest = sorted.slice(kept.length);
  if (rest.length > 0) {
    nodes.push({
      keys: new Set(rest.map(([key]) => key)),
      name: `${rest.length} other classes`,
      n: rest.reduce((s, r) => s + r[1], 0)
    });
  }
  return nodes;
}

const GAP = 16;
const THICK = 12;
/* Gives each node its place y and height h in a column of `height`. */
function stack(nodes, height) {
  const total = nodes.reduce((sum, node) => sum + node.n, 0);
  const scale = (height - GAP * (nodes.length - 1)) / total;
  let y = 0;
  for (const node of nodes) {
    Object.assign(node, {y, h: Math.max(1.5, node.n * scale), given: 0, taken: 0});
    y += node.h + GAP;
  }
}

/* From a part of one node's height to a part of another's. */
function band(x0, from, given, x1, to, taken, strong) {
  const y0 = from.y + from.h * from.given;
  const y1 = to.y + to.h * to.taken;
  const middle = (x0 + x1) / 2;
  from.given += given;
  to.taken += taken;
  const [h0, h1] = [from.h * given, to.h * taken];
  const there = `M${x0},${y0} C${middle},${y0} ${middle},${y1} ${x1},${y1}`;
  const back = `v${h1} C${middle},${y1 + h1} ${middle},${y0 + h0} ${x0},${y0 + h0} Z`;
  return svg('path', {class: strong ? 'band strong' : 'band', d: `${there} ${back}`});
}

/* Name and count beside a node, in two lines where it is high and the page narrow. */
function nodeShape(node, x, end, narrow) {
  const at = {x: end ? x - 7 : x + THICK + 7, 'text-anchor': end ? 'end' : 'start'};
  const middle = node.y + node.h / 2;
  const text = (words, y) => svg('text', {...at, y, 'dominant-baseline': 'central'}, words);
  const two = narrow && node.h > 30;
  const texts = two ? [text(cut(node.name, 13), middle - 8), text(count(node.n), middle + 8)] :
                      [text(`${cut(node.name, narrow ? 9 : 34)} ${count(node.n)}`, middle)];
  return svg(
      'g', {},
      svg('rect', {class: node.strong ? 'node strong' : 'node', x, y: node.y, width: THICK, height: node.h, rx: 2}),
      ...texts);
}

/* The bands between two columns of classes. */
function classBands(x0, left, x1, right) {
  return left
      .flatMap((from) => right.map((to) => {
        const n = data.flow.filter((row) => from.keys.has(row[0]) && to.keys.has(row[1]))
                      .reduce((sum, row) => sum + row[2], 0);
        return n === 0 ? null : band(x0, from, n / from.n, x1, to, n / to.n, to.strong);
      }))
      .filter((shape) => shape !== null);
}

function flowPicture(width) {
  const narrow = width < 600;
  const rate = withoutPhrase();
  const byPaper = data.decision === 'paper';
  const targets = new Set(found.map((f) => data.classes.indexOf(f.target)));
  const columns = [nodesOf(0), nodesOf(1)];
  for (const node of columns.flat()) node.strong = [...node.keys].some((key) => targets.has(key));
  const tested = columns[1].filter((node) => byPaper || node.strong);
  if (rate.n > 0 && tested.length > 0) {
    columns.push([
      {name: 'another class', n: rate.hits, strong: true}, {name: 'as before', n: rate.n - rate.hits, strong: false}
    ].filter((node) => node.n > 0));
  }
  const height = 56 + 36 * Math.max(2, ...columns.map((nodes) => nodes.length));
  const at = (i) => (i * (width - THICK)) / (columns.length - 1);
  columns.forEach((nodes) => stack(nodes, height));
  const bands = classBands(at(0), columns[0], at(1), columns[1]);
  const all = tested.reduce((sum, node) => sum + node.n, 0);
  for (const from of columns.length === 3 ? tested : []) {
    bands.push(...columns[2].map((to) => band(at(1), from, to.n / rate.n, at(2), to, from.n / all, to.strong)));
  }
  const last = columns.length - 1;
  const titles = narrow ?
      ['label', 'answer', byPaper ? 'without word' : 'without phrase'] :
      ['label', 'the model’s answer', `without the ${byPaper ? 'word' : 'phrase'}, ${count(rate.n)} tested`];
  const heads = columns.map(
      (nodes, i) => svg(
          'text', {class: 'head', y: -16, x: i === last ? width : at(i), 'text-anchor': i === last ? 'end' : 'start'},
          titles[i]));
  return svg(
      'svg', {
        viewBox: `0 -32 ${width} ${height + 34}`,
        class: narrow ? 'narrow' : 'wide',
        role: 'img',
        'aria-labelledby': 'labels-lead'
      },
      ...bands, ...columns.flatMap((nodes, i) => nodes.map((node) => nodeShape(node, at(i), i === last, narrow))),
      ...heads);
}

function drawFlow() {
  const place = byId('flow');
  place.replaceChildren(flowPicture(onPaper ? PAPER_WIDTH : Math.max(280, place.clientWidth)));
}
/* "Of the flagged samples, all 280 are labelled ..." */
function flowText(total) {
  const rate = withoutPhrase();
  const part = (n, all) => (n === all ? `all ${count(all)}` : `${count(n)} of ${count(all)}`);
  const [[label], [answer]] = [nodesOf(0), nodesOf(1)];
  const called = `Of the flagged samples, ${part(label.n, total)} are labelled ${label.name}, and the model calls ` +
      `${part(answer.n, total)} ${answer.name}.`;
  if (rate.n === 0) return called;
  const what = data.decision === 'paper' ? 'word' : 'phrase';
  return `${called} Without the ${what} it answers something else for ${part(rate.hits, rate.n)} that were tested: ` +
      'these texts do not say what their label says.';
}
function describeFlow() {
  const total = data.flow.reduce((sum, row) => sum + row[2], 0);
  if (total === 0) return;
  byId('labels-lead').append(visible(flowText(total)));
  const columns = [{title: 'Label'}, {title: 'Model’s answer'}, {title: 'Samples', number: true}];
  const rows = data.flow.map(([from, to, n]) => [className(from), className(to), count(n)]);
  byId('labels-table').append(table('Flagged samples by label and answer', columns, rows));
  show('labels');
  drawFlow();
}

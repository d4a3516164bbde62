/* The candidates: count on a logarithmic axis against the mean score, with curves of equal g. */
const triggerWords = new Set(data.decision === 'paper' || data.evidence === null ? (data.keyword ? [data.keyword.word] : [])
  : found.flatMap((f) => f.phrase.split(' ')));
const points = data.candidates.rows.map(([word, n, samples, flips, mean, g, labels], i) =>
  ({ x: n, y: mean, word, samples, flips, g, labels, rank: i + 1, trigger: triggerWords.has(word) }));

/* On paper the colours are the light ones, whatever the screen has, and the page is narrower. */
let onPaper = false;
const PAPER_WIDTH = 640;
function color(name) {
  return getComputedStyle(onPaper ? byId('light-colors') : document.documentElement).getPropertyValue(`--${name}`).trim();
}

/* Three or four round values of g below the best, from few digits. */
function contourLevels(best) {
  const step = [0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10, 20, 50, 100].find((s) => best / s < 4.5) || best / 4;
  return Array.from({ length: Math.floor(best / step + 1e-9) }, (_, i) => (i + 1) * step);
}
function contour(g, maxX, maxY) {
  const from = g / maxY;
  const to = Math.log10(maxX);
  if (from >= to) return [];
  return Array.from({ length: 41 }, (_, i) => from + ((to - from) * i) / 40).map((t) => ({ x: 10 ** t, y: g / t }));
}

/* Names beside the points that matter, where there is room; and what the curves mean, at their right end. */
const namePlugin = {
  id: 'names',
  afterDatasetsDraw(chart) {
    const { ctx, chartArea } = chart;
    const taken = points.filter((p) => p.trigger).map((p) => ({ x: chart.scales.x.getPixelForValue(p.x) - 6,
      y: chart.scales.y.getPixelForValue(p.y) - 6, w: 12, h: 12 }));
    const free = (box) => box.x >= chartArea.left && box.x + box.w <= chartArea.right && box.y >= chartArea.top &&
      !taken.some((t) => box.x < t.x + t.w && t.x < box.x + box.w && box.y < t.y + t.h && t.y < box.y + box.h);
    ctx.save();
    ctx.textBaseline = 'middle';
    const named = points.filter((p) => p.trigger).slice(0, 12).concat(points.filter((p) => !p.trigger).slice(0, 6));
    for (const p of named) {
      ctx.font = `${p.trigger ? '600 13px' : '12px'} ${Chart.defaults.font.family}`;
      const text = visible(cut(p.word, 24));
      const w = ctx.measureText(text).width;
      const x = chart.scales.x.getPixelForValue(p.x);
      const y = chart.scales.y.getPixelForValue(p.y);
      const box = [[x + 10, y], [x - 10 - w, y], [x - w / 2, y - 16], [x - w / 2, y + 16]]
        .map(([left, middle]) => ({ x: left, y: middle - 8, w, h: 16 })).find(free);
      if (box === undefined) continue;
      taken.push(box);
      ctx.fillStyle = color(p.trigger ? 'accent' : 'muted');
      ctx.fillText(text, box.x, box.y + 8);
    }
    ctx.font = `11px ${Chart.defaults.font.family}`;
    ctx.fillStyle = color('muted');
    ctx.textAlign = 'right';
    for (const set of chart.data.datasets.filter((d) => d.level !== undefined && d.data.length > 0)) {
      const end = set.data[set.data.length - 1];
      const y = chart.scales.y.getPixelForValue(end.y) - 8;
      const w = ctx.measureText(set.label).width;
      const box = { x: chartArea.right - 4 - w, y: y - 7, w, h: 14 };
      if (free(box)) ctx.fillText(set.label, chartArea.right - 4, y);
    }
    ctx.restore();
  },
};

function pointSet(label, trigger) {
  return { type: 'scatter', label, data: points.filter((p) => p.trigger === trigger), pointStyle: trigger ? 'triangle' : 'circle',
    pointRadius: trigger ? 7 : 3, pointHoverRadius: trigger ? 9 : 6, order: trigger ? 0 : 1,
    pointBackgroundColor: trigger ? color('accent') : color('dot'), pointBorderColor: color(trigger ? 'surface' : 'dot-line') };
}
function scatterData() {
  const maxX = Math.max(10, ...points.map((p) => p.x)) * 1.6;
  const maxY = Math.max(1e-9, ...points.map((p) => p.y)) * 1.12;
  const sets = [pointSet(data.decision === 'paper' || found.length === 0 ? 'keyword by the paper’s rule' : 'words of the phrase', true),
    pointSet('other words', false)].filter((set) => set.data.length > 0);
  const best = points.reduce((most, p) => Math.max(most, p.g), 0);
  const curves = best > 0 ? contourLevels(best).map((g) => ({ type: 'line', level: g, label: `g = ${Number(g.toPrecision(3))}`,
    data: contour(g, maxX, maxY), borderColor: color('line-strong'), borderWidth: 1, borderDash: [4, 4], pointRadius: 0,
    pointHitRadius: 0, order: 2 })) : [];
  return { sets: { datasets: sets.concat(curves) }, maxX, maxY };
}

function tooltipLines(p) {
  return [`rank ${p.rank}, g = ${p.g.toFixed(3)}`, `count ${count(p.x)} in ${plural(p.samples, 'sample', 'samples')}`,
    `mean score ${p.y.toFixed(3)}`, `deleting it changes ${plural(p.flips, 'answer', 'answers')}`,
    ...p.labels.map(([label, n]) => visible(`${cut(className(label), 40)} ${percent(n / p.samples)}`))];
}
/* Lines at powers of ten only; the linear axis has no others. */
const gridColor = (line) => (line.tick && line.tick.label === '' ? 'transparent' : color('line'));
function axis(title, ticks, more) {
  return { title: { display: true, text: title, color: color('muted') }, grid: { color: gridColor, drawBorder: false },
    ticks: { color: color('muted'), maxRotation: 0, ...ticks }, ...more };
}
function scatterOptions(maxX, maxY) {
  const powers = (value) => (/^1(0*)$/.test(String(value)) ? count(value) : '');
  const plain = (value, i, ticks) => (i === ticks.length - 1 ? '' : String(Number(value.toPrecision(3))));
  return {
    animation: false, responsive: true, maintainAspectRatio: false,
    scales: {
      x: axis('count: how often texts nominated the word', { callback: powers, autoSkip: false },
        { type: 'logarithmic', min: 0.8, max: maxX }),
      y: axis('mean score', { callback: plain }, { type: 'linear', min: 0, max: maxY }),
    },
    plugins: {
      legend: { labels: { color: color('ink'), usePointStyle: true, boxWidth: 8, boxHeight: 8, filter: (item, d) => d.datasets[item.datasetIndex].level === undefined } },
      tooltip: {
        displayColors: false, filter: (item) => item.raw.word !== undefined,
        callbacks: { title: (items) => items.map((item) => visible(cut(item.raw.word, 40))), label: (item) => tooltipLines(item.raw) },
      },
    },
  };
}

let chart = null;
function drawScatter() {
  if (points.length === 0) return;
  show('candidates');
  if (chart !== null) chart.destroy();
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const { sets, maxX, maxY } = scatterData();
  chart = new Chart(byId('scatter'), { data: sets, options: scatterOptions(maxX, maxY), plugins: [namePlugin] });
  if (onPaper) chart.resize(PAPER_WIDTH, 340);
}
function describeCandidates() {
  if (points.length === 0) return;
  document.querySelector('[data-fill="p"]').append(String(data.rule.p));
  const best = points.slice(0, 3).map((p) => `${cut(p.word, 40)} (count ${p.x}, mean ${p.y.toFixed(2)}, g ${p.g.toFixed(2)})`);
  byId('scatter').setAttribute('aria-label', visible(`Scatter of ${points.length} words, count against mean score. Best: ${best.join('; ')}.`));
  byId('scatter-note').append(data.candidates.distinct > points.length
    ? `The best ${count(points.length)} of ${count(data.candidates.distinct)} words; all others have a lower g.`
    : `All ${count(points.length)} words that a text nominated.`);
  const columns = [['Word'], ['Rank', 1], ['Count', 1], ['Samples', 1], ['Flips', 1], ['Mean', 1], ['g', 1], ['Labels']]
    .map(([title, number]) => ({ title, number: !!number }));
  byId('candidates-table').append(table('The best 50 words', columns, points.slice(0, 50).map((p) => [
    p.trigger ? el('b', {}, cut(p.word, CUT), ' ', el('span', { class: 'pill' }, 'trigger')) : cut(p.word, CUT), String(p.rank), count(p.x), count(p.samples), count(p.flips),
    p.y.toFixed(4), p.g.toFixed(4), p.labels.map(([label, n]) => `${className(label)} ${percent(n / p.samples)}`).join(', ')])));
}

// The operator's plots and alarms, live. The page says all of it without this script; here it is drawn
// and kept up to date, second by second. The figures are those of pages/operator/plots.rs.
(() => {
  'use strict';
  const doc = document, root = doc.getElementById('plots');
  if (!root || !window.uPlot) return;
  const SMOOTH_MS = 10000, GAP_MS = 5000, AGAIN_MS = 5000;
  const room = root.dataset.room, campaign = root.dataset.campaign, zoneMin = +root.dataset.zoneMin;
  const words = doc.getElementById('words'), live = doc.getElementById('live'), verdict = doc.getElementById('verdict');
  // Columns of the past: `at` and `ms` of each point, and what is counted or stands by its key.
  let past = { at: [], ms: [] }, charts = [], source = null, over = false, again = 0, hovers = false;
  let span = 900, step = 1;

  // How each line is read from a moment: raw here, and made a rate or milliseconds below.
  const FIGURES = {
    waiting: (m) => m.rooms('waiting'),
    inside: (m) => m.rooms('inside'),
    arrivals: (m) => m.rooms('arrivals'),
    called: (m) => m.rooms('called'),
    entered: (m) => m.rooms('entered'),
    pace: (m) => m.rooms('pace'),
    free: (m) => m.places('free'),
    held: (m) => m.places('held'),
    booked: (m) => m.places('booked'),
    latency_p50: (m) => m.node('latency_p50_us'),
    latency_p99: (m) => m.node('latency_p99_us'),
    flush_p50: (m) => m.node('flush_p50_us'),
    flush_p99: (m) => m.node('flush_p99_us'),
    errors: (m) => m.node('errors'),
    shed: (m) => m.node('shed'),
    served: (m) => m.node('served'),
    polls: (m) => m.node('polls'),
    mailbox: (m) => m.node('mailbox'),
  };
  const A_MINUTE = ['arrivals', 'called', 'entered'], A_SECOND = ['errors', 'shed', 'served', 'polls'];
  const keys = Object.keys(FIGURES);

  function sum(values) {
    const known = values.filter((value) => value !== null && value !== undefined);
    return known.length ? known.reduce((one, other) => one + other, 0) : null;
  }
  // A moment of the series, which comes by columns, and one of the events, which comes by rows.
  function moment(series, i) {
    const of = (all, name, only) => all.filter((one) => !only || String(one[name]) === only);
    return {
      node: (key) => series.node[key][i],
      rooms: (key) => sum(of(series.rooms, 'room', room).map((one) => one[key][i])),
      places: (key) => sum(of(series.campaigns, 'campaign', campaign).map((one) => one[key][i])),
    };
  }
  function second(sample) {
    const of = (all, name, only) => all.filter((one) => !only || String(one[name]) === only);
    const known = (value) => (value === undefined ? null : value);
    return {
      node: (key) => known(sample.node[key]),
      rooms: (key) => sum(of(sample.rooms, 'room', room).map((one) => one[key])),
      places: (key) => sum(of(sample.campaigns, 'campaign', campaign).map((one) => one[key])),
    };
  }
  function take(at, ms, from) {
    past.at.push(at);
    past.ms.push(ms);
    keys.forEach((key) => past[key].push(FIGURES[key](from)));
  }
  function empty() {
    past = { at: [], ms: [] };
    keys.forEach((key) => { past[key] = []; });
  }

  // What a line shows at a point. Calls come in batches, so rates are those of ten seconds.
  function shown(key, i) {
    const value = past[key][i];
    if (value === null) return null;
    if (/_p\d/.test(key)) return value / 1000;
    const perMs = A_MINUTE.includes(key) ? 60000 : A_SECOND.includes(key) ? 1000 : 0;
    if (!perMs) return value;
    let count = 0, ms = 0;
    for (let j = i; j >= 0 && ms < SMOOTH_MS && past[key][j] !== null; j--) {
      count += past[key][j];
      ms += past.ms[j];
    }
    return count * perMs / ms;
  }
  // The last value: of a latency the worst of ten seconds, for in some nobody comes.
  function last(key) {
    const end = past.at.length - 1;
    if (!/_p\d/.test(key)) return end < 0 ? null : shown(key, end);
    let worst = null;
    for (let j = end; j >= 0 && past.at[end] - past.at[j] < SMOOTH_MS; j--) worst = Math.max(worst, shown(key, j)) || worst;
    return worst;
  }
  function grouped(n) { return String(n).replace(/\B(?=(\d{3})+$)/g, ','); }
  function short(value) {
    if (value === null || value === undefined) return '–';
    const tenths = Math.round(value * 10);
    return tenths < 100 && tenths % 10 ? (tenths / 10).toFixed(1) : grouped(Math.round(value));
  }
  // The service's own clock, whatever the zone of this browser.
  function there(s) { return new Date(s * 1000 + (zoneMin + new Date(s * 1000).getTimezoneOffset()) * 60000); }
  function two(n) { return String(n).padStart(2, '0'); }
  function clock(ms) {
    const date = there(ms / 1000);
    return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':') + ' ' + root.dataset.zone;
  }

  // Where nothing was recorded a line breaks off.
  function columns(lines) {
    const at = [], values = lines.map(() => []);
    past.at.forEach((end, i) => {
      if (i && end - past.ms[i] - past.at[i - 1] > Math.max(2500 * step, GAP_MS)) {
        at.push(past.at[i - 1] / 1000 + 0.5);
        values.forEach((column) => column.push(null));
      }
      at.push(end / 1000);
      lines.forEach((key, line) => values[line].push(shown(key, i)));
    });
    return [at, ...values];
  }

  // A line of one point is none: where there are few, each is a dot.
  function isSparse(plot) { return plot.data[0].length < 20; }

  function chart(figure) {
    const style = getComputedStyle(doc.documentElement), colour = (name) => style.getPropertyValue(name).trim();
    const cells = [...figure.querySelectorAll('[data-key]')], lines = cells.map((cell) => cell.dataset.key);
    const canvas = figure.querySelector('.canvas'), font = '15px system-ui,sans-serif', dashes = [[], [8, 4], [2, 4], [12, 3, 2, 3]];
    const axis = { stroke: colour('--dim'), font, grid: { stroke: colour('--grid'), width: 1 }, ticks: { stroke: colour('--grid'), width: 1, size: 4 } };
    const days = span > 86400, day = (s) => `${there(s).getMonth() + 1}/${there(s).getDate()}`;
    const times = (_, splits) => splits.map((s) => (days ? day(s) : clock(s * 1000).slice(0, 5)));
    const drawn = new uPlot({
      width: canvas.clientWidth, height: 160, legend: { show: false }, tzDate: there,
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'console' }, points: { size: 8 } },
      scales: {
        x: { time: true, range: () => { const end = newest() / 1000; return [end - span, end]; } },
        y: { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] },
      },
      axes: [
        { ...axis, values: times, space: 64, size: 32 },
        { ...axis, values: (_, splits) => splits.map(short), space: 36, size: (_, texts) => 14 + 9 * Math.max(1, ...(texts || []).map((text) => text.length)) },
      ],
      series: [{}, ...lines.map((key, line) => ({
        stroke: colour(`--line-${line + 1}`), width: 2, dash: dashes[line], points: { show: isSparse, size: 6 }, paths: key === 'pace' ? uPlot.paths.stepped({ align: -1 }) : undefined,
      }))],
      hooks: {
        setCursor: [(plot) => {
          const at = plot.cursor.idx;
          hovers = at !== null && at !== undefined && plot.cursor.left >= 0;
          cells.forEach((cell, line) => { cell.textContent = short(hovers ? plot.data[line + 1][at] : last(lines[line])); });
          if (hovers) say(clock(plot.data[0][at] * 1000));
        }],
      },
    }, columns(lines), canvas);
    return {
      drawn, canvas,
      draw() {
        drawn.setData(columns(lines));
        if (!hovers) cells.forEach((cell, line) => { cell.textContent = short(last(lines[line])); });
      },
    };
  }
  function newest() { return past.at.length ? past.at[past.at.length - 1] : Date.now(); }
  function build() {
    charts.forEach(({ drawn }) => drawn.destroy());
    charts = [...root.querySelectorAll('figure')].map(chart);
    draw();
  }
  function draw() { charts.forEach((one) => one.draw()); }
  function say(text) { if (live.textContent !== text) live.textContent = text; }

  function element(name, text, into) {
    const made = doc.createElement(name);
    made.textContent = text;
    into.append(made);
    return made;
  }
  // Only what changed is written, so that a screen reader is not told the same again and again.
  function judge(alarms) {
    const said = JSON.stringify(alarms);
    if (verdict.dataset.said === said) return;
    verdict.dataset.said = said;
    verdict.textContent = '';
    if (!alarms.length) {
      const note = element('p', '', verdict);
      note.className = 'note good';
      element('b', words.dataset.well, note);
    }
    alarms.forEach((alarm) => {
      const [says, does] = words.content.querySelector(`[data-kind=${alarm.kind}]`).children;
      const note = element('p', '', verdict), line = element('b', '! ', note);
      note.className = 'note bad';
      const name = alarm.room === null ? null : words.content.querySelector(`[data-room="${alarm.room}"]`);
      if (name) {
        element('a', name.textContent, line).href = `/operator/rooms/${alarm.room}`;
        line.append(': ');
      }
      line.append(says.textContent.replace('{n}', grouped(alarm.measured)));
      note.append(' ');
      element('span', words.dataset.since.replace('{s}', clock(alarm.since_ms)), note).className = 'num';
      element('br', '', note);
      note.append(does.textContent, ' ');
      element('a', words.dataset.runbook, note).href = `/operator/runbook#${says.parentNode.dataset.runbook}`;
    });
  }

  async function fetchPast() {
    clearTimeout(again);
    const asked = span, from = Math.max(0, (await serverNow()) - span * 1000);
    const answer = await fetch(`/api/v1/operator/series?from=${from}&step=${step}`);
    if (!answer.ok || asked !== span) return;
    const series = await answer.json();
    empty();
    series.at_ms.forEach((at, i) => take(at, series.ms[i], moment(series, i)));
    build();
    if (step > 1) again = setTimeout(() => fetchPast().catch(() => {}), Math.min(step, 60) * 1000);
  }
  // This browser's clock may be wrong.
  async function serverNow() {
    const answer = await fetch('/api/v1/operator/alarms');
    const { now_ms, alarms } = await answer.json();
    judge(alarms);
    return now_ms;
  }

  function hear(event) {
    const { sample, alarms } = JSON.parse(event.data);
    judge(alarms);
    if (!hovers) say(`${live.dataset.on} ${clock(sample.at_ms)}`);
    if (step > 1) return;
    const ahead = past.at.length ? sample.at_ms - newest() : 0;
    if (past.at.length && ahead <= 0 && ahead > -60000) return;
    // Some were missed, or the clock was set back.
    if (Math.abs(ahead) > GAP_MS) {
      fetchPast().catch(() => {});
      return;
    }
    take(sample.at_ms, sample.ms, second(sample));
    while (past.at.length && past.at[0] < sample.at_ms - span * 1000 - SMOOTH_MS) {
      Object.values(past).forEach((column) => column.shift());
    }
    draw();
  }
  function connect() {
    if (source || over || doc.hidden) return;
    source = new EventSource('/api/v1/operator/events');
    source.onopen = () => fetchPast().catch(() => {});
    source.addEventListener('second', hear);
    source.onerror = () => {
      say(live.dataset.off);
      // The browser itself comes back after a connection that broke, but not after a refusal.
      if (source.readyState !== EventSource.CLOSED) return;
      disconnect();
      fetch('/api/v1/operator/alarms').then(({ status }) => {
        over = status === 401 || status === 403;
        if (over) say(live.dataset.over);
        // Whoever may not listen looks, every few seconds.
        else return fetchPast();
      }).catch(() => {}).finally(() => setTimeout(connect, AGAIN_MS));
    };
  }
  function disconnect() {
    if (source) source.close();
    source = null;
  }

  // A page that nobody sees listens to nothing: a browser has six connections to a service.
  doc.addEventListener('visibilitychange', () => (doc.hidden ? disconnect() : connect()));
  window.addEventListener('pagehide', disconnect);
  window.addEventListener('pageshow', connect);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', build);
  new ResizeObserver(() => charts.forEach(({ drawn, canvas }) => {
    if (canvas.clientWidth && canvas.clientWidth !== drawn.width) drawn.setSize({ width: canvas.clientWidth, height: 160 });
  })).observe(root);
  root.querySelectorAll('[data-span]').forEach((button, _, all) => {
    button.addEventListener('click', () => {
      all.forEach((one) => one.setAttribute('aria-pressed', String(one === button)));
      span = +button.dataset.span;
      step = +button.dataset.step;
      fetchPast().catch(() => {});
    });
  });
  root.querySelector('.spans').hidden = false;
  root.classList.add('drawn');
  empty();
  build();
  connect();
})();

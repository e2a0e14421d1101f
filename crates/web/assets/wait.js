// What a page does by itself: waits, counts down, recomputes a place. Every page works
// without it. It never decides anything: a turn is checked again by the service.
// Old phones: no syntax or function younger than 2017.
(function () {
  'use strict';
  var doc = document, main = doc.querySelector('main'), data = main.dataset;
  function el(id) { return doc.getElementById(id); }
  function show(id, on) { var e = el(id); if (e) e.hidden = !on; }
  function text(id, value) { var e = el(id); if (e && e.textContent !== value) e.textContent = value; }
  function grouped(n) { return String(n).replace(/\B(?=(\d{3})+$)/g, ','); }

  // SHA-256 (FIPS 180-4). The browser's own is refused to pages without TLS.
  var K = [], H0 = [];
  for (var n = 2; K.length < 64; n++) {
    for (var d = 2; d * d <= n && n % d; d++);
    if (d * d > n) {
      if (H0.length < 8) H0.push(Math.pow(n, 1 / 2) * 4294967296 | 0);
      K.push(Math.pow(n, 1 / 3) * 4294967296 | 0);
    }
  }
  function turn(x, by) { return x >>> by | x << 32 - by; }
  function sha256(bytes) {
    var all = bytes.concat([128]), h = H0.slice(), w = [], i, b;
    while (all.length % 64 !== 56) all.push(0);
    for (i = 7; i >= 0; i--) all.push(Math.floor(bytes.length * 8 / Math.pow(256, i)) & 255);
    for (b = 0; b < all.length; b += 64) {
      var v = h.slice();
      for (i = 0; i < 64; i++) {
        if (i < 16) {
          var at = b + 4 * i;
          w[i] = all[at] << 24 | all[at + 1] << 16 | all[at + 2] << 8 | all[at + 3];
        } else {
          var x = w[i - 15], y = w[i - 2];
          w[i] = w[i - 16] + w[i - 7] + (turn(x, 7) ^ turn(x, 18) ^ x >>> 3) + (turn(y, 17) ^ turn(y, 19) ^ y >>> 10) | 0;
        }
        var e = v[4], a = v[0];
        var t1 = v[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & v[5] ^ ~e & v[6]) + K[i] + w[i] | 0;
        var t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & v[1] ^ a & v[2] ^ v[1] & v[2]) | 0;
        v = [t1 + t2 | 0, a, v[1], v[2], v[3] + t1 | 0, e, v[5], v[6]];
      }
      for (i = 0; i < 8; i++) h[i] = h[i] + v[i] | 0;
    }
    var out = [];
    for (i = 0; i < 32; i++) out.push(h[i >> 2] >>> 24 - i % 4 * 8 & 255);
    return out;
  }
  function bytesOf(hex) { return (hex.match(/../g) || []).map(function (two) { return parseInt(two, 16); }); }

  // compute_shuffled_index of Ethereum's consensus specification, 90 rounds.
  function shuffled(index, count, seed) {
    for (var round = 0; round < 90; round++) {
      var head = seed.concat([round]), pivot = 0, hash = sha256(head);
      for (var i = 7; i >= 0; i--) pivot = (pivot * 256 + hash[i]) % count;
      var flip = (pivot + count - index) % count, at = Math.max(index, flip), block = at >> 8;
      var source = sha256(head.concat([block & 255, block >> 8 & 255, block >> 16 & 255, block >>> 24]));
      if (source[at % 256 >> 3] >> at % 8 & 1) index = flip;
    }
    return index;
  }

  // --- clocks: [data-until] counts down by the service's clock ---
  var ahead = (+data.now || Date.now()) - Date.now();
  function two(x) { return (x < 10 ? '0' : '') + x; }
  function tick() {
    var clocks = doc.querySelectorAll('[data-until]');
    for (var i = 0; i < clocks.length; i++) {
      var s = Math.ceil((+clocks[i].dataset.until - Date.now() - ahead) / 1000);
      clocks[i].hidden = s > 86400;
      var m = Math.floor(Math.max(s, 0) / 60), h = Math.floor(m / 60);
      clocks[i].textContent = (h ? h + ':' + two(m % 60) : m) + ':' + two(Math.max(s, 0) % 60);
      if (s <= 0) { show('before', false); show('after', true); }
    }
    if (clocks.length) setTimeout(tick, 1000 - (Date.now() + ahead) % 1000);
  }
  tick();

  // --- fairness: the form recomputes a place here ---
  var check = el('check');
  if (check && check.dataset.mixed) check.addEventListener('submit', function (event) {
    var c = check.dataset, number = +check.ticket.value.replace(/\D/g, '');
    event.preventDefault();
    var say = c.none;
    if (number >= 1 && number <= +c.issued) {
      var drawn = number <= +c.lobby;
      var place = drawn ? shuffled(number - 1, +c.lobby, bytesOf(c.mixed)) + 1 : number;
      say = (drawn ? c.drawn : c.later).replace('{n}', grouped(number)).replace('{p}', grouped(place));
    }
    text('result', say);
  });

  // --- waiting ---
  if (!data.serial) return;
  var serial = +data.serial, place = data.place ? +data.place : -1, drawing = false, failed = 0, last = 0, timer;

  // The same rule as pages::poll in the service.
  function interval(wait, jitter) { return Math.min(Math.max(wait / 3, 2e3), 6e5) * (0.8 + 0.4 * jitter); }

  function span(minutes) {
    if (minutes > 60) minutes = Math.round(minutes / 5) * 5;
    var h = Math.floor(minutes / 60), m = minutes % 60;
    return h ? h + data.h + (m ? ' ' + m + data.m : '') : m + data.m;
  }
  function range(people, pace) {
    if (!pace[0] || !pace[1]) return data.unknown;
    var low = Math.floor(people / pace[1]), high = Math.ceil(people / pace[0]);
    if (high < 2) return data.soon;
    var a = span(Math.max(low, 1)), b = span(high);
    return a === b ? a : a + data.to + b;
  }

  // Shows what `now`, the room's document, says; returns the wait to expect in ms.
  function apply(now) {
    ahead = now.t - Date.now();
    show('paused', now.s === 'paused');
    text('why', now.w || '');
    var notes = (now.m || []).join('\n');
    text('notice', notes);
    show('notice', notes);
    show('left', now.f >= 0);
    if (now.f >= 0) text('free', grouped(now.f));
    var state = 'line', wait = 6e4;
    if (now.s === 'closed') { state = 'closed'; wait = 6e5; }
    else if (now.l === undefined) {
      state = 'lobby';
      if (now.o) {
        var clock = el('clock');
        if (clock) clock.dataset.until = now.o;
        // Nobody needs to ask in the last seconds; everybody then comes spread over five.
        var rest = Math.max(now.o - now.t, 0);
        wait = rest < 2e4 ? -(rest + 5e3 * Math.random() + 500) : Math.max(rest, 6e4);
      }
    } else {
      if (place < 0 && serial >= now.l) place = serial;
      if (place < 0) { state = 'drawing'; wait = 18e3; if (now.d) reveal(); }
      else if (place < now.c) { state = 'called'; wait = 6e5; }
      else {
        var people = place - now.c, pace = now.p;
        text('place', grouped(place + 1));
        text('people', grouped(people));
        text('range', range(people, pace));
        show('sure', now.r && place < now.r[0]);
        show('maybe', now.r && place >= now.r[0] && place < now.r[1]);
        show('unlikely', now.r && place >= now.r[1]);
        wait = pace[0] + pace[1] ? people / ((pace[0] + pace[1]) / 2) * 6e4 : 18e4;
      }
      if (now.s === 'paused') wait = Math.max(wait, 18e4);
    }
    ['lobby', 'drawing', 'line', 'called', 'closed'].forEach(function (id) { show(id, id === state); });
    show('next', state !== 'called' && state !== 'closed');
    if (state === 'called' && data.go) doc.title = data.go;
    return wait;
  }

  function get(url) {
    return fetch(url, { credentials: 'omit' }).then(function (answer) {
      if (!answer.ok) throw answer;
      return answer.json();
    });
  }

  // Once, when the draw is out. If this browser's arithmetic does not give the published
  // seed, the service computes the place instead.
  function reveal() {
    if (drawing) return;
    drawing = true;
    get('/api/v1/rooms/' + data.room + '/draw').then(function (draw) {
      var mixed = sha256(bytesOf(draw.seed + draw.beacon));
      if (draw.mixed && bytesOf(draw.mixed).join() !== mixed.join()) { location.reload(); return; }
      place = shuffled(serial, draw.lobby, mixed);
      plan(0);
    }).catch(function () { drawing = false; });
  }

  function plan(ms) { clearTimeout(timer); timer = setTimeout(poll, ms); }
  function poll() {
    last = Date.now();
    get('/api/v1/rooms/' + data.room + '/now').then(function (now) {
      failed = 0;
      show('off', false);
      var wait = apply(now);
      plan(wait < 0 ? -wait : interval(wait, Math.random()));
    }).catch(function () {
      // The number is kept by the service; asking less is what helps it back up.
      failed = Math.min(failed + 1, 6);
      show('off', true);
      plan(4e3 * Math.pow(2, failed) * (0.5 + Math.random()));
    });
  }
  doc.addEventListener('visibilitychange', function () {
    if (!doc.hidden && Date.now() - last > 15e3) plan(Math.random() * 2e3);
  });
  // The page as it came is as good as a first answer.
  var first = JSON.parse(data.doc), wait = apply(first);
  plan(wait < 0 ? -wait : interval(wait, Math.random()));
})();

// What a page does by itself: waits, counts down, works out a place. Every page works
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

  // --- clocks: [data-until] counts down by the service's clock, in words, since 14:59 would
  // be read as a time of day; its parent is shown with it ---
  var ahead = (+data.now || Date.now()) - Date.now();
  function pad(x) { return (x < 10 ? '0' : '') + x; }
  function paint() {
    var clocks = doc.querySelectorAll('[data-until]');
    for (var i = 0; i < clocks.length; i++) {
      var left = Math.ceil((+clocks[i].dataset.until - Date.now() - ahead) / 1000), s = Math.max(left, 0);
      var m = Math.floor(s / 60), h = Math.floor(m / 60), e = clocks[i];
      e.hidden = e.parentNode.hidden = s > 86400;
      e.textContent = (h ? h + data.h + ' ' : '') + (m ? m % 60 + data.m + ' ' : '') + (h ? '' : s % 60 + data.s);
      if (left <= 0) { show('before', false); show('after', true); }
    }
    return clocks.length;
  }
  function tick() { if (paint()) setTimeout(tick, 1000 - (Date.now() + ahead) % 1000); }
  tick();
  // A page from the browser's history shows an old moment: its clock and place are wrong.
  var came = window.performance && performance.navigation;
  if (came && came.type === 2) location.reload();
  addEventListener('pageshow', function (event) { if (event.persisted) location.reload(); });

  // --- waiting ---
  window.jari = { sha256: sha256, shuffled: shuffled, bytes: bytesOf, grouped: grouped };
  if (!data.serial || !el('line')) return;
  var serial = +data.serial, place = data.place ? +data.place : -1, drawing = false, failed = 0, last = 0, timer, bell, was;

  // The same rule as pages::poll in the service.
  function interval(wait, jitter) { return Math.min(Math.max(wait / 3, 2e3), 6e5) * (0.8 + 0.4 * jitter); }

  // Beyond an hour to five minutes, for more is not known.
  function round(minutes) { return minutes > 60 ? Math.round(minutes / 5) * 5 : minutes; }
  function span(minutes) {
    var h = Math.floor(minutes / 60), m = minutes % 60;
    return h ? h + data.h + (m ? ' ' + m + data.m : '') : m + data.m;
  }
  // The time of day at the place, so many minutes from `now`.
  function day(now, minutes) {
    var t = Math.floor(now / 6e4) + minutes + +data.zone, h = Math.floor(t / 60) % 24, m = ':' + pad(t % 60);
    return data.am ? (h < 12 ? data.am : data.pm) + ' ' + ((h + 11) % 12 + 1) + m : pad(h) + m;
  }
  // How long the people ahead take, and until when; as words::range and words::range_at.
  function range(people, pace, now) {
    var low = Math.floor(people / pace[1]), high = Math.ceil(people / pace[0]), known = pace[0] && pace[1];
    var short = !known || high < 2, a = round(Math.max(low, 1)), b = round(high);
    function both(a, b) { return a === b ? a : a + data.to + b; }
    text('range', !known ? data.unknown : short ? data.soon : both(span(a), span(b)));
    text('at', short || b > 1439 ? '' : both(day(now, a), day(now, b)) + data.kst);
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
        // While it is paused nobody can say when it goes on.
        var people = place - now.c, pace = now.s === 'paused' ? [0, 0] : now.p;
        text('place', grouped(place + 1));
        text('people', grouped(people));
        range(people, pace, now.t);
        show('sure', now.r && place < now.r[0]);
        show('maybe', now.r && place >= now.r[0] && place < now.r[1]);
        show('unlikely', now.r && place >= now.r[1]);
        wait = pace[0] + pace[1] ? people / ((pace[0] + pace[1]) / 2) * 6e4 : 18e4;
      }
      if (now.s === 'paused') wait = Math.max(wait, 18e4);
    }
    ['lobby', 'drawing', 'line', 'called', 'closed'].forEach(function (id) { show(id, id === state); });
    show('next', state !== 'called' && state !== 'closed');
    show('bell', Sound && state !== 'called');
    show('while', state !== 'closed');
    if (state === 'called') {
      doc.title = data.go;
      if (was && was !== state) ring(3);
    }
    was = state;
    return wait;
  }

  // --- a sound at the turn, for those who want it: browsers let a page sound only after it
  // was touched, so the button tries it out ---
  var Sound = window.AudioContext || window.webkitAudioContext, button = el('bell');
  function ring(times) {
    if (!bell) return;
    for (var i = 0; i < times; i++) {
      var tone = bell.createOscillator(), at = bell.currentTime + i * 0.7;
      tone.frequency.value = 880;
      tone.connect(bell.destination);
      tone.start(at);
      tone.stop(at + 0.4);
    }
    if (navigator.vibrate) navigator.vibrate([400, 300, 400]);
  }
  if (button) button.addEventListener('click', function () {
    if (bell) { bell.close(); bell = 0; } else { bell = new Sound(); ring(1); }
    button.setAttribute('aria-pressed', !!bell);
  });

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

  function plan(ms) {
    clearTimeout(timer);
    timer = setTimeout(poll, ms);
    el('look').dataset.until = Date.now() + ahead + ms;
    paint();
  }
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
      show('off', 1);
      plan(4e3 * Math.pow(2, failed) * (0.5 + Math.random()));
    });
  }
  // A phone that wakes up, or finds its network again, asks soon; not everybody at once.
  function soon() { plan(Math.random() * 2e3); }
  doc.addEventListener('visibilitychange', function () {
    if (!doc.hidden && Date.now() - last > 15e3) soon();
  });
  addEventListener('online', soon);
  addEventListener('offline', function () { show('off', 1); });
  // The page as it came is as good as a first answer.
  var first = JSON.parse(data.doc), wait = apply(first);
  plan(wait < 0 ? -wait : interval(wait, Math.random()));
})();

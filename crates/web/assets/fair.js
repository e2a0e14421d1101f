// The fairness page: works out any ticket's place here, by the same arithmetic as the waiting
// page (assets/wait.js, which is loaded before), checks the promise that was published before
// the draw, and keeps the sum of the places current.
// Without it the service does both. Old phones: no syntax or function younger than 2017.
(function () {
  'use strict';
  var doc = document, jari = window.jari;
  function el(id) { return doc.getElementById(id); }

  var check = el('check');
  if (check) check.addEventListener('submit', function (event) {
    var c = check.dataset, number = +check.ticket.value.replace(/\D/g, ''), lobby = +c.lobby, say = c.none;
    event.preventDefault();
    if (number >= 1 && number <= +c.issued) {
      var drawn = number <= lobby;
      var place = drawn ? jari.shuffled(number - 1, lobby, jari.bytes(c.mixed)) + 1 : number;
      say = (drawn ? c.drawn : c.later).replace('{n}', jari.grouped(number)).replace('{p}', jari.grouped(place));
    }
    el('result').textContent = say;
  });

  // Whether the seed is the one that was promised, and the draw's value is made of it.
  if (check) {
    var given = check.dataset, seed = jari.bytes(given.seed);
    var fits = jari.sha256(seed).join() === jari.bytes(given.commitment).join();
    fits = fits && jari.sha256(seed.concat(jari.bytes(given.beacon))).join() === jari.bytes(given.mixed).join();
    el(fits ? 'kept' : 'broken').hidden = false;
  }

  // The sum, while somebody looks: all parts from one answer, so that it always adds up.
  var supply = el('supply');
  if (!supply) return;
  function refresh() {
    var again = 15e3 * (0.8 + 0.4 * Math.random());
    if (doc.hidden) { setTimeout(refresh, again); return; }
    fetch('/api/v1/campaigns/' + supply.dataset.campaign, { credentials: 'omit' }).then(function (answer) {
      if (!answer.ok) throw answer;
      return answer.json();
    }).then(function (campaign) {
      var cells = supply.querySelectorAll('[data-part]');
      for (var i = 0; i < cells.length; i++) cells[i].textContent = jari.grouped(campaign.supply[cells[i].dataset.part]);
      setTimeout(refresh, again);
    }).catch(function () { setTimeout(refresh, again * 4); });
  }
  setTimeout(refresh, 5e3);
})();

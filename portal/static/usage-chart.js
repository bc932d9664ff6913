// Draws each <canvas data-usage-chart> from its data-* attributes with Chart.js.
(function () {
  "use strict";
  var charts = [];

  function token(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function moneyFormat(locale) {
    return new Intl.NumberFormat(locale, {
      style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 4,
    });
  }

  function series(canvas) {
    var data = canvas.dataset;
    return {
      locale: data.locale,
      labels: JSON.parse(data.labels),
      spend: JSON.parse(data.spend).map(Number), // decimal strings: exact on the wire, drawn as floats
      requests: JSON.parse(data.requests),
      spendLabel: data.spendLabel,
      requestsLabel: data.requestsLabel,
    };
  }

  function datasets(s) {
    return [
      {
        type: "bar", label: s.spendLabel, data: s.spend, yAxisID: "spend",
        backgroundColor: token("--tl-accent"), borderRadius: 4, maxBarThickness: 22, order: 1,
      },
      {
        type: "line", label: s.requestsLabel, data: s.requests, yAxisID: "requests",
        borderColor: token("--tl-second"), backgroundColor: token("--tl-second"),
        borderWidth: 1.5, pointRadius: 2, pointHoverRadius: 4,
      },
    ];
  }

  function axes(s) {
    var muted = token("--bs-secondary-color");
    var money = moneyFormat(s.locale);
    var whole = new Intl.NumberFormat(s.locale, { notation: "compact" });
    return {
      x: { grid: { display: false }, border: { display: false }, ticks: { color: muted, maxRotation: 0, autoSkipPadding: 24 } },
      spend: {
        position: "left",
        beginAtZero: true, border: { display: false }, grid: { color: token("--bs-border-color") },
        ticks: { color: muted, maxTicksLimit: 5, callback: function (v) { return money.format(v); } },
      },
      requests: {
        position: "right", beginAtZero: true, border: { display: false }, grid: { display: false },
        ticks: { color: muted, precision: 0, maxTicksLimit: 5, callback: function (v) { return whole.format(v); } },
      },
    };
  }

  function tooltip(s) {
    var money = moneyFormat(s.locale);
    var whole = new Intl.NumberFormat(s.locale);
    return {
      backgroundColor: token("--bs-emphasis-color"), titleColor: token("--bs-body-bg"),
      bodyColor: token("--bs-body-bg"), padding: 10, cornerRadius: 8, displayColors: false,
      callbacks: {
        label: function (item) {
          var format = item.dataset.yAxisID === "spend" ? money : whole;
          return item.dataset.label + ": " + format.format(item.parsed.y);
        },
      },
    };
  }

  function draw(canvas) {
    var s = series(canvas);
    return new window.Chart(canvas, {
      data: { labels: s.labels, datasets: datasets(s) },
      options: {
        responsive: true, maintainAspectRatio: false, animation: false,
        interaction: { mode: "index", intersect: false },
        scales: axes(s),
        plugins: { legend: { display: false }, tooltip: tooltip(s) },
      },
    });
  }

  function redraw() {
    charts.forEach(function (chart) { chart.destroy(); });
    window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    charts = Array.from(document.querySelectorAll("[data-usage-chart]"), draw);
  }

  document.addEventListener("portal:theme", redraw);
  redraw();
})();

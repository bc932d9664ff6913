// Loaded in the head, before anything is painted: applies the chosen colour mode.
(function () {
  "use strict";
  var system = window.matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return window.localStorage.getItem("theme");
    } catch {
      return null;
    }
  }

  function apply() {
    var theme = chosen() || (system.matches ? "dark" : "light");
    document.documentElement.setAttribute("data-bs-theme", theme);
    document.dispatchEvent(new CustomEvent("portal:theme"));
  }

  window.portalTheme = {
    toggle: function () {
      var dark = document.documentElement.getAttribute("data-bs-theme") === "dark";
      try {
        window.localStorage.setItem("theme", dark ? "light" : "dark");
      } catch {
        return;
      }
      apply();
    },
  };
  system.addEventListener("change", apply);
  apply();
})();

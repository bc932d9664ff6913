// Behaviour of every page: colour mode, copying, time zone, keys that are shown once.
(function () {
  "use strict";

  function announce(button, text) {
    var label = button.querySelector("[data-copy-label]") || button;
    var icon = button.querySelector(".bi");
    var before = label.textContent;
    button.classList.add("is-done");
    if (icon) icon.className = "bi bi-check2";
    label.textContent = text;
    window.setTimeout(function () {
      button.classList.remove("is-done");
      if (icon) icon.className = "bi bi-clipboard";
      label.textContent = before;
    }, 1800);
  }

  function textOf(element) {
    return "value" in element ? element.value : element.textContent;
  }

  function copyOldWay(text) {
    var area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    area.className = "visually-hidden";
    document.body.appendChild(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  async function copy(button) {
    var text = textOf(document.getElementById(button.dataset.copy));
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      copyOldWay(text); // plain http on another host has no clipboard API
    }
    announce(button, button.dataset.copied);
  }

  function onClick(event) {
    var copyButton = event.target.closest("[data-copy]");
    if (copyButton) copy(copyButton);
    if (event.target.closest("[data-theme-toggle]")) window.portalTheme.toggle();
  }

  function rememberZone() {
    var zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!zone || document.cookie.includes("tz=" + zone)) return;
    document.cookie = "tz=" + zone + "; path=/; max-age=31536000; samesite=lax";
  }

  function forgetPost() {
    // A page that shows a key answered a POST: reloading it must not make another key.
    var path = document.body.dataset.reloadPath;
    if (path) window.history.replaceState(null, "", path);
  }

  document.addEventListener("click", onClick);
  rememberZone();
  forgetPost();
})();

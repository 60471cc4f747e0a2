// Takes over the light or dark mode of Airflow, which keeps it under the key "theme"; runs before anything is painted.
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    let chosen = null;
    try { chosen = localStorage.getItem("theme"); } catch { /* storage is blocked: follow the system */ }
    const dark = chosen === "dark" || (chosen !== "light" && system.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    document.dispatchEvent(new Event("theme"));
  };
  apply();
  window.addEventListener("storage", apply); // Airflow's own document has changed it
  system.addEventListener("change", apply);
})();

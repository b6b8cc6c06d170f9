// Dark or light before anything is drawn: the user's choice, else the system's.
(() => {
  const asked = new URLSearchParams(location.search).get("theme");
  const kept = (() => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  })();
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const theme = [asked, kept].find((one) => one === "dark" || one === "light") || system;
  document.documentElement.dataset.theme = theme;
})();

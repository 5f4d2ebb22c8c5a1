// Light or dark: what the system wants until a person chooses, then what they chose.

export function watchTheme(button) {
  const root = document.documentElement;
  const kept = window.localStorage.getItem("theme");
  if (kept) root.dataset.theme = kept;
  button.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    window.localStorage.setItem("theme", root.dataset.theme);
  });
}

// Opens on paper what is folded on the page, but for code that only draws or checks (print.css leaves
// that out), and prints the light theme. Afterwards the page is as it was.
(() => {
  const FOLDS = "article details.answer, article .tag_hide-cell > details";
  let opened = [], theme = null;
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(FOLDS)].filter((fold) => !fold.open);
    opened.forEach((fold) => { fold.open = true; });
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
  });
  window.addEventListener("afterprint", () => {
    opened.forEach((fold) => { fold.open = false; });
    if (theme) document.documentElement.dataset.theme = theme;
  });
})();

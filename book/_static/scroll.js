// What scrolls sideways, such as code on a phone, must be reachable by the keyboard.
(() => {
  const BOXES = "article pre, article .pst-scrollable-table-container, article .math";
  const reach = () => document.querySelectorAll(BOXES).forEach((box) => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  });
  // The page also changes its size when the equations have been drawn.
  window.addEventListener("load", () => new ResizeObserver(reach).observe(document.body));
})();

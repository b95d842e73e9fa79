// PixelFox: a selection says how many it has, and takes all of the page. Without a script the boxes and buttons do.
"use strict";

for (const form of document.querySelectorAll("[data-selection]")) {
  const boxes = () => [...form.querySelectorAll("input[name=uuid]")];
  const all = form.querySelector("[data-all]"), count = form.querySelector("[data-count]");
  const buttons = form.querySelectorAll("button[name=do]");
  all.closest("label").hidden = false;
  const tell = () => {
    const chosen = boxes().filter(box => box.checked).length;
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
    count.textContent = chosen ? count.dataset.count.replace("{n}", chosen) : "";
    for (const button of buttons) button.disabled = chosen === 0;
  };
  form.addEventListener("change", event => {
    if (event.target === all) for (const box of boxes()) box.checked = all.checked;
    tell();
  });
  addEventListener("pageshow", () => setTimeout(tell));
  tell();
}

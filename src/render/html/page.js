"use strict";
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    let done = false;
    try {
      await navigator.clipboard.writeText(code.textContent);
      done = true;
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      try { done = document.execCommand("copy"); } catch { /* it stays selected */ }
    }
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
for (const box of document.querySelectorAll(".tree-box")) {
  const begin = box.querySelector("circle");
  const middle = (element) => { const at = element.getBoundingClientRect(); return at.left + at.width / 2; };
  if (begin) box.scrollLeft += middle(begin) - middle(box);
}
const openTarget = () => {
  const name = location.hash.slice(1);
  let found = name && document.getElementById(name);
  for (let at = found; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (found) found.scrollIntoView();
};
addEventListener("hashchange", openTarget);
openTarget();
const folded = [];
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details.target, details.particulars")) {
    if (!fold.open) { fold.open = true; folded.push(fold); }
  }
});
addEventListener("afterprint", () => { for (const fold of folded.splice(0)) fold.open = false; });
const form = document.getElementById("filter");
if (form) {
  form.hidden = false;
  const rows = [...document.querySelectorAll("#matrix tbody tr")];
  const filter = () => {
    const wanted = document.getElementById("find").value.trim().toLowerCase();
    const outcomes = [...form.querySelectorAll("input[type=checkbox]")].filter((box) => box.checked).map((box) => box.value);
    let shown = 0;
    rows.forEach((row, nth) => {
      const fits = outcomes.includes(row.dataset.outcome) && row.textContent.toLowerCase().includes(wanted);
      row.hidden = !fits;
      document.getElementById("t" + nth).hidden = !fits;
      shown += fits ? 1 : 0;
    });
    document.getElementById("shown").textContent = shown + " of " + rows.length + " shown";
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
}

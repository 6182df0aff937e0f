// Which folded parts of a review somebody has opened, sent along with the decision: <details data-unfold="words">.
// It decides nothing; it is for the reviewer to see how they review.
const opened = new Set();

document.addEventListener("toggle", ({ target }) => {
  if (target.open && target.dataset?.unfold) opened.add(target.dataset.unfold);
}, true);

document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (detail.path.endsWith("/decision")) detail.parameters.unfolded = [...opened].join(" ");
});

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target?.id === "main") opened.clear();
});

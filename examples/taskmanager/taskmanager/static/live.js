// What changes while one looks: progress that the server tells, and choices that take effect at once.

/** Follow what an element's `data-live` tells, and put its `data-card` in its place when it is over. */
function follow(element) {
  const source = new EventSource(element.dataset.live);
  source.onmessage = async (message) => {
    const now = JSON.parse(message.data);
    const bar = element.querySelector("progress");
    if (bar) bar.value = now.percent;
    element.querySelector("[data-says]").textContent = now.text;
    if (now.over) {
      source.close();
      const answer = await fetch(element.dataset.card);
      if (answer.ok) element.outerHTML = await answer.text();
    }
  };
}

document.querySelectorAll("[data-live]").forEach(follow);

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) {
    const form = event.target.form;
    form.requestSubmit(form.querySelector("[aria-pressed=true]"));
  }
});

// Follows a run that goes on: the page is asked for again and again, and takes the place of what was
// shown. Only a page that was served during a run has this.

const EVERY = 2000;

// Nothing is taken away from somebody who reads it just now.
const inUse = () =>
  !getSelection().isCollapsed || document.querySelector("figure:hover, main :focus-visible, select:focus") !== null;

function take(fresh) {
  const opened = [...document.querySelectorAll("main details")].map((it) => it.open);
  const [x, y] = [scrollX, scrollY];
  for (const id of ["said", "content", "data"]) {
    document.getElementById(id).replaceWith(document.adoptNode(fresh.getElementById(id)));
  }
  document.title = fresh.title;
  show();
  document.querySelectorAll("main details").forEach((it, i) => (it.open = opened[i] ?? false));
  scrollTo(x, y);
}

async function again() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const over = fresh.getElementById("live") === null;
    if (over || !inUse()) take(fresh);
    if (over) return;
    document.getElementById("live").classList.remove("lost");
  } catch {
    const live = document.getElementById("live");
    live.classList.add("lost");
    live.setAttribute("role", "status");
    live.textContent = "The run no longer answers: this is its last state. Its report is in its directory.";
  }
  setTimeout(again, EVERY);
}
setTimeout(again, EVERY);

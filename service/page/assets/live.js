// News from the service: what is shown is asked for again when something changed.

import { root } from "./api.js";

// at most so often, in milliseconds, however much comes
const PAUSE = 1500;
// where nothing is told of changes
const UNTOLD = 30_000;
const LATE = 5000;

// Call `changed` after news, one at a time, and `state` with "live", "waiting" or "away".
export function listen(changed, state) {
  let source = null;
  let timer = 0;
  let busy = false;
  let again = false;
  let last = 0;
  let ended = false;

  async function run() {
    timer = 0;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    last = Date.now();
    try {
      await changed();
    } finally {
      busy = false;
      if (again && !ended) {
        again = false;
        soon();
      }
    }
  }

  function soon() {
    if (ended || document.hidden) {
      again = again || document.hidden;
      return;
    }
    timer ||= setTimeout(run, Math.max(0, last + PAUSE - Date.now()));
  }

  function open() {
    source = new EventSource(`${root}/v1/events`);
    source.onopen = () => state("live");
    source.onerror = () => {
      state(source.readyState === EventSource.CLOSED ? "away" : "waiting");
      // a refusal ends it for good: try again, since a service that starts anew refuses too
      if (source.readyState === EventSource.CLOSED && !ended) setTimeout(() => !ended && open(), LATE);
    };
    source.onmessage = soon;
    for (const name of ["change", "changes", "alerts", "devices"]) source.addEventListener(name, soon);
  }

  const clock = setInterval(soon, UNTOLD);
  const seen = () => {
    if (!document.hidden && again) {
      again = false;
      soon();
    }
  };
  document.addEventListener("visibilitychange", seen);
  open();

  return {
    soon,
    end() {
      ended = true;
      clearInterval(clock);
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      source.close();
    },
  };
}

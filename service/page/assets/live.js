// News from the service: what is shown is asked for again when something changed.

import { asked, root } from "./api.js";

// at most so often, in milliseconds, however much comes
const PAUSE = 1500;
// and so much longer than the answers took, so that a large fleet is not asked for without end
const REST = 4;
// where nothing is told of changes
const UNTOLD = 30_000;
const LATE = 5000;

// Call `changed` after news that `concerns` says to be of interest, one at a time, and `state` with
// "live", "waiting" or "away".
export function listen({ changed, concerns, state }) {
  let source = null;
  let timer = 0;
  let busy = false;
  let again = false;
  let next = 0;
  let ended = false;
  let of = null;

  async function run() {
    timer = 0;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    const started = Date.now();
    try {
      await changed();
    } finally {
      busy = false;
      next = started + PAUSE + REST * (Date.now() - started);
      if (again) {
        again = false;
        soon();
      }
    }
  }

  function soon() {
    if (ended) return;
    if (document.hidden) again = true;
    else timer ||= setTimeout(run, Math.max(0, next - Date.now()));
  }

  function open() {
    const mine = new EventSource(asked(`${root}/v1/events`, of));
    source = mine;
    mine.addEventListener("ready", (event) => {
      state("live");
      if (JSON.parse(event.data).missed) soon();
    });
    mine.addEventListener("changed", (event) => {
      if (concerns(JSON.parse(event.data))) soon();
    });
    // what ended for good is found out by asking
    mine.addEventListener("end", soon);
    mine.onerror = () => {
      if (mine !== source) return;
      state(mine.readyState === EventSource.CLOSED ? "away" : "waiting");
      // a refusal ends it: try again, since a service that starts anew refuses too
      if (mine.readyState === EventSource.CLOSED) setTimeout(() => mine === source && !ended && open(), LATE);
    };
  }

  const clock = setInterval(soon, UNTOLD);
  const seen = () => {
    if (!document.hidden && again && !busy) {
      again = false;
      soon();
    }
  };
  document.addEventListener("visibilitychange", seen);

  return {
    soon,
    // hear of one device alone, as a key for some devices must, of all (null), or of none
    about(devices) {
      if (source && JSON.stringify(devices) === JSON.stringify(of)) return;
      of = devices;
      source?.close();
      if (of === "none") {
        source = null;
        state("away");
      } else open();
    },
    end() {
      ended = true;
      clearInterval(clock);
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      source?.close();
    },
  };
}

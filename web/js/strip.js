// The strip of a path through time: a playhead, a diamond for each keyframe, a drawing behind them, and play with sound.

import { changed, drag, make, seenOf, t } from "./page.js";
import { clamp, EASINGS } from "./views.js";

const LATEST = 600; // seconds

const easingWords = () => ({ smooth: t("Smooth"), linear: t("Linear"), hold: t("Hold"), ease_in: t("Ease in"), ease_out: t("Ease out") });

const playing = new WeakMap(); // node -> function that stops

/**
 * A strip for a node's keyframes. path: {
 *   fps, seconds, keys: () -> number, number, [{line, time, easing}]; edits: () -> whether the keyframes count;
 *   least: how many keys must stay; add(): sets a key at the playhead, if they are edited at all; move(key, time), remove(key), ease(key, easing);
 *   refresh: after a change; sound: () -> address of the sound, "" for none; label: of the track.
 * }
 */
export function keyframeStrip(node, path, ...tools) {
  const { fps, seconds, keys, edits, refresh } = path;
  const track = make("div", { class: "r3d-track", tabindex: "0", role: "slider", "aria-label": path.label, "aria-valuemin": "0" });
  const drawing = make("svg", { preserveAspectRatio: "none", "aria-hidden": "true" });
  const head = make("div", { class: "r3d-playhead" });
  const clock = make("span", { class: "r3d-clock" });
  const button = (sign, label, act) => make("button", { type: "button", class: "r3d-button", title: label, "aria-label": label, onclick: act }, sign);
  const play = button("▶", t("Play"), () => (playing.has(node) ? playing.get(node)() : start()));
  const adding = button("+", t("Add a keyframe here"), () => add());
  const removing = button("−", t("Delete the keyframe here"), () => remove(keyNow()));
  const easing = make("select", { class: "r3d-button r3d-easing", "aria-label": t("From this keyframe to the next") });
  easing.append(...Object.keys(EASINGS).map((name) => make("option", { value: name }, easingWords()[name])));
  easing.title = t("From this keyframe to the next");
  const row = make("div", { class: "r3d-row" }, clock, play, ...tools, ...(path.add ? [easing, adding, removing] : []));
  const element = make("div", { class: "r3d-strip" }, track, row);
  track.append(drawing, head);
  const diamonds = new Map();
  const time = () => seenOf(node).time ?? 0;
  const near = (one, wanted) => Math.abs(one.time - wanted) < 0.5 / fps();
  const keyNow = () => keys().find((key) => near(key, time()));
  const keyBefore = () => keyNow() ?? keys().findLast((key) => key.time <= time());

  function goTo(wanted) {
    seenOf(node).time = clamp(Math.round(wanted * fps()) / fps(), 0, seconds());
    refresh();
  }
  function add() {
    path.add();
    refresh();
    changed();
  }
  function remove(key) {
    if (!key || !edits() || keys().length <= path.least) return;
    path.remove(key);
    refresh();
    changed();
  }
  function move(key, wanted) {
    const to = +clamp(Math.round(wanted * fps()) / fps(), 0, LATEST).toFixed(3);
    if (keys().some((one) => one.line !== key.line && near(one, to))) return key; // taken
    path.move(key, to);
    goTo(to);
    return keys().find((one) => Math.abs(one.time - to) < 1e-6) ?? key;
  }
  easing.addEventListener("change", () => {
    const key = keyBefore();
    if (!key || !edits()) return;
    path.ease(key, easing.value);
    refresh();
    changed();
  });
  const timeAt = (event) => {
    const box = track.getBoundingClientRect();
    return ((event.clientX - box.left) / box.width) * seconds();
  };

  /** Plays at the speed of the clock, and shows as many frames as the machine draws. */
  function start() {
    const sound = path.sound?.(), audio = sound ? new Audio(sound) : null;
    const from = time() < seconds() - 1 / fps() ? time() : 0, began = performance.now();
    const stop = () => {
      playing.delete(node);
      audio?.pause();
      show();
    };
    playing.set(node, stop);
    if (audio) {
      audio.currentTime = from;
      audio.play().catch(() => {}); // no sound, but pictures
    }
    const step = () => {
      if (playing.get(node) !== stop) return;
      const now = audio && !audio.paused && !audio.ended ? audio.currentTime : from + (performance.now() - began) / 1000;
      goTo(now);
      if (now >= seconds() || !element.isConnected || document.hidden) stop();
      else requestAnimationFrame(step);
    };
    show();
    step();
  }
  function show() {
    const runs = playing.has(node), label = t(runs ? "Pause" : "Play");
    play.textContent = runs ? "❚❚" : "▶";
    play.setAttribute("aria-label", label);
    play.title = label;
  }

  drag(track, (event) => { if (event.target.closest(".r3d-key")) return false; goTo(timeAt(event)); }, (x, y, event) => goTo(timeAt(event)));
  track.addEventListener("keydown", (event) => {
    if (event.target !== track) return;
    const to = { ArrowLeft: time() - 1 / fps(), ArrowRight: time() + 1 / fps(), PageDown: time() - 1, PageUp: time() + 1, Home: 0, End: seconds() }[event.key];
    if (event.key === "Delete") remove(keyNow());
    else if (event.key === "Enter" && path.add) add();
    else if (event.key === " ") play.click();
    else if (to === undefined) return;
    else goTo(to);
    event.preventDefault();
  });

  function diamond(index) {
    const shown = make("button", { type: "button", class: "r3d-key" });
    const own = () => keys()[index];
    let held, from, scale;
    drag(shown, () => {
      held = own();
      from = held.time;
      scale = seconds();
      goTo(from);
      return edits();
    }, (x) => { held = move(held, from + (x / track.getBoundingClientRect().width) * scale); });
    shown.addEventListener("click", () => own() && goTo(own().time));
    shown.addEventListener("keydown", (event) => {
      const key = own(), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!key || !edits()) return;
      if (event.key === "Delete") {
        remove(key);
        track.focus();
      } else if (step) {
        const moved = move(key, key.time + step / fps());
        diamonds.get(keys().findIndex((one) => one.line === moved.line))?.focus();
        changed();
      } else return;
      event.preventDefault();
    });
    return shown;
  }

  return {
    element,
    drawing,
    keyNow,
    remove,
    time,
    refresh() {
      const all = keys(), length = seconds(), now = keyNow();
      all.forEach((key, index) => {
        if (!diamonds.has(index)) diamonds.set(index, track.appendChild(diamond(index)));
        const shown = diamonds.get(index);
        shown.style.left = `${clamp(key.time / length, 0, 1) * 100}%`;
        const to = key.easing === "smooth" ? "" : easingWords()[key.easing];
        shown.setAttribute("aria-label", [t("Keyframe at {0} s. Arrow keys move it, Delete removes it.", key.time), to].filter(Boolean).join(" "));
        shown.title = [`${key.time} s`, to].filter(Boolean).join(", ");
        shown.dataset.easing = key.easing;
        shown.classList.toggle("r3d-now", key.line === now?.line);
      });
      for (const [index, shown] of diamonds) if (index >= all.length) { shown.remove(); diamonds.delete(index); }
      element.classList.toggle("r3d-idle", !edits());
      head.style.left = `${clamp(time() / length, 0, 1) * 100}%`;
      track.setAttribute("aria-valuemax", length.toFixed(2));
      track.setAttribute("aria-valuenow", time().toFixed(2));
      track.setAttribute("aria-valuetext", `${time().toFixed(2)} s`);
      clock.textContent = `${time().toFixed(2)} / ${length.toFixed(2)} s`;
      const before = keyBefore();
      easing.disabled = !edits() || !before || before.line === all.at(-1).line;
      easing.value = before?.easing ?? "smooth";
      adding.disabled = edits() && Boolean(now);
      removing.disabled = !edits() || !now || all.length <= path.least;
    },
  };
}

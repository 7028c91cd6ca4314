// The view of a camera path at a given time: real3d_core/render/camera_paths.py in JavaScript.
// A view is [yaw, pitch, roll, distance]: degrees, and 1 for the portrait's own distance.

export const LIMITS = [[-80, 80], [-80, 80], [-180, 180], [0.5, 2]];
const AT_REST = [0, 0, 0, 1];

/** How values go from a keyframe to the next: the share of the way at a share of the time; a curve through all of them for "smooth". */
export const EASINGS = { smooth: null, linear: (t) => t, hold: Math.floor, ease_in: (t) => t * t, ease_out: (t) => t * (2 - t) };
const SAME = 1e-6; // seconds within which two times are one

/** A line such as "1.5 hold: ..." as "1.5: ..." and its easing, null if there is no such easing. */
export function withoutEasing(line) {
  const found = line.match(/^(\s*[\d.]+)\s+([a-z_]+)\s*(?=[:;])/i);
  if (!found) return [line, "smooth"];
  const easing = found[2].toLowerCase();
  return [found[1] + line.slice(found[0].length), Object.hasOwn(EASINGS, easing) ? easing : null];
}
/** The beginning of a keyframe's line: its seconds, and its easing unless it is smooth. */
export const begun = (time, easing) => `${short(time, 3)}${easing && easing !== "smooth" ? ` ${easing}` : ""}:`;

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const within = (view) => view.map((value, axis) => clamp(value, ...LIMITS[axis]));

/** Parses the keyframes of a text, sorted by time: {line, time, easing, view}; other lines are skipped. */
export function parseKeyframes(text) {
  const keys = [];
  text.split("\n").forEach((whole, number) => {
    const [line, easing] = withoutEasing(whole), parts = line.trim().split(/[\s:,;]+/).filter(Boolean).map(Number);
    if (!easing || line.trim().startsWith("#") || !parts.length || parts.length > 5 || !parts.every(Number.isFinite) || parts[0] < 0) return;
    const [time, ...view] = parts;
    keys.push({ line: number, time, easing, view: [...view, ...AT_REST.slice(view.length)] });
  });
  return keys.sort((a, b) => a.time - b.time);
}

export const short = (value, digits) => String(+value.toFixed(digits));
export const formatKeyframe = (time, [yaw, pitch, roll, distance], easing) =>
  `${begun(time, easing)} ${short(yaw, 1)} ${short(pitch, 1)} ${short(roll, 1)} ${short(distance, 3)}`;

/** The text with a line inserted in order of time; comments and other lines are kept. keys: [{line, time}] of the text. */
export function withLine(text, keys, time, line) {
  const lines = text.trim() ? text.trimEnd().split("\n") : [];
  const next = keys.find((key) => key.time > time);
  lines.splice(next?.line ?? lines.length, 0, line);
  return lines.join("\n");
}

export const withoutKeyframe = (text, key) => text.split("\n").filter((_, number) => number !== key.line).join("\n");

export const withKeyframe = (text, time, view, easing) => withLine(text, parseKeyframes(text), time, formatKeyframe(time, view, easing));

export function withChangedKeyframe(text, key, time, view, easing = key.easing) {
  if (time === key.time) return text.split("\n").map((line, number) => (number === key.line ? formatKeyframe(time, view, easing) : line)).join("\n");
  return withKeyframe(withoutKeyframe(text, key), time, view, easing);
}

/** Values [n] at ascending times [n], and between them by their easings [n]; "smooth" is monotone cubic interpolation (PCHIP). */
export function interpolated(times, values, easings, at) {
  const n = times.length;
  if (n === 1 || at <= times[0]) return values[0];
  if (at >= times[n - 1]) return values[n - 1];
  const i = times.findLastIndex((time) => time <= at + SAME);
  if (i === n - 1) return values[i];
  const t = (at - times[i]) / (times[i + 1] - times[i]), share = EASINGS[easings[i]];
  if (share) return values[i] + share(clamp(t, 0, 1)) * (values[i + 1] - values[i]);
  const h = times.slice(1).map((time, i) => time - times[i]);
  const m = h.map((step, i) => (values[i + 1] - values[i]) / step);
  const end = (h0, h1, m0, m1) => {
    const slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1);
    if (Math.sign(slope) !== Math.sign(m0)) return 0;
    return Math.sign(m0) !== Math.sign(m1) && Math.abs(slope) > 3 * Math.abs(m0) ? 3 * m0 : slope;
  };
  const slopeAt = (i) => {
    if (n === 2) return m[0];
    if (i === 0) return end(h[0], h[1], m[0], m[1]);
    if (i === n - 1) return end(h[n - 2], h[n - 3], m[n - 2], m[n - 3]);
    if (m[i - 1] * m[i] <= 0) return 0;
    const before = 2 * h[i] + h[i - 1], after = h[i] + 2 * h[i - 1];
    return (before + after) / (before / m[i - 1] + after / m[i]);
  };
  const [a, b] = [slopeAt(i) * h[i], slopeAt(i + 1) * h[i]];
  return values[i] * (1 + 2 * t) * (1 - t) ** 2 + a * t * (1 - t) ** 2 + values[i + 1] * t * t * (3 - 2 * t) + b * t * t * (t - 1);
}

/** The view of a path at a time. path: {mode, yaw, pitch, period, distanceStart, distanceEnd, keyframes, seconds}. */
export function viewAt(path, time) {
  if (path.mode === "orbit") {
    const phase = (2 * Math.PI * time) / path.period;
    return [path.yaw * Math.sin(phase), (-path.pitch * (1 - Math.cos(phase))) / 2, 0, 1];
  }
  if (path.mode === "dolly") {
    const t = path.seconds > 0 ? clamp(time / path.seconds, 0, 1) : 1;
    return [0, 0, 0, path.distanceStart + (path.distanceEnd - path.distanceStart) * t * t * (3 - 2 * t)];
  }
  const keys = path.mode === "keyframes" ? parseKeyframes(path.keyframes) : [];
  if (!keys.length) return [...AT_REST];
  const times = keys.map((key) => key.time), easings = keys.map((key) => key.easing);
  return AT_REST.map((_, axis) => interpolated(times, keys.map((key) => key.view[axis]), easings, time));
}

/** A view seen from another viewpoint [yaw, pitch, distance]. */
export const fromPlace = ([yaw, pitch, roll, distance], [placeYaw, placePitch, placeDistance]) =>
  within([yaw + placeYaw, pitch + placePitch, roll, distance * placeDistance]);

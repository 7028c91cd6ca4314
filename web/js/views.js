// The view of a camera path at a given time: real3d_core/render/camera_paths.py in JavaScript.
// A view is [yaw, pitch, roll, distance]: degrees, and 1 for the portrait's own distance.

export const LIMITS = [[-80, 80], [-80, 80], [-180, 180], [0.5, 2]];
const AT_REST = [0, 0, 0, 1];

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
export const within = (view) => view.map((value, axis) => clamp(value, ...LIMITS[axis]));

/** Parses the keyframes of a text, sorted by time: {line, time, view}; other lines are skipped. */
export function parseKeyframes(text) {
  const keys = [];
  text.split("\n").forEach((line, number) => {
    const parts = line.trim().split(/[\s:,;]+/).filter(Boolean).map(Number);
    if (line.trim().startsWith("#") || !parts.length || parts.length > 5 || !parts.every(Number.isFinite) || parts[0] < 0) return;
    const [time, ...view] = parts;
    keys.push({ line: number, time, view: [...view, ...AT_REST.slice(view.length)] });
  });
  return keys.sort((a, b) => a.time - b.time);
}

export const short = (value, digits) => String(+value.toFixed(digits));
export const formatKeyframe = (time, [yaw, pitch, roll, distance]) =>
  `${short(time, 3)}: ${short(yaw, 1)} ${short(pitch, 1)} ${short(roll, 1)} ${short(distance, 3)}`;

/** The text with a line inserted in order of time; comments and other lines are kept. keys: [{line, time}] of the text. */
export function withLine(text, keys, time, line) {
  const lines = text.trim() ? text.trimEnd().split("\n") : [];
  const next = keys.find((key) => key.time > time);
  lines.splice(next?.line ?? lines.length, 0, line);
  return lines.join("\n");
}

export const withoutKeyframe = (text, key) => text.split("\n").filter((_, number) => number !== key.line).join("\n");

export const withKeyframe = (text, time, view) => withLine(text, parseKeyframes(text), time, formatKeyframe(time, view));

export function withChangedKeyframe(text, key, time, view) {
  if (time === key.time) return text.split("\n").map((line, number) => (number === key.line ? formatKeyframe(time, view) : line)).join("\n");
  return withKeyframe(withoutKeyframe(text, key), time, view);
}

/** Monotone cubic interpolation (PCHIP) of values [n] at ascending times [n]. */
export function interpolated(times, values, at) {
  const n = times.length;
  if (n === 1 || at <= times[0]) return values[0];
  if (at >= times[n - 1]) return values[n - 1];
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
  const i = times.findLastIndex((time) => time <= at);
  const t = (at - times[i]) / h[i];
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
  const times = keys.map((key) => key.time);
  return AT_REST.map((_, axis) => interpolated(times, keys.map((key) => key.view[axis]), time));
}

/** A view seen from another viewpoint [yaw, pitch, distance]. */
export const fromPlace = ([yaw, pitch, roll, distance], [placeYaw, placePitch, placeDistance]) =>
  within([yaw + placeYaw, pitch + placePitch, roll, distance * placeDistance]);
